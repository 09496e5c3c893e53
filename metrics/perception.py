"""Metrics modeled on human vision: Q_CB (Chen & Blum), Q_CV (Chen & Varshney), visual information (VIFF, VIF)."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial, reduce

import cv2
import numpy as np
from scipy.fft import irfft2, rfft2

from metrics.checks import require_comparable
from metrics.color import stretched, to_gray
from metrics.metric import Metric
from metrics.windows import LocalMean, filter_same, filter_valid, gaussian_window, local_moments, sum_over_bands

_F0, _F1, _A = 15.3870, 1.3456, 0.7622
"""Contrast sensitivity, a difference of Gaussians of the frequency: widths of both, and factor of the second."""

_PIXELS_PER_DEGREE = 30
"""Pixels in one degree of the visual angle."""

_SIGMAS, _RADIUS = (2.0, 4.0), 15
"""Standard deviations in pixels of the two Gaussians whose quotient is the local contrast, and radius of both."""

_P, _Q, _Z = 3, 2, 0.0001
"""Masking: contrast ** P / (contrast ** Q + Z)."""

_MANNOS = 2.6, 0.0192, 0.144, 1.1
"""Contrast sensitivity by Mannos and Sakrison: A (B + C r) exp(-(C r)^D)."""

_BLOCK, _SALIENCE = 16, 5
"""Side in pixels of Q_CV's blocks, and exponent of the gradient whose sum is a block's weight."""

_PIXEL_NOISE = 2.0
"""Variance of the noise of the visual system in VIF, in squared gray levels."""

_VISUAL_NOISE = 0.005 * 255**2
"""Variance of the noise of the visual system, in squared gray levels."""

_SCALE_WEIGHTS = (1 / 2.15, 0.0, 0.15 / 2.15, 1 / 2.15)
"""Weights of VIFF's scales, the finest first."""

_SMALL = 1e-10
"""Variances below this count as 0; added to divisors."""


def chen_blum(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes how well the fused image keeps the contrast that the eye sees in its sources.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape.

    Returns:
        0..1, 1 where it equals its sources; larger is better. Pixels without contrast in any image (0/0) are left out;
        NaN (undefined) where no pixel is left.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Chen & Blum, "A new automated quality assessment algorithm for image fusion", Image and Vision Computing
    27(10), 2009; constants and the stretch of each image to 0..255 as in Z. Liu's implementation.
    """
    require_comparable(sources, fused)
    sensitivity = _sensitivity(to_gray(fused).shape)
    contrasts = [_masked_contrast(image, sensitivity) for image in (*sources, fused)]
    result = contrasts.pop()
    with np.errstate(divide="ignore", invalid="ignore"):
        kept = [np.where(one < result, one / result, result / one) for one in contrasts]
        squares = [one * one for one in contrasts]
        total = reduce(np.add, squares)
        quality = reduce(np.add, [square / total * share for square, share in zip(squares, kept, strict=True)])
    defined = np.isfinite(quality)
    return float(quality[defined].mean()) if defined.any() else float("nan")


def _sensitivity(shape: tuple[int, ...]) -> np.ndarray:
    """Computes the response of the eye to each frequency, as `_filtered` takes it for images of this shape."""
    rows, columns = _frequencies(shape)
    square = (rows**2 + columns**2) * (2 / _PIXELS_PER_DEGREE) ** 2
    return np.exp(-square / _F0**2) - _A * np.exp(-square / _F1**2)


def _masked_contrast(image: np.ndarray, sensitivity: np.ndarray) -> np.ndarray:
    seen = _filtered(stretched(to_gray(image)), sensitivity)
    finer, coarser = (filter_same(seen, gaussian_window(2 * _RADIUS + 1, sigma) * _mass(sigma)) for sigma in _SIGMAS)
    with np.errstate(divide="ignore", invalid="ignore"):
        contrast = np.abs(finer / coarser - 1)
        return contrast**_P / (contrast**_Q + _Z)


def _frequencies(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the waves along the columns and the rows of an image, for each coefficient of a real transform."""
    height, width = shape
    return (np.fft.fftfreq(height) * height)[:, None], (np.fft.rfftfreq(width) * width)[None]


def _filtered(plane: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Multiplies the Fourier transform of a plane, (H, W), by a response that is the same for opposite frequencies,
    (H, W // 2 + 1)."""
    return irfft2(rfft2(plane) * response, plane.shape)


def _mass(sigma: float) -> float:
    """Computes the sum of a Gaussian within its radius: the published windows are not normalized."""
    offsets = np.arange(-_RADIUS, _RADIUS + 1)
    return float(np.exp(-(offsets**2) / (2 * sigma**2)).sum() / (np.sqrt(2 * np.pi) * sigma))


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


def chen_varshney(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the difference between the fused image and its sources that the eye sees, where these have edges.

    Each image is stretched to 0..255; the squared difference with each source, filtered by the contrast sensitivity of
    the eye, is averaged in blocks of 16 x 16, which weigh by their gradients.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape.

    Returns:
        Squared gray levels, at least 0; smaller is better. NaN (undefined) where no source has any edge.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Chen & Varshney, "A human perception inspired quality metric for image fusion based on regional
    information", Information Fusion 8(2), 2007, as in Z. Liu's implementation (exponent 5, blocks filled with zeros).
    """
    require_comparable(sources, fused)
    result = stretched(to_gray(fused))
    radius = np.hypot(*_frequencies(result.shape)) / 4
    gain, offset, slope, power = _MANNOS
    sensitivity = gain * (offset + slope * radius) * np.exp(-((slope * radius) ** power))
    total = weight = 0.0
    for source in sources:
        one = stretched(to_gray(source))
        along_x, along_y = (
            cv2.Sobel(one, cv2.CV_64F, *order, borderType=cv2.BORDER_CONSTANT) for order in ((1, 0), (0, 1))
        )
        salience = _block_sums(np.hypot(along_x, along_y) ** _SALIENCE)
        seen = _filtered(one - result, sensitivity)
        total += float((salience * _block_sums(seen * seen)).sum()) / _BLOCK**2
        weight += float(salience.sum())
    return total / weight if weight else float("nan")


def _block_sums(plane: np.ndarray) -> np.ndarray:
    rows, columns = (np.arange(0, side, _BLOCK) for side in plane.shape)
    return np.add.reduceat(np.add.reduceat(plane, rows, axis=0), columns, axis=1)


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
        "q_cb",
        "Q_CB",
        "contrast that the eye sees",
        "Chen & Blum 2009",
        variants=("liu",),
        range=(0.0, 1.0),
        score=lambda plane, _: chen_blum(plane.sources, plane.fused),
        latex="$Q_{CB}$",
    ),
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
    Metric(
        "q_cv",
        "Q_CV",
        "difference that the eye sees",
        "Chen & Varshney 2007",
        variants=("liu",),
        range=(0.0, float("inf")),
        score=lambda plane, _: chen_varshney(plane.sources, plane.fused),
        latex="$Q_{CV}$",
        larger_is_better=False,
    ),
)
"""The metrics of this family."""
