"""Closeness to a ground-truth image, where one exists: PSNR and SSIM."""

from math import inf

import cv2
import numpy as np

from metrics.checks import RefusedError, require_equal_shapes
from metrics.color import to_gray
from metrics.metric import Metric

_PEAK = 255.0
"""The largest gray level."""

_WINDOW = 11
"""Side of SSIM's window, in pixels."""

_SIGMA = 1.5
"""Standard deviation of its Gaussian, in pixels."""

_K1 = 0.01
"""SSIM's constant for means, as a share of the largest level."""

_K2 = 0.03
"""SSIM's constant for variances, as a share of the largest level."""


def psnr(reference: np.ndarray, fused: np.ndarray) -> float:
    """Peak signal-to-noise ratio of the gray images, peak 255.

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
    """Structural similarity of the gray images.

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
    truth_mean, result_mean = _window_mean(truth), _window_mean(result)
    truth_variance = _window_mean(truth * truth) - truth_mean**2
    result_variance = _window_mean(result * result) - result_mean**2
    covariance = _window_mean(truth * result) - truth_mean * result_mean
    c1, c2 = (_K1 * _PEAK) ** 2, (_K2 * _PEAK) ** 2
    similarity = ((2.0 * truth_mean * result_mean + c1) * (2.0 * covariance + c2)) / (
        (truth_mean**2 + result_mean**2 + c1) * (truth_variance + result_variance + c2)
    )
    return float(similarity.mean())


def _window_mean(values: np.ndarray) -> np.ndarray:
    """Gaussian-weighted means of the windows that lie inside: `(H, W)` to `(H - 10, W - 10)`, float64."""
    margin = _WINDOW // 2
    return cv2.GaussianBlur(values, (_WINDOW, _WINDOW), _SIGMA)[margin:-margin, margin:-margin]


METRICS = (
    Metric(
        "psnr",
        "PSNR (dB)",
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
        "SSIM",
        "structural similarity",
        "Wang, Bovik, Sheikh & Simoncelli 2004",
        variants=("gaussian-11",),
        range=(-1.0, 1.0),
        score=lambda plane, _: ssim(plane.reference, plane.fused),
        needs_reference=True,
    ),
)
"""The metrics of this family."""
