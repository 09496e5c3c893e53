"""NMEI: a decision map from block energies of the Laplacian, smoothed by votes and a guided filter.

Each window sums up its votes twice, with MATLAB's center of an even window, as the authors' code does.

Source: Zhan, Teng, Li & Shi, "A novel explicit multi-focus image fusion method", Journal of Information Hiding and
Multimedia Signal Processing 6(3), 2015.
"""

import cv2
import numpy as np

from data.runtime.errors import InputError
from metrics.color import to_gray
from model.baselines.channels import mix, on_levels
from model.baselines.guided import guided_filter

BLOCK = 8
"""Side in pixels of the blocks that are compared."""

LAPLACIAN = np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6
"""Of nine points; its squared response is the energy."""


VOTES = (8, 7)
"""Sides, in blocks, of the windows in which the majority decides, one after the other."""


@on_levels
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by a decision map of their gray values, softened by a guided filter.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.

    Raises:
        InputError: if they are thinner than 2 pixels.
    """
    if min(near.shape[:2]) < 2:
        raise InputError(f"nmei needs at least 2x2 pixels, received {near.shape[1]}x{near.shape[0]}.")
    grays = [to_gray(image) / 255 for image in (near, far)]
    return mix(near, far, guided_filter(grays[0], _decide(*grays), radius=8, epsilon=0.03))


def _decide(near, far):
    """1 where the blocks of `near` hold more energy, (H, W) float64."""
    height, width = near.shape
    padding = ((0, -height % BLOCK), (0, -width % BLOCK))
    energies = []
    for image in (near, far):
        squared = cv2.filter2D(image, cv2.CV_64F, LAPLACIAN, borderType=cv2.BORDER_REFLECT) ** 2
        squared = np.pad(squared, padding, "symmetric")
        rows, columns = (side // BLOCK for side in squared.shape)
        energies.append(squared.reshape(rows, BLOCK, columns, BLOCK).sum((1, 3)))
    decision = (energies[0] > energies[1]).astype(np.float64)
    for size in VOTES:
        decision = _vote(decision, size)
    return np.kron(decision, np.ones((BLOCK, BLOCK)))[:height, :width]


def _vote(decision, size):
    """1 where most of the blocks around each are 1; the votes of a window are summed up twice, as the authors do."""
    balance, anchor = decision - 0.5, ((size - 1) // 2,) * 2  # MATLAB's center: an even window reaches further on
    for _ in range(2):
        balance = cv2.boxFilter(balance, -1, (size, size), None, anchor, False, cv2.BORDER_CONSTANT)
    return (balance > 0).astype(np.float64)
