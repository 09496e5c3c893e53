"""Li's rule for detail coefficients: the more active one, unless the choices around it differ.

Source: Li, Manjunath & Mitra, "Multisensor image fusion using the wavelet transform", Graphical Models and Image
Processing 57(3), 1995.
"""

import cv2
import numpy as np


def select_by_li(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Compares the largest magnitudes in 3x3 windows of two bands, and takes each coefficient from the image with the
    larger one in most of the nine windows around it.

    Args:
        near: Coefficients of one band, (H, W) float64.
        far: Coefficients of the same band of the other image.
    """
    window = np.ones((3, 3), np.uint8)
    near_wins = cv2.dilate(np.abs(near), window) >= cv2.dilate(np.abs(far), window)
    votes = cv2.boxFilter(near_wins.astype(np.float32), -1, (3, 3), normalize=False, borderType=cv2.BORDER_REFLECT_101)
    return np.where(votes > 4.5, near, far)
