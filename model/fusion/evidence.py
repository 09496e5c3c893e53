"""Input of the comparing network: each photograph with the focus network's view of it.

Memory does not grow with a stack: the evidence of the sharpest source so far is composed of all sources.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.imaging.pixels import copy_pixels, to_rgb
from model.fusion.predictor import FocusPredictor
from model.networks.stages import COMPARER_STRIDE

FOCUS_DOWNSAMPLING = 4
"""The paper's network sees photographs whose sides are divided by this: the comparing network needs only its view of
what lies far around a pixel (docs/ablation.md has the frontier)."""


@dataclass(frozen=True)
class Evidence:
    """One photograph as the comparing network takes it, mirrored at the lower and right border to fitting sides.

    Attributes:
        rgb: (H, W, 3) float32 RGB in [0, 255].
        focus: (H/4, W/4) float32, the logit of "out of focus" at a quarter of the size.
    """

    rgb: np.ndarray
    focus: np.ndarray

    @classmethod
    def of(cls, image: np.ndarray, focus: np.ndarray, least: Sequence[int] = (0, 0)) -> "Evidence":
        """Builds it from an image, (h, w, 3) RGB or (h, w) gray, and its logit at about a quarter of the size.

        Args:
            image, focus: These.
            least: (H, W) that it has at least: engines prepare each size that they have not seen.
        """
        sides = [max(side, one) for side, one in zip(image.shape, least, strict=False)]
        sides = [side + -side % COMPARER_STRIDE for side in sides]
        return cls(to_rgb(_mirrored(image, sides)), _mirrored(focus, [side // FOCUS_DOWNSAMPLING for side in sides]))

    def take(self, other: "Evidence", where: np.ndarray) -> None:
        """Copies another photograph's evidence where `where`, (h, w) bool without the mirrored border, is true."""
        whole = _mirrored(where.view(np.uint8), self.rgb.shape[:2]).view(bool)
        copy_pixels(self.rgb, other.rgb, whole)
        copy_pixels(self.focus, other.focus, np.ascontiguousarray(whole[::FOCUS_DOWNSAMPLING, ::FOCUS_DOWNSAMPLING]))


def gather(predictor: FocusPredictor, images: Sequence[np.ndarray]) -> Iterator[Evidence]:
    """Yields the evidence of each image, (H, W, 3) RGB or (H, W) gray, uint8, uint16 or levels of 0..255."""
    for image, focus in zip(images, predictor.logits(images, 1 / FOCUS_DOWNSAMPLING, enlarge=False), strict=True):
        yield Evidence.of(image, focus)


class PairComparer:
    """Compares two photographs pixel by pixel, of any size.

    Args:
        compare: Runs the comparing network; see `model.networks.engine.Engine.compare`.
    """

    def __init__(self, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]):
        self._compare = compare

    def __call__(self, first: Evidence, second: Evidence, shape: Sequence[int]) -> np.ndarray:
        """Computes the logit of "the first is the blurred one"; exchanging both changes its sign and nothing else.

        Args:
            first: Evidence of one photograph.
            second: Evidence of the other.
            shape: (h, w) without the mirrored border.

        Returns:
            (h, w) float32.
        """
        exchanged = _comes_later(first.rgb, second.rgb)
        pair = (second, first) if exchanged else (first, second)
        inputs = np.concatenate([one.rgb for one in pair], -1)[None], np.stack([one.focus for one in pair], -1)[None]
        logits = self._compare(*inputs)[0, : shape[0], : shape[1]]
        return -logits if exchanged else logits


def _comes_later(one: np.ndarray, other: np.ndarray) -> bool:
    """Orders two photographs in a way that does not depend on how they are given: the one that is brighter at the first
    value in which they differ comes first."""
    differs = (one != other).ravel()
    first = differs.argmax()
    return bool(one.flat[first] < other.flat[first])


def _mirrored(values: np.ndarray, sides: Sequence[int]) -> np.ndarray:
    """Continues (h, w) or (h, w, C) by the mirror image at the lower and right border."""
    down, right = (whole - side for whole, side in zip(sides, values.shape, strict=False))
    return cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REFLECT) if down or right else values
