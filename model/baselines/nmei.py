"""NMEI: a decision map from block energies of the Laplacian, smoothed by majority votes and a guided filter.

Votes are summed over the window twice, with MATLAB's center of an even window, as in the authors' code.

Source: Zhan, Teng, Li & Shi, "A novel explicit multi-focus image fusion method", Journal of Information Hiding and
Multimedia Signal Processing 6(3), 2015.
"""

import cv2
import numpy as np

from data.runtime.errors import InputError
from metrics.color import to_gray
from model.baselines.channels import mix, on_levels
from model.baselines.guided import guided_filter

BLOCK_SIDE = 8
"""Pixels: side of the blocks that are compared."""

LAPLACIAN = np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6
"""The Laplacian with nine points; the energy is its squared response."""

VOTING_WINDOWS = (8, 7)
"""Blocks: sides of the windows of the successive majority votes."""


@on_levels
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by a decision map of their gray values, softened by a guided filter.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.

    Raises:
        InputError: They are less than 2 pixels high or wide.
    """
    if min(near.shape[:2]) < 2:
        raise InputError(f"nmei needs at least 2x2 pixels, received {near.shape[1]}x{near.shape[0]}.")
    grays = [to_gray(image) / 255 for image in (near, far)]
    return mix(near, far, guided_filter(grays[0], _decide(*grays), radius=8, epsilon=0.03))


def _decide(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Returns 1 where the blocks of `near` have more energy, (H, W) float64."""
    height, width = near.shape
    padding = ((0, -height % BLOCK_SIDE), (0, -width % BLOCK_SIDE))
    energies = []
    for image in (near, far):
        squared = cv2.filter2D(image, cv2.CV_64F, LAPLACIAN, borderType=cv2.BORDER_REFLECT) ** 2
        squared = np.pad(squared, padding, "symmetric")
        rows, columns = (side // BLOCK_SIDE for side in squared.shape)
        energies.append(squared.reshape(rows, BLOCK_SIDE, columns, BLOCK_SIDE).sum((1, 3)))
    decision = (energies[0] > energies[1]).astype(np.float64)
    for size in VOTING_WINDOWS:
        decision = _vote(decision, size)
    return np.kron(decision, np.ones((BLOCK_SIDE, BLOCK_SIDE)))[:height, :width]


def _vote(decision: np.ndarray, size: int) -> np.ndarray:
    """Returns 1 where most of the blocks in the window are 1; the votes are summed twice, as the authors do."""
    # MATLAB's center: an even window reaches one block further to the right and down.
    balance, anchor = decision - 0.5, ((size - 1) // 2, (size - 1) // 2)
    for _ in range(2):
        balance = cv2.boxFilter(balance, -1, (size, size), None, anchor, False, cv2.BORDER_CONSTANT)
    return (balance > 0).astype(np.float64)
