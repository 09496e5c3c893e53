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
    """Returns all windows, (n, 9), each column by column."""
    views = np.lib.stride_tricks.sliding_window_view(feature, (_SIDE, _SIDE))
    return views.transpose(0, 1, 3, 2).reshape(-1, _SIDE * _SIDE)


def _mean_information(source: np.ndarray, fused: np.ndarray) -> float:
    """Averages the normalized mutual information over all windows of two features, (H, W) each."""
    height, width = source.shape
    count = (height - _SIDE + 1) * (width - _SIDE + 1)
    rows = max(1, _BLOCK // width)
    parts = [slice(start, start + rows + _SIDE - 1) for start in range(0, height - _SIDE + 1, rows)]
    return sum(in_threads(lambda part: _sum_information(source[part], fused[part]), parts)) / count


def _sum_information(source: np.ndarray, fused: np.ndarray) -> float:
    one, other = _windows(source), _windows(fused)
    equal = (one == other).all(1)
    return float(equal.sum() + _normalized_information(one[~equal], other[~equal]).sum())


def _normalized_information(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Computes 2 I / (H + H) for each window; (n,) float64."""
    first, second = _density(one), _density(other)
    correlation = _correlation(first, second)
    spread = _deviation(first) * _deviation(second)
    sums = np.cumsum(first, 1)[:, None, :], np.cumsum(second, 1)[:, :, None]
    product = sums[0] * sums[1]
    # The joint distribution lies between independence and Nelsen's bound on the side of the correlation's sign.
    bound = np.where((correlation >= 0)[:, None, None], np.minimum(*sums), np.maximum(sums[0] + sums[1] - 1, 0))
    covariance = (bound - product).sum((1, 2))
    usable = (correlation != 0) & (spread != 0) & (covariance != 0)
    weight = np.zeros_like(correlation)
    np.divide(correlation * spread, covariance, out=weight, where=usable)
    padded = np.pad(bound, ((0, 0), (1, 0), (1, 0)))
    at_bound = np.diff(np.diff(padded, axis=1), axis=2)
    weight = weight[:, None, None]
    joint = weight * at_bound + (1 - weight) * first[:, None, :] * second[:, :, None]
    whole = _entropy(first) + _entropy(second)
    shared = whole - _entropy(joint.reshape(-1, _SIDE**4))
    return np.divide(2 * shared, whole, out=np.zeros_like(whole), where=(whole != 0) & (shared != 0))


def _density(windows: np.ndarray) -> np.ndarray:
    """Stretches each window to 0..1 and normalizes it to a sum of 1; a constant one becomes uniform."""
    low, high = windows.min(1, keepdims=True), windows.max(1, keepdims=True)
    stretched = np.ones_like(windows)
    np.divide(windows - low, high - low, out=stretched, where=np.broadcast_to(high > low, windows.shape))
    return stretched / stretched.sum(1, keepdims=True)


def _correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    one, other = (values - values.mean(1, keepdims=True) for values in (first, second))
    product = (one * other).sum(1)
    scale = np.sqrt((one * one).sum(1) * (other * other).sum(1))
    return np.divide(product, scale, out=np.zeros_like(product), where=(product != 0) & (scale != 0))


def _deviation(density: np.ndarray) -> np.ndarray:
    places = np.arange(1, density.shape[1] + 1)
    mean, square = density @ places, density @ places**2
    return np.sqrt(np.maximum(square - mean**2, 0))


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    """Computes entropies in bits; probabilities that the bounds make slightly negative count by their size."""
    size = np.abs(probabilities)
    return -(probabilities * np.log2(np.where(size > 0, size, 1))).sum(1)


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
