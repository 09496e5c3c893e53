"""Feature mutual information (FMI): information that 3 x 3 windows of a feature share with those of the sources."""

from collections.abc import Sequence

import numpy as np
import pywt

from metrics.checks import require_comparable, require_known
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.threads import in_threads

FMI_VARIANTS = ("pixel", "gradient", "dct", "wavelet")
"""Published features, the default first; see `feature_information`."""

_SIDE = 3
"""Side of a window, in pixels."""

_BLOCK = 4_000
"""Windows processed together: their arrays stay in the processor's cache."""


def feature_information(sources: Sequence[np.ndarray], fused: np.ndarray, variant: str = "pixel") -> float:
    """Computes the mutual information of a feature of the fused image with that of its sources, window by window.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape.
        variant: The feature: "pixel" = gray levels; "gradient" = along x, by central differences; "dct" = cosine
            transform of the whole image; "wavelet" = discrete Meyer, one level.

    Returns:
        The mean over windows and sources of 2 I / (H + H): 0..1 except for rounding, 1 where all are equal; larger is
        better.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Source: Haghighat, Aghagolzadeh & Seyedarabi, Computers & Electrical Engineering 37(5), 2011; Haghighat & Razian,
    "Fast-FMI: non-reference image fusion metric", AICT 2014: joint distributions by Nelsen's bounds.
    """
    require_known("FMI variant", variant, FMI_VARIANTS)
    require_comparable(sources, fused)
    result = _feature(fused, variant)
    scores = [_mean_information(_feature(source, variant), result) for source in sources]
    return float(np.mean(scores))


def _feature(image: np.ndarray, variant: str) -> np.ndarray:
    gray = to_gray(image).astype(np.float64)
    if variant == "gradient":
        return np.gradient(gray, axis=1)
    if variant == "dct":
        from scipy.fft import dctn  # takes 0.15 s to load, and is needed for this variant only

        return dctn(gray, norm="ortho")
    if variant == "wavelet":
        coarse, (horizontal, vertical, diagonal) = pywt.dwt2(gray, "dmey")
        return np.block([[coarse, horizontal], [vertical, diagonal]])
    return gray


def _windows(feature: np.ndarray) -> np.ndarray:
    """Returns all windows, (9, n), each column by column."""
    views = np.lib.stride_tricks.sliding_window_view(feature, (_SIDE, _SIDE))
    return views.transpose(3, 2, 0, 1).reshape(_SIDE * _SIDE, -1)


def _mean_information(source: np.ndarray, fused: np.ndarray) -> float:
    """Averages the normalized mutual information over all windows of two features, (H, W) each."""
    height, width = source.shape
    count = (height - _SIDE + 1) * (width - _SIDE + 1)
    rows = max(1, _BLOCK // width)
    parts = [slice(start, start + rows + _SIDE - 1) for start in range(0, height - _SIDE + 1, rows)]
    return sum(in_threads(lambda part: _sum_information(source[part], fused[part]), parts)) / count


def _sum_information(source: np.ndarray, fused: np.ndarray) -> float:
    one, other = _windows(source), _windows(fused)
    unequal = np.flatnonzero((one != other).any(0))
    return one.shape[1] - len(unequal) + float(_normalized_information(one[:, unequal], other[:, unequal]).sum())


def _normalized_information(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Computes 2 I / (H + H) for each window, (9, n) each; (n,) float64.

    The joint distribution lies between independence and Nelsen's bound on the side of the correlation's sign. For a
    negative correlation the second distribution is reversed, which leaves the information as it is, so that the bound
    is always min(F, G). Its mass lies on a staircase of 17 of the 81 cells: only there does the joint distribution
    differ from a multiple of the product, whose entropy is known from those of its factors.
    """
    first, second = _density(one), _density(other)
    correlation = _correlation(first, second)
    second = np.where(correlation < 0, second[::-1], second)
    (mean, deviation), (other_mean, other_deviation) = _moments(first), _moments(second)
    mass, row, column = _staircase(first, second)
    covariance = (mass * ((row + 1) * (column + 1))).sum(0) - mean * other_mean
    spread = np.abs(correlation) * deviation * other_deviation
    weight = np.zeros_like(covariance)
    np.divide(spread, covariance, out=weight, where=(spread != 0) & (covariance != 0))
    rest = 1 - weight
    entropies = _entropy(first) + _entropy(second)
    product = np.take_along_axis(first, row, 0) * np.take_along_axis(second, column, 0) * rest
    joint = rest * entropies + _information(rest) + _entropy(weight * mass + product) - _entropy(product)
    return np.divide(2 * (entropies - joint), entropies, out=np.zeros_like(joint), where=entropies != 0)


def _staircase(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mass of min(F, G) in the cells where it has any, and their rows and columns; (17, n) each."""
    steps = np.concatenate([np.cumsum(values, 0)[:-1] for values in (first, second)])
    edges = np.zeros((len(steps) + 2, steps.shape[1]))
    row = np.zeros((len(steps) + 1, steps.shape[1]), np.intp)
    edges[1:-1], edges[-1] = np.sort(steps, 0), 1
    np.cumsum(np.argsort(steps, 0) < len(first) - 1, axis=0, out=row[1:])
    return np.diff(edges, axis=0), row, np.arange(len(row))[:, None] - row


def _density(windows: np.ndarray) -> np.ndarray:
    """Stretches each window to 0..1 and normalizes it to a sum of 1; a constant one becomes uniform."""
    low, high = windows.min(0), windows.max(0)
    stretched = np.ones_like(windows)
    np.divide(windows - low, high - low, out=stretched, where=high > low)
    return stretched / stretched.sum(0)


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = (values - values.mean(0) for values in (first, second))
    product = (one * other).sum(0)
    scale = np.sqrt((one * one).sum(0) * (other * other).sum(0))
    return np.divide(product, scale, out=np.zeros_like(product), where=(product != 0) & (scale != 0))


def _moments(density: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and standard deviation of the places 1 to 9."""
    places = np.arange(1, len(density) + 1)
    mean, square = places @ density, places**2 @ density
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _entropy(density: np.ndarray) -> np.ndarray:
    """Computes the entropy of each window in bits."""
    return _information(density).sum(0)


def _information(probability: np.ndarray) -> np.ndarray:
    """Computes -p log2 |p|: a weight of more than 1 makes some probabilities slightly negative."""
    size = np.abs(probability)
    return -probability * np.log2(np.where(size > 0, size, 1))


METRICS = (
    Metric(
        "fmi",
        "FMI",
        "feature mutual information",
        "Haghighat & Razian 2014",
        variants=FMI_VARIANTS,
        range=(0.0, 1.0),
        score=lambda plane, variant: feature_information(plane.sources, plane.fused, variant),
    ),
)
"""The metrics of this family."""
