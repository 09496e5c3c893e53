"""Gaussian windows over planes: sums and means of the pixels around each pixel."""

import cv2
import numpy as np


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """A Gaussian of so many pixels, normalized to a sum of 1; (size,) float64."""
    offsets = np.arange(size) - (size - 1) / 2
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    return window / window.sum()


def filtered(plane: np.ndarray, window: np.ndarray) -> np.ndarray:
    """A plane weighted by a window along both axes, zeros beyond the border, as MATLAB's `filter2` with "same".

    Args:
        plane: (H, W) float64.
        window: (n,), n odd.

    Returns:
        (H, W) float64.
    """
    return cv2.sepFilter2D(plane, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT)


def inside(plane: np.ndarray, window: np.ndarray) -> np.ndarray:
    """As `filtered`, where the whole window lies inside: (H - n + 1, W - n + 1), MATLAB's "valid"."""
    margin = len(window) // 2
    return filtered(plane, window)[margin : plane.shape[0] - margin, margin : plane.shape[1] - margin]


def moments(one: np.ndarray, other: np.ndarray, weigh) -> tuple[np.ndarray, ...]:
    """Local means, variances and covariance of two planes.

    Args:
        one: (H, W) float64.
        other: The same.
        weigh: Plane to its weighted means, such as `inside` with a window.

    Returns:
        Mean and variance of `one`, mean and variance of `other`, covariance.
    """
    first, second = weigh(one), weigh(other)
    variances = (weigh(plane * plane) - mean * mean for plane, mean in ((one, first), (other, second)))
    covariance = weigh(one * other) - first * second
    first_variance, second_variance = variances
    return first, first_variance, second, second_variance, covariance


def similarity(local: tuple[np.ndarray, ...], c1: float, c2: float) -> np.ndarray:
    """The structural similarity of each place, from what `moments` gives; `c1` and `c2` keep quotients finite."""
    first, first_variance, second, second_variance, covariance = local
    means = (2 * first * second + c1) / (first * first + second * second + c1)
    return means * (2 * covariance + c2) / (first_variance + second_variance + c2)
