"""Closeness to a ground-truth image, where one exists: PSNR, SSIM, and gradients that are spurious or lost."""

from math import inf

import cv2
import numpy as np

from metrics.checks import RefusedError, require_equal_shapes
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.windows import SSIM_CONSTANTS, gaussian_window, mean_ssim

_PEAK = 255.0
"""Largest gray level."""

_WINDOW = 11
"""Side of SSIM's window, in pixels."""

_SIGMA = 1.5
"""Standard deviation of SSIM's Gaussian window, in pixels."""

_GRADIENT_SIGMA = 0.8
"""Standard deviation in pixels of the smoothing before gradients are compared, which reduces noise of single pixels."""


def psnr(reference: np.ndarray, fused: np.ndarray) -> float:
    """Computes the peak signal-to-noise ratio of the gray images, peak 255.

    Args:
        reference: Ground truth, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.
        fused: Fused image, of the same shape.

    Returns:
        Decibels; infinity where both are equal; larger is better.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.
    """
    require_equal_shapes(reference=reference, fused=fused)
    error = to_gray(reference).astype(np.float64) - to_gray(fused)
    mean_squared_error = float(np.square(error).mean())
    return 10.0 * float(np.log10(_PEAK**2 / mean_squared_error)) if mean_squared_error > 0.0 else float("inf")


def ssim(reference: np.ndarray, fused: np.ndarray) -> float:
    """Computes the structural similarity of the gray images.

    Gaussian window 11x11 with sigma 1.5, K1 = 0.01, K2 = 0.03, L = 255, mean over the pixels whose whole window lies
    inside the image, no downsampling.

    Args:
        reference: Ground truth, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes; at least 11 x 11 pixels.
        fused: Fused image, of the same shape.

    Returns:
        -1..1, 1 where both are equal; larger is better.

    Raises:
        RefusedError: Unequal shapes, fewer than 11 x 11 pixels, or an image that `to_gray` refuses.

    Source: Wang, Bovik, Sheikh & Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Transactions on Image Processing 13(4), 2004, equation 13.
    """
    require_equal_shapes(reference=reference, fused=fused)
    if min(fused.shape[:2]) < _WINDOW:
        raise RefusedError(f"SSIM needs at least {_WINDOW} x {_WINDOW} pixels, but got the shape {fused.shape}.")
    truth, result = (to_gray(image).astype(np.float64) for image in (reference, fused))
    return mean_ssim(truth, result, gaussian_window(_WINDOW, _SIGMA), SSIM_CONSTANTS)


def spurious_gradient(reference: np.ndarray, fused: np.ndarray) -> float:
    """Computes the gradient that the fused image has in excess of the truth: seams, halos, noise.

    Both are converted to gray and smoothed by a Gaussian of standard deviation 0.8; g is the Sobel gradient strength.

    Args:
        reference: Ground truth, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.
        fused: Fused image, of the same shape.

    Returns:
        sum max(0, gF - gR) / sum gR, 0 where there is none; smaller is better. NaN (undefined) for a constant truth.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.
    """
    truth, result = _gradients(reference, fused)
    return _fraction(np.maximum(result - truth, 0.0).sum(), truth.sum())


def lost_gradient(reference: np.ndarray, fused: np.ndarray) -> float:
    """Computes the gradient of the truth that the fused image lacks, sum max(0, gR - gF) / sum gR; see
    `spurious_gradient`."""
    truth, result = _gradients(reference, fused)
    return _fraction(np.maximum(truth - result, 0.0).sum(), truth.sum())


def _gradients(reference: np.ndarray, fused: np.ndarray) -> list[np.ndarray]:
    require_equal_shapes(reference=reference, fused=fused)
    grays = [to_gray(image).astype(np.float64) for image in (reference, fused)]
    smooth = [cv2.GaussianBlur(gray, (0, 0), _GRADIENT_SIGMA) for gray in grays]
    return [np.hypot(cv2.Sobel(one, cv2.CV_64F, 1, 0), cv2.Sobel(one, cv2.CV_64F, 0, 1)) for one in smooth]


def _fraction(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0.0 else float("nan")


METRICS = (
    Metric(
        "psnr",
        "PSNR (dB)",
        "peak signal-to-noise ratio",
        "definition",
        variants=("peak-255",),
        range=(0.0, inf),
        score=lambda plane, _: psnr(plane.reference, plane.fused),
        needs_reference=True,
        decibels=True,
    ),
    Metric(
        "ssim",
        "SSIM",
        "structural similarity",
        "Wang, Bovik, Sheikh & Simoncelli 2004",
        variants=("gaussian-11",),
        range=(-1.0, 1.0),
        score=lambda plane, _: ssim(plane.reference, plane.fused),
        needs_reference=True,
    ),
    Metric(
        "spurious",
        "Spurious",
        "gradient that the truth lacks, as a fraction of the truth's",
        "this project",
        variants=("sobel",),
        range=(0.0, inf),
        score=lambda plane, _: spurious_gradient(plane.reference, plane.fused),
        larger_is_better=False,
        needs_reference=True,
    ),
    Metric(
        "lost",
        "Lost",
        "gradient of the truth that is missing, as a fraction",
        "this project",
        variants=("sobel",),
        range=(0.0, 1.0),
        score=lambda plane, _: lost_gradient(plane.reference, plane.fused),
        larger_is_better=False,
        needs_reference=True,
    ),
)
"""The metrics of this family."""
