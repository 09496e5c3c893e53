"""Structural similarity of a fused image with its sources: Yang's Q_Y, and SSIM at several scales (MS-SSIM)."""

from collections.abc import Sequence
from functools import partial, reduce
from itertools import combinations

import cv2
import numpy as np

from metrics.color import comparable_planes
from metrics.metric import Metric
from metrics.windows import (
    SSIM_CONSTANTS,
    filter_valid,
    gaussian_window,
    local_moments,
    local_ssim,
    local_variance,
    mean_ssim,
    shares,
    sum_over_bands,
)

_SIMILAR = 0.75
"""SSIM of two sources from which both count; below it only the more similar one does."""

_TINY = 2e-16
"""Constant that keeps Q_Y's quotients finite."""

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Exponents of MS-SSIM's scales, the finest first."""

_MINIMUM_SIDE = 176
"""Shortest side in pixels for five scales with a window of 11."""


def yang(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes Yang's similarity with the source that each place should come from.

    In Gaussian windows of 7 x 7 (standard deviation 1.5): where the sources are similar (SSIM of every two at least
    0.75), the mean of the SSIM with each, weighted by the sources' variances; elsewhere the largest of them.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape, at least 11 x 11.

    Returns:
        -1..1, 1 where it equals its sources; larger is better. NaN (undefined) for fewer pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Yang, Zhang, Wang & Liu, "A novel similarity based quality metric for image fusion", Information Fusion
    9(2), 2008; constants as in Z. Liu's implementation (2e-16 in place of SSIM's). Where that divides what rounding
    leaves in flat windows, here both variances are 0 (see `local_moments`).
    """
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < 11:
        return float("nan")
    window = gaussian_window(7, 1.5)
    local_mean = partial(filter_valid, window=window)

    def local_similarity(one: np.ndarray, other: np.ndarray) -> np.ndarray:
        return local_ssim(local_moments(one, other, local_mean), _TINY, _TINY)

    def compute(rows: Sequence[np.ndarray]) -> list[float]:
        *parts, fused_part = rows
        with_fused = [local_similarity(part, fused_part) for part in parts]
        weights = shares([local_variance(part, local_mean(part), local_mean) for part in parts])
        weighted = reduce(np.add, map(np.multiply, weights, with_fused))
        similar = np.minimum.reduce([local_similarity(*pair) for pair in combinations(parts, 2)]) >= _SIMILAR
        quality = np.where(similar, weighted, np.maximum.reduce(with_fused))
        return [quality.sum(), quality.size]

    quality, count = sum_over_bands(compute, (*planes, result), len(window))
    return float(quality / count)


def multi_scale_ssim(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the mean over the sources of the structural similarity at five scales.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape.

    Returns:
        0..1, 1 where it equals all sources; larger is better. NaN (undefined) for sides of less than 176 pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Wang, Simoncelli & Bovik, "Multiscale structural similarity for image quality assessment", Asilomar
    Conference 2003; a negative structure at a scale counts as 0.
    """
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < _MINIMUM_SIDE:
        return float("nan")
    return float(np.mean([_ms_ssim(plane, result) for plane in planes]))


def _ms_ssim(one: np.ndarray, other: np.ndarray) -> float:
    window = gaussian_window(11, 1.5)
    local_mean = partial(filter_valid, window=window)

    def compute(rows: Sequence[np.ndarray]) -> list[float]:
        one_rows, other_rows = rows
        _, variance, _, other_variance, covariance = local_moments(one_rows, other_rows, local_mean)
        constant = SSIM_CONSTANTS[1]
        structure = (2 * covariance + constant) / (variance + other_variance + constant)
        return [structure.sum(), structure.size]

    product = 1.0
    for number, weight in enumerate(_SCALE_WEIGHTS, start=1):
        last = number == len(_SCALE_WEIGHTS)
        if last:
            compared = mean_ssim(one, other, window, SSIM_CONSTANTS)
        else:
            structure, count = sum_over_bands(compute, (one, other), len(window))
            compared = float(structure / count)
        product *= max(0.0, compared) ** weight
        if not last:
            one, other = _halve(one), _halve(other)
    return product


def _halve(plane: np.ndarray) -> np.ndarray:
    """Averages 2 x 2 pixels; drops the last of an odd number, which TensorFlow's `ssim_multiscale` doubles."""
    height, width = (side - side % 2 for side in plane.shape)
    return cv2.resize(plane[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)


METRICS = (
    Metric(
        "q_y",
        "Q_Y",
        "similarity by Yang",
        "Yang et al. 2008",
        variants=("liu",),
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels",
        score=lambda plane, _: yang(plane.sources, plane.fused),
        latex="$Q_{Y}$",
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        "structural similarity with the sources at five scales",
        "Wang, Simoncelli & Bovik 2003",
        variants=("mean",),
        range=(0.0, 1.0),
        undefined=f"a side has less than {_MINIMUM_SIDE} pixels",
        score=lambda plane, _: multi_scale_ssim(plane.sources, plane.fused),
    ),
)
"""The metrics of this family."""
