"""Gaussian windows over planes: filtered planes, local moments and structural similarity."""

from collections.abc import Callable, Sequence
from functools import partial, reduce

import cv2
import numpy as np

from metrics.threads import in_threads

SSIM_CONSTANTS = ((0.01 * 255) ** 2, (0.03 * 255) ** 2)
"""SSIM's constants for means and for variances, C1 and C2, with K1 = 0.01, K2 = 0.03 and L = 255."""

_ROUNDING = 3e-14
"""Variances below this share of the squared mean are errors of rounding. One gray level of 65,536 leaves more."""

_BAND = 32_768
"""Pixels of a band of rows: what is computed of it stays in the processor's cache."""

LocalMean = Callable[[np.ndarray], np.ndarray]
"""Plane to its weighted local means, such as `filter_valid` with a window."""

Moments = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
"""Local mean and variance of a first plane, mean and variance of a second one, and their covariance."""


def gaussian_window(size: int, sigma: float) -> np.ndarray:
    """Samples a Gaussian at `size` pixels and normalizes it to a sum of 1; (size,) float64."""
    offsets = np.arange(size) - (size - 1) / 2
    window = np.exp(-(offsets**2) / (2 * sigma**2))
    return window / window.sum()


def filter_same(plane: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Filters a plane along both axes, with zeros beyond the border, as MATLAB's `filter2` with "same".

    Args:
        plane: (H, W) float64.
        window: (n,).

    Returns:
        (H, W) float64.
    """
    return cv2.sepFilter2D(plane, cv2.CV_64F, window, window, borderType=cv2.BORDER_CONSTANT)


def filter_valid(plane: np.ndarray, window: np.ndarray) -> np.ndarray:
    """Filters as `filter_same`, and returns what MATLAB's "valid" does: (H - n + 1, W - n + 1), without border."""
    before, after = len(window) // 2, (len(window) - 1) // 2
    return filter_same(plane, window)[before : plane.shape[0] - after, before : plane.shape[1] - after]


def sum_over_bands(
    compute: Callable[[Sequence[np.ndarray]], Sequence[float]], planes: Sequence[np.ndarray], extent: int
) -> np.ndarray:
    """Adds up what a function sums over the windows of a band of rows, so that large planes need little memory.

    Args:
        compute: (rows of the planes) -> sums over the windows that lie in them.
        planes: (H, W) each, of one shape.
        extent: Side of the windows; neighboring bands overlap by one row less.

    Returns:
        The sums over all windows, float64.
    """
    height, width = planes[0].shape
    rows = max(1, _BAND // width)
    starts = range(0, height - extent + 1, rows)
    sums = in_threads(lambda top: compute([plane[top : top + rows + extent - 1] for plane in planes]), starts)
    return np.sum(sums, 0)


def mean_ssim(first: np.ndarray, second: np.ndarray, window: np.ndarray, constants: tuple[float, float]) -> float:
    """Averages the structural similarity of two planes, (H, W) float64, over all windows that lie inside."""
    local_mean = partial(filter_valid, window=window)

    def compute(rows: Sequence[np.ndarray]) -> list[float]:
        one, other = rows
        similar = local_ssim(local_moments(one, other, local_mean), *constants)
        return [similar.sum(), similar.size]

    similar, count = sum_over_bands(compute, (first, second), len(window))
    return float(similar / count)


def local_moments(first: np.ndarray, second: np.ndarray, local_mean: LocalMean) -> Moments:
    """Computes local means, variances and covariance of two planes, (H, W) float64 each.

    Where a window is flat, as in saturated parts, its variance and covariance are exactly 0: what rounding leaves there
    can have any sign, and quotients of such rests any value.
    """
    mean, other_mean = local_mean(first), local_mean(second)
    variance, other_variance = local_variance(first, mean, local_mean), local_variance(second, other_mean, local_mean)
    covariance = local_mean(first * second) - mean * other_mean
    covariance[(variance == 0) | (other_variance == 0)] = 0
    return mean, variance, other_mean, other_variance, covariance


def local_variance(plane: np.ndarray, mean: np.ndarray, local_mean: LocalMean) -> np.ndarray:
    """Computes local variances of a plane, (H, W) float64, given its local means; 0 where a window is flat."""
    square = mean * mean
    variance = local_mean(plane * plane) - square
    variance[variance < _ROUNDING * square] = 0
    return variance


def local_ssim(moments: Moments, c1: float, c2: float) -> np.ndarray:
    """Computes the structural similarity at each place; `c1` and `c2` keep the quotients finite."""
    mean, variance, other_mean, other_variance, covariance = moments
    means = (2 * mean * other_mean + c1) / (mean * mean + other_mean * other_mean + c1)
    return means * (2 * covariance + c2) / (variance + other_variance + c2)


def shares(values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Divides values of at least 0 by their sum at each place; where all are 0, all get the same share."""
    total = reduce(np.add, values)
    return [np.divide(one, total, out=np.full_like(one, 1 / len(values)), where=total != 0) for one in values]
