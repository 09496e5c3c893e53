"""Similarity of a fused image with its sources: Piella's three indices, Cvejic's Q_C, SCD, SSIM with the sources."""

from collections.abc import Sequence
from functools import partial, reduce
from math import nan

import cv2
import numpy as np

from metrics.checks import require_known
from metrics.color import comparable_planes
from metrics.metric import Metric
from metrics.windows import (
    SSIM_CONSTANTS,
    LocalMean,
    filter_valid,
    gaussian_window,
    local_moments,
    local_ssim,
    local_variance,
    mean_ssim,
    shares,
    sum_over_bands,
)

_PIELLA = {
    "uiqi": (np.full(8, 1 / 8), ((1e-6 * 255) ** 2,) * 2, 0.5),
    "ssim": (gaussian_window(11, 1.5), SSIM_CONSTANTS, 0.0),
}
"""Window, constants and the weight in Q_W of places where all sources are flat, in squared gray levels, of each variant
of Piella's indices, the default first. That weight is what the published code's precaution against 0/0 amounts to."""

PIELLA_VARIANTS = tuple(_PIELLA)
"""Names of the variants of Piella's indices."""

_TINY = 2e-16
"""Constant that keeps Q_C's quotients finite."""

_LEAST_SIDE = 11
"""Shortest side in pixels of the windows."""


def piella(sources: Sequence[np.ndarray], fused: np.ndarray, variant: str = "uiqi", *, weighted: bool = False) -> float:
    """Computes Piella's quality index Q_S, or the weighted Q_W.

    Q_S: at each place the mean of the similarities with the sources, weighted by their local variances, and the mean of
    all places. Q_W: that mean weighted by the largest local variance.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape, at least 11 x 11.
        variant: "uiqi" = the universal image quality index in windows of 8 x 8, as in the paper and in Y. Liu's
            correction of Z. Liu's toolbox, which adds constants of (1e-6 x 255)^2; "ssim" = structural similarity in
            Gaussian windows of 11 x 11, as in that toolbox itself.
        weighted: Whether to compute Q_W.

    Returns:
        -1..1, 1 where it equals its sources; larger is better. NaN (undefined) for fewer pixels, and of Q_W where all
        sources are flat.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Source: Piella & Heijmans, "A new quality metric for image fusion", ICIP 2003.
    """
    require_known("variant of Piella's index", variant, PIELLA_VARIANTS)
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < _LEAST_SIDE:
        return nan
    return _piella(planes, result, variant, weighted)


def piella_edges(sources: Sequence[np.ndarray], fused: np.ndarray, variant: str = "uiqi") -> float:
    """Computes Piella's edge-dependent index Q_E: Q_W of the images times Q_W of their edges (Prewitt, zero border).

    Arguments, errors and source as `piella`. Returns -1..1; larger is better; NaN where one of both is undefined.
    """
    require_known("variant of Piella's index", variant, PIELLA_VARIANTS)
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < _LEAST_SIDE:
        return nan
    of_edges = _piella(list(map(_prewitt, planes)), _prewitt(result), variant, True)
    return _piella(planes, result, variant, True) * of_edges


