"""The dominant orientation of a patch, by which ASR chooses a dictionary.

Source: Liu & Wang, "Simultaneous image fusion and denoising with adaptive sparse representation", IET Image Processing
9(5), 2015, after Lowe's orientation histogram.
"""

import numpy as np
from scipy import ndimage

from model.baselines.sparse_coding.codes import SIDE

ORIENTATIONS = 6
"""Bins of 30 degrees, from 0 (a gradient along x) on."""

GENERIC = -1
"""The index of patches without a dominant orientation."""

DOMINANCE = 1.5
"""The largest bin must hold so many times its even share."""


def dominant_orientation(patches: np.ndarray) -> np.ndarray:
    """Finds the orientation of most of a patch's gradients, by Sobel filters with zeros around each patch.

    Args:
        patches: (n, 64) of 8x8 pixels, with or without their means.

    Returns:
        (n,) int, the bin from 0 to 5, or `GENERIC` for none.
    """
    tiles = patches.reshape(-1, SIDE, SIDE).astype(np.float32)
    slope = np.float32([-1, 0, 1])
    smooth = np.float32([1, 2, 1])

    def sobel(along, across):
        once = ndimage.correlate1d(tiles, slope, axis=along, mode="constant")
        return ndimage.correlate1d(once, smooth, axis=across, mode="constant")

    along_x, along_y = sobel(2, 1), sobel(1, 2)
    magnitude = np.hypot(along_x, along_y)
    angle = np.mod(np.arctan2(along_y, along_x), np.float32(np.pi))
    # Bins are open below and closed above, so an exactly horizontal gradient is in none.
    bins = np.ceil(angle * np.float32(ORIENTATIONS / np.pi)).astype(int)
    histogram = np.stack([(magnitude * (bins == number)).sum((1, 2)) for number in range(1, ORIENTATIONS + 1)], 1)
    total = histogram.sum(1)
    dominates = histogram.max(1) > DOMINANCE / ORIENTATIONS * total
    return np.where(dominates & (total > 0), histogram.argmax(1), GENERIC)
