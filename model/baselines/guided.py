"""The guided filter (He, Sun & Tang, IEEE TPAMI 35(6), 2013), with windows clipped at the border."""

from functools import partial

import cv2
import numpy as np


def guided_filter(guide: np.ndarray, image: np.ndarray, radius: int, epsilon: float) -> np.ndarray:
    """Smooths an image except at the edges of the guide.

    Args:
        guide: (H, W) float64.
        image: (H, W) float64.
        radius: Radius of the windows, whose side is 2 * radius + 1 pixels.
        epsilon: Variance of the guide below which a window is smoothed.
    """
    mean = partial(box_mean, radius=radius)
    mean_guide, mean_image = mean(guide), mean(image)
    covariance = mean(guide * image) - mean_guide * mean_image
    slope = covariance / (mean(guide * guide) - mean_guide**2 + epsilon)
    return mean(slope) * guide + mean(mean_image - slope * mean_guide)


def box_mean(values: np.ndarray, radius: int) -> np.ndarray:
    """Averages over the part of a window of side 2 * radius + 1 that lies in the image; (H, W) float64."""
    return _sum(values, radius) / _sum(np.ones(values.shape), radius)


def _sum(values: np.ndarray, radius: int) -> np.ndarray:
    side = 2 * radius + 1
    return cv2.boxFilter(values, cv2.CV_64F, (side, side), normalize=False, borderType=cv2.BORDER_CONSTANT)
