"""Faults of a fused stack that show without a truth: edges that no frame has, and places where a frame is far sharper.

Both are ours (docs/stacks.md). A border of a patch, a cut leg or a worm is an edge of the result that no frame shows
within a pixel; a speck, a hair or a soft spot is lost where some frame is far sharper than the result.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from metrics.checks import require_equal_shapes
from metrics.color import to_gray
from metrics.metric import Metric

GRADIENT_SIGMA, SHARPNESS_SIGMA = 0.8, 2.0
"""Standard deviations in pixels of the Gaussian before the gradient, and of the one that averages it."""

INVENTED, INVENTED_LEAST = 1.15, 0.12
"""An edge is invented as far as it exceeds that of all frames by this factor and so many gray levels a pixel."""

LOST, LOST_LEAST = 0.6, 0.25
"""Sharpness is lost as far as it stays below this share of the sharpest frame's, and so many gray levels a pixel."""

BORDER = 12
"""Pixels at each side that are left out."""


class FrameFaults:
    """Measures results of one stack.

    Args:
        frames: Aligned, `(H, W)` or `(H, W, 3)` each, of a type that `to_gray` takes; each is read once.
    """

    def __init__(self, frames: Iterable[np.ndarray]):
        self._edges = self._sharpness = np.zeros(0, np.float32)
        for number, frame in enumerate(frames):
            edges = _gradient(frame)
            sharpness = cv2.GaussianBlur(edges, (0, 0), SHARPNESS_SIGMA)
            edges = cv2.dilate(edges, np.ones((3, 3), np.uint8))
            if number == 0:
                self._edges, self._sharpness = edges, sharpness
            np.maximum(self._edges, edges, out=self._edges)
            np.maximum(self._sharpness, sharpness, out=self._sharpness)

    def invented(self, fused: np.ndarray) -> float:
        """Returns the edges that no frame shows within a pixel, per mille of all.

        Raises:
            RefusedError: the result is not of the frames' size, or of a type that `to_gray` refuses.
        """
        return _share(self.invented_at(fused), self._edges)

    def invented_at(self, fused: np.ndarray) -> np.ndarray:
        """Returns how far each pixel's edge exceeds what frames show, (H, W) float32, at least 0; errors as
        `invented`."""
        beyond = self._gradient(fused) - np.float32(INVENTED) * self._edges - np.float32(INVENTED_LEAST)
        return np.maximum(0, beyond)

    def lost(self, fused: np.ndarray) -> float:
        """Returns the sharpness that frames show and the result lacks, per mille of all; errors as `invented`."""
        sharpness = cv2.GaussianBlur(self._gradient(fused), (0, 0), SHARPNESS_SIGMA)
        return _share(np.float32(LOST) * self._sharpness - sharpness - np.float32(LOST_LEAST), self._sharpness)

    def _gradient(self, fused: np.ndarray) -> np.ndarray:
        require_equal_shapes(frames=self._edges, fused=fused[..., 0] if fused.ndim == 3 else fused)
        return _gradient(fused)


def _gradient(image: np.ndarray) -> np.ndarray:
    """Returns the strength of the gradient in gray levels a pixel."""
    gray = cv2.GaussianBlur(to_gray(image).astype(np.float32), (0, 0), GRADIENT_SIGMA)
    along_x, along_y = (cv2.Sobel(gray, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return cv2.magnitude(along_x, along_y)


def _share(excess: np.ndarray, of: np.ndarray) -> float:
    inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    total = float(of[inner].sum(dtype=np.float64))
    return 1000 * float(np.maximum(0, excess[inner]).sum(dtype=np.float64)) / total if total else 0.0


METRICS = (
    Metric(
        "invented",
        "Invented",
        "edges that no source has, per mille of all",
        "this project",
        variants=("sobel",),
        range=(0.0, float("inf")),
        score=lambda plane, _: FrameFaults(plane.sources).invented(plane.fused),
        larger_is_better=False,
    ),
    Metric(
        "missed",
        "Missed",
        "sharpness that a source has and the result lacks, per mille",
        "this project",
        variants=("sobel",),
        range=(0.0, 1000.0),
        score=lambda plane, _: FrameFaults(plane.sources).lost(plane.fused),
        larger_is_better=False,
    ),
)
"""The metrics of this family."""
