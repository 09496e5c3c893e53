"""Metrics of the information that the eye extracts: VIFF (Han et al.), VIF (Sheikh & Bovik)."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np

from metrics.checks import require_comparable
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.windows import LocalMean, filter_valid, gaussian_window, local_moments, sum_over_bands

_PIXEL_NOISE = 2.0
"""Variance of the noise of the visual system in VIF, in squared gray levels."""

_VISUAL_NOISE = 0.005 * 255**2
"""Variance of the noise of the visual system, in squared gray levels."""

_SCALE_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
"""Weights of VIFF's scales, the finest first."""

_SMALL = 1e-10
"""Variances below this count as 0; added to divisors."""


def visual_information(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the fraction of the information that the eye extracts from the sources and the fused image keeps (VIFF).

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape, at least 64 x 64.

    Returns:
        At least 0: about 1 where it equals its sources, above 1 where it has more contrast; larger is better. NaN
        (undefined) for fewer pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Han, Cai, Cao & Xu, "A new image fusion performance metric based on visual information fidelity",
    Information Fusion 14(2), 2013, on gray images. At each pixel, the source counts for which the gain of the fused
    image is smallest, as in the authors' implementation.
    """
    require_comparable(sources, fused)
    result = to_gray(fused).astype(np.float64)
    if min(result.shape) < 64:
        return float("nan")
    planes = [*(to_gray(source).astype(np.float64) for source in sources), result]

    def compute(local_mean: LocalMean, rows: Sequence[np.ndarray]) -> list[float]:
        parts = [_information(source, rows[-1], local_mean, _VISUAL_NOISE) for source in rows[:-1]]
        gains, kept, whole = (np.stack(values) for values in zip(*parts, strict=True))
        # The last of equal gains counts, as published for two.
        chosen = len(sources) - 1 - gains[::-1].argmin(0)[None]
        return [(np.take_along_axis(values, chosen, 0) + 1e-7).sum() for values in (kept, whole)]

    shares = [kept / whole for kept, whole in _over_scales(compute, planes)]
    return float(np.dot(_SCALE_WEIGHTS, shares))


def information_fidelity(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the sum over the sources of the visual information fidelity with each (VIF), in the pixel domain.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape, at least 64 x 64.

    Returns:
        At least 0, 1 for each source that the fused image equals; larger is better. NaN (undefined) for fewer pixels,
        and where a source is flat.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Sheikh & Bovik, "Image information and visual quality", IEEE Transactions on Image Processing 15(2), 2006,
    in the version of the pixel domain, four scales.
    """
    require_comparable(sources, fused)
    result = to_gray(fused).astype(np.float64)
    if min(result.shape) < 64:
        return float("nan")

    def compute(local_mean: LocalMean, rows: Sequence[np.ndarray]) -> list[float]:
        source, fused_rows = rows
        _, kept, whole = _information(source, fused_rows, local_mean, _PIXEL_NOISE)
        return [kept.sum(), whole.sum()]

    score = 0.0
    for source in sources:
        scales = _over_scales(compute, [to_gray(source).astype(np.float64), result])
        kept, whole = np.sum(list(scales), 0)
        score += kept / whole if whole else float("nan")
    return float(score)


def _over_scales(
    compute: Callable[[LocalMean, Sequence[np.ndarray]], Sequence[float]], planes: Sequence[np.ndarray]
) -> Iterator[np.ndarray]:
    """Yields for each of four scales what a function sums over the windows of planes, given how these average."""
    for size in (17, 9, 5, 3):
        local_mean = partial(filter_valid, window=gaussian_window(size, size / 5))
        if size < 17:
            planes = [local_mean(plane)[::2, ::2] for plane in planes]
        yield sum_over_bands(partial(compute, local_mean), planes, size)


def _information(
    source: np.ndarray, result: np.ndarray, local_mean: LocalMean, noise: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes the gain of the fused image, the information it keeps, and the source's, at one scale."""
    _, variance, _, fused_variance, covariance = local_moments(source, result, local_mean)
    variance, fused_variance = np.maximum(variance, 0), np.maximum(fused_variance, 0)
    gain = covariance / (variance + _SMALL)
    rest = fused_variance - gain * covariance
    flat = variance < _SMALL
    gain, variance = np.where(flat, 0, gain), np.where(flat, 0, variance)
    rest = np.where(flat, fused_variance, rest)
    fused_flat = fused_variance < _SMALL
    gain, rest = np.where(fused_flat, 0, gain), np.where(fused_flat, 0, rest)
    opposed = gain < 0
    rest, gain = np.where(opposed, fused_variance, rest), np.where(opposed, 0, gain)
    rest = np.maximum(rest, _SMALL)
    kept = np.log10(1 + gain**2 * variance / (rest + noise))
    return gain, kept, np.log10(1 + variance / noise)


METRICS = (
    Metric(
        "viff",
        "VIFF",
        "visual information fidelity",
        "Han, Cai, Cao & Xu 2013",
        variants=("gray",),
        range=(0.0, float("inf")),
        undefined="a side has less than 64 pixels",
        score=lambda plane, _: visual_information(plane.sources, plane.fused),
    ),
    Metric(
        "vif",
        "VIF",
        "visual information fidelity with the sources",
        "Sheikh & Bovik 2006",
        variants=("pixel",),
        range=(0.0, float("inf")),
        undefined="a side has less than 64 pixels, or a source is flat",
        score=lambda plane, _: information_fidelity(plane.sources, plane.fused),
    ),
)
"""The metrics of this family."""
