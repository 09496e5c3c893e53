"""Li's rule for detail coefficients: the more active one, with neighbors outvoting a lonely choice.

Source: Li, Manjunath & Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models and Image
Processing 57(3), 1995.
"""

import cv2
import numpy as np


def select_by_li(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Compares the largest magnitudes of two bands around each coefficient (3x3), and takes each coefficient from the
    image that wins most of the nine comparisons around it.

    Args:
        near: Coefficients of one band, (H, W) float64.
        far: The same of the other image.
    """
    window = np.ones((3, 3), np.uint8)
    near_wins = cv2.dilate(np.abs(near), window) >= cv2.dilate(np.abs(far), window)
    votes = cv2.boxFilter(near_wins.astype(np.float32), -1, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT_101)
    return np.where(votes > 4.5, near, far)
