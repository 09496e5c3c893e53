"""NMEI: a decision map from block energies of the Laplacian, smoothed by votes and a guided filter.

Source: Zhan, Teng, Li & Shi, "A novel explicit multi-focus image fusion method", Journal of Information Hiding and
Multimedia Signal Processing 6(3), 2015.
"""

import cv2
import numpy as np

from data.errors import InputError
from metrics.color import to_gray
from model.baselines.channels import check, from_levels, to_levels
from model.baselines.guided import guided_filter

BLOCK = 8
VOTES = (8, 7)
RADIUS = 8
EPSILON = 0.03
LAPLACIAN = np.array([[1, 4, 1], [4, -20, 4], [1, 4, 1]]) / 6


def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images; the decision is that of their gray values.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.

    Raises:
        InputError: if they cannot be used, or are thinner than 2 pixels.
    """
    check(near, far)
    if min(near.shape[:2]) < 2:
        raise InputError(f"nmei needs at least 2x2 pixels, received {near.shape[1]}x{near.shape[0]}.")
    one, other = to_levels(near), to_levels(far)
    gray = [to_gray(image) / 255 for image in (one, other)]
    share = guided_filter(gray[0], _decide(*gray), RADIUS, EPSILON)
    if near.ndim == 3:
        share = share[..., None]
    return from_levels(share * one + (1 - share) * other, near.dtype)


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
        balance = cv2.boxFilter(decision - 0.5, -1, (size, size), normalize=False, borderType=cv2.BORDER_CONSTANT)
        decision = (balance > 0).astype(np.float64)
    return np.kron(decision, np.ones((BLOCK, BLOCK)))[:height, :width]
