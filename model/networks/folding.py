"""Batch normalization folded into the convolution before it, as inference allows."""

from collections.abc import Sequence

import numpy as np

EPSILON = 1e-3
"""Added to the variance, as Keras does by default."""


def fold(
    kernel: np.ndarray, bias: np.ndarray | None, norm: Sequence[np.ndarray] | None, *, transposed: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Folds batch normalization into a convolution, as inference allows.

    Args:
        kernel: (h, w, in, out), of a deconvolution (h, w, out, in).
        bias: (out,); None is 0.
        norm: Scale, offset, mean and variance, each (out,); None where no normalization follows.
        transposed: Whether it is a deconvolution.

    Returns:
        Kernel and bias, float32 of the same shapes.
    """
    width = kernel.shape[-2 if transposed else -1]
    bias = np.zeros(width, np.float32) if bias is None else bias
    if norm is not None:
        gamma, beta, mean, variance = (array.astype(np.float64) for array in norm)
        scale = gamma / np.sqrt(variance + EPSILON)
        kernel = kernel * (scale[:, None] if transposed else scale)
        bias = beta + (bias - mean) * scale
    return kernel.astype(np.float32), bias.astype(np.float32)
