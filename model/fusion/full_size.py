"""Comparison at full size, near the boundaries of a decision that was made at reduced size."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.boundaries import near_boundaries
from data.imaging.composition import compose_each
from data.registration.prepared import PreparedFrames
from model.fusion import tiling
from model.fusion.decision_size import decision_scale
from model.fusion.evidence import FOCUS_DOWNSAMPLING, Evidence, PairComparer
from model.fusion.predictor import counter
from model.fusion.ranking import Ranking
from model.networks.stages import COMPARER_STRIDE

REACH = 16
"""Pixels from a decision boundary within which a decision at reduced size is made again at full size."""

TILE, OVERLAP = 1088, 64
"""Largest side, and overlap, in pixels, of the tiles in which that is done; all are of one size."""


def compare_near_boundaries(
    images: PreparedFrames, ranking: Ranking, logits: Sequence[np.ndarray], compare: PairComparer
) -> tuple[np.ndarray, np.ndarray]:
    """Compares the sharpest source and its runner-up, near decision boundaries.

    Args:
        images: The sources.
        ranking: At their size.
        logits: Of "out of focus", of the sharpest and of its runner-up: (h, w) float32 at a quarter of the size at
            which was decided.
        compare: Runs the comparing network.

    Returns:
        The logits of "the sharpest is the blurred one", (H, W) float32, and where they were computed, (H, W) bool.
    """
    sources = compose_each(images, [ranking.decision_map, ranking.runner_up])
    near = near_boundaries(ranking.decision_map, REACH)
    scale = decision_scale(near.shape) / FOCUS_DOWNSAMPLING
    tile = tiling.even(near.shape, TILE, OVERLAP, COMPARER_STRIDE)

    def look(window: Window) -> np.ndarray:
        shape = near[window].shape
        if not near[window].any():
            return np.zeros(shape, np.float32)
        first, second = (
            Evidence.of(source[window], _focus_window(values, window, scale), tile)
            for source, values in zip(sources, logits, strict=True)
        )
        return compare(first, second, shape)

    step = counter(images.observe, "comparing at full size", tiling.count(near.shape, tile, OVERLAP))
    return tiling.blend(near.shape, look, step, tile, OVERLAP), near


def _focus_window(values: np.ndarray, window: Window, scale: float) -> np.ndarray:
    """Resamples a window of a map, made at a scale of the photograph, to 1/`FOCUS_DOWNSAMPLING` of its size."""
    rows, columns = window
    # Pixel centers are half a pixel from the corner, so scaling moves them as well.
    offsets = [(span.start + FOCUS_DOWNSAMPLING / 2) * scale - 0.5 for span in (columns, rows)]
    motion = np.array(
        [[FOCUS_DOWNSAMPLING * scale, 0, offsets[0]], [0, FOCUS_DOWNSAMPLING * scale, offsets[1]]], np.float32
    )
    size = [-(-(span.stop - span.start) // FOCUS_DOWNSAMPLING) for span in (columns, rows)]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, motion, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
