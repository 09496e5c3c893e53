"""The dominant orientation of a patch, by which ASR chooses a dictionary.

Source: Liu & Wang, "Simultaneous image fusion and denoising with adaptive sparse representation", IET Image Processing
9(5), 2015, after Lowe's orientation histogram.
"""

import numpy as np
from scipy import ndimage

from model.baselines.sparse_coding.codes import SIDE

ORIENTATIONS = 6
"""Number of bins, of 30 degrees each, from 0 (a gradient along x)."""

GENERIC = -1
"""The index of patches without a dominant orientation."""

DOMINANCE = 1.5
"""Factor by which the largest bin must exceed the mean of the bins."""


def dominant_orientation(patches: np.ndarray) -> np.ndarray:
    """Finds the orientation of most of a patch's gradients, by Sobel filters with zeros around each patch.

    Args:
        patches: (n, 64), 8x8 pixels each, with or without their means.

    Returns:
        The bin from 0 to 5 of each patch, or `GENERIC`, (n,) int.
    """
    tiles = patches.reshape(-1, SIDE, SIDE).astype(np.float32)
    slope = np.array([-1, 0, 1], np.float32)
    smooth = np.array([1, 2, 1], np.float32)

    def sobel(along: int, across: int) -> np.ndarray:
        once = ndimage.correlate1d(tiles, slope, axis=along, mode="constant")
        return ndimage.correlate1d(once, smooth, axis=across, mode="constant")

    along_x, along_y = sobel(2, 1), sobel(1, 2)
    magnitude = np.hypot(along_x, along_y)
    angle = np.mod(np.arctan2(along_y, along_x), np.float32(np.pi))
    # Bins exclude their lower and include their upper limit, so an exactly horizontal gradient is in none.
    bins = np.ceil(angle * np.float32(ORIENTATIONS / np.pi)).astype(int)
    histogram = np.stack([(magnitude * (bins == number)).sum((1, 2)) for number in range(1, ORIENTATIONS + 1)], 1)
    total = histogram.sum(1)
    dominates = histogram.max(1) > DOMINANCE / ORIENTATIONS * total
    return np.where(dominates & (total > 0), histogram.argmax(1), GENERIC)
