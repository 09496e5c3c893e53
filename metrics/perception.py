"""Metrics of the differences that the eye sees: Q_CB (Chen & Blum), Q_CV (Chen & Varshney)."""

from collections.abc import Sequence
from functools import reduce

import cv2
import numpy as np
from scipy.fft import irfft2, rfft2

from metrics.checks import require_comparable
from metrics.color import stretched, to_gray
from metrics.metric import Metric
from metrics.windows import filter_same, gaussian_window

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