def cvejic(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes Cvejic's similarity: at each place the mean of the similarities with the sources, weighted by how much
    each varies together with the fused image, in Gaussian windows of 7 x 7 (standard deviation 1.5).

    Args:
        sources: Two, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape, at least 11 x 11.

    Returns:
        -1..1, 1 where it equals its sources; larger is better. NaN (undefined) for fewer pixels and for more sources.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Cvejic, Loza, Bull & Canagarajah, "A similarity metric for assessment of image fusion algorithms",
    International Journal of Signal Processing 2(3), 2006; constants as in Z. Liu's implementation. Places where neither
    source varies with the fused image (0/0 there) weigh both alike.
    """
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < _LEAST_SIDE or len(planes) != 2:
        return nan
    window = gaussian_window(7, 1.5)
    local_mean = partial(filter_valid, window=window)

    def compute(rows: Sequence[np.ndarray]) -> list[float]:
        moments = [local_moments(plane, rows[-1], local_mean) for plane in rows[:-1]]
        similar = [local_ssim(one, _TINY, _TINY) for one in moments]
        first, second = (one[-1] for one in moments)
        total = first + second
        share = np.divide(first, total, out=np.full_like(first, 0.5), where=total != 0)
        quality = share * similar[0] + (1 - share) * similar[1]
        quality[share < 0] = 0
        quality[share > 1] = 1
        return [quality.sum(), quality.size]

    quality, count = sum_over_bands(compute, (*planes, result), len(window))
    return float(quality / count)


def correlations_of_differences(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the sum of the correlations of differences (SCD): r(F - B, A) + r(F - A, B).

    Args:
        sources: Two, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape.

    Returns:
        -2..2; larger is better. A constant difference, as where the fused image is a source, counts as uncorrelated.
        NaN (undefined) for more sources.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Aslantas & Bendes, "A new image quality metric for image fusion: the sum of the correlations of
    differences", AEU International Journal of Electronics and Communications 69(12), 2015.
    """
    planes, result = comparable_planes(sources, fused)
    if len(planes) != 2:
        return nan
    first, second = planes
    return _correlation(result - second, first) + _correlation(result - first, second)


def ssim_with_sources(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the mean over the sources of the structural similarity with each (`metrics.reference.ssim`).

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape, at least 11 x 11.

    Returns:
        -1..1, 1 where it equals all sources; larger is better. NaN (undefined) for fewer pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.
    """
    planes, result = comparable_planes(sources, fused)
    if min(result.shape) < _LEAST_SIDE:
        return nan
    window = gaussian_window(11, 1.5)
    return float(np.mean([mean_ssim(plane, result, window, SSIM_CONSTANTS) for plane in planes]))


def _piella(planes: Sequence[np.ndarray], result: np.ndarray, variant: str, weighted: bool) -> float:
    window, constants, of_flat = _PIELLA[variant]
    local_mean: LocalMean = partial(filter_valid, window=window)

    def compute(rows: Sequence[np.ndarray]) -> list[float]:
        *sources, fused = rows
        variances = [local_variance(plane, local_mean(plane), local_mean) for plane in sources]
        similar = [local_ssim(local_moments(fused, plane, local_mean), *constants) for plane in sources]
        quality = reduce(np.add, map(np.multiply, shares(variances), similar))
        salience = np.maximum.reduce(variances)
        largest = salience.max()
        salience[salience == 0] = of_flat
        return [quality.sum(), quality.size, (salience * quality).sum(), salience.sum(), largest]

    quality, count, weighed, weight, varies = sum_over_bands(compute, (*planes, result), len(window))
    if not weighted:
        return float(quality / count)
    return float(weighed / weight) if varies else nan


def _prewitt(plane: np.ndarray) -> np.ndarray:
    difference, mean = np.array([-1.0, 0.0, 1.0]), np.ones(3)
    along_x, along_y = (
        cv2.sepFilter2D(plane, cv2.CV_64F, first, second, borderType=cv2.BORDER_CONSTANT)
        for first, second in ((difference, mean), (mean, difference))
    )
    return np.hypot(along_x, along_y)


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one - one.mean(), other - other.mean()
    norm = float(np.sqrt(np.square(one).sum() * np.square(other).sum()))
    return float((one * other).sum()) / norm if norm else 0.0


METRICS = (
    Metric(
        "q_s",
        "Q_S",
        "similarity by Piella",
        "Piella & Heijmans 2003",
        variants=PIELLA_VARIANTS,
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels",
        score=lambda plane, variant: piella(plane.sources, plane.fused, variant),
        latex="$Q_{S}$",
    ),
    Metric(
        "q_w",
        "Q_W",
        "similarity by Piella, where sources vary most",
        "Piella & Heijmans 2003",
        variants=PIELLA_VARIANTS,
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels, or all sources are flat",
        score=lambda plane, variant: piella(plane.sources, plane.fused, variant, weighted=True),
        latex="$Q_{W}$",
    ),
    Metric(
        "q_e",
        "Q_E",
        "similarity by Piella, of images and edges",
        "Piella & Heijmans 2003",
        variants=PIELLA_VARIANTS,
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels, or all sources are flat",
        score=lambda plane, variant: piella_edges(plane.sources, plane.fused, variant),
        latex="$Q_{E}$",
    ),
    Metric(
        "q_c",
        "Q_C",
        "similarity by Cvejic",
        "Cvejic, Loza, Bull & Canagarajah 2006",
        variants=("liu",),
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels, or there are more than two sources",
        score=lambda plane, _: cvejic(plane.sources, plane.fused),
        latex="$Q_{C}$",
    ),
    Metric(
        "scd",
        "SCD",
        "correlations of differences",
        "Aslantas & Bendes 2015",
        variants=("sum",),
        range=(-2.0, 2.0),
        undefined="there are more than two sources",
        score=lambda plane, _: correlations_of_differences(plane.sources, plane.fused),
    ),
    Metric(
        "ssim_sources",
        "SSIM_AB",
        "structural similarity with the sources",
        "Wang, Bovik, Sheikh & Simoncelli 2004",
        variants=("mean",),
        range=(-1.0, 1.0),
        undefined="a side has less than 11 pixels",
        score=lambda plane, _: ssim_with_sources(plane.sources, plane.fused),
        latex="SSIM$_{AB}$",
    ),
)
"""The metrics of this family."""
