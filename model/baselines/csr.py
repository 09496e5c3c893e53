"""CSR: convolutional sparse representation of the details; the more active image is chosen.

Source: Liu, Chen, Ward & Wang, "Image fusion with convolutional sparse representation", IEEE Signal Processing Letters
23(12), 2016; codes by ADMM in the Fourier domain (Wohlberg, "Efficient algorithms for convolutional sparse
representations", IEEE TIP 25(1), 2016). The filters are our own (`dictionaries.py`).
"""

import cv2
import numpy as np
from scipy import fft

from model.baselines.channels import per_channel
from model.baselines.sparse_coding.dictionaries import load_dictionaries

SMOOTHNESS = 5.0
"""Weight of the base layer's gradients."""

MARGIN = 16
"""Pixels mirrored around an image before the base layer is computed."""

RELAXATION = 1.8
"""Over-relaxation of ADMM."""


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by convolutional sparse codes of their details, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    filters = load_dictionaries()["filters"]
    images = [image.astype(np.float32) / 255 for image in (near, far)]
    bases = [split_base(image) for image in images]
    codes = [code_details(image - base, filters) for image, base in zip(images, bases, strict=True)]
    activity = [cv2.blur(np.abs(code).sum(0), ksize=(19, 19), borderType=cv2.BORDER_REFLECT) for code in codes]
    near_wins = activity[0] > activity[1]
    spectra = fft.rfft2(np.where(near_wins, *codes), workers=-1) * to_spectrum(filters, near.shape)
    detail = fft.irfft2(spectra.sum(0), s=near.shape)
    return 255.0 * (np.where(near_wins, *bases) + detail)


def split_base(image: np.ndarray) -> np.ndarray:
    """Computes the base layer: min |base - image|^2 + 5 |gradients of base|^2.

    Args:
        image: (H, W) float32.
    """
    margins = [(min(MARGIN, side - 1),) * 2 for side in image.shape]
    padded = np.pad(image, margins, "symmetric")
    rows, columns = (2 - 2 * np.cos(2 * np.pi * np.arange(side) / side) for side in padded.shape)
    penalty = 1 + SMOOTHNESS * (rows[:, None] + columns[None, : padded.shape[1] // 2 + 1])
    base = fft.irfft2(fft.rfft2(padded) / penalty.astype(np.float32), s=padded.shape)
    inside = tuple(slice(margin[0], margin[0] + side) for margin, side in zip(margins, image.shape, strict=True))
    return base[inside]


def to_spectrum(filters: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Transforms filters, placed in the corner of an image; (M, K, K) to (M, H, W // 2 + 1) complex64.

    Filters larger than the image wrap around.
    """
    height, width = shape
    placed = np.zeros((len(filters), height, width), np.float32)
    number, y, x = np.ogrid[: filters.shape[0], : filters.shape[1], : filters.shape[2]]
    np.add.at(placed, (number, y % height, x % width), filters)
    return fft.rfft2(placed, workers=-1)


def code_details(detail: np.ndarray, filters: np.ndarray, sparsity: float = 0.01, iterations: int = 60) -> np.ndarray:
    """Codes an image by convolutions: min 1/2 |sum of filters * codes - detail|^2 + sparsity |codes|_1.

    Args:
        detail: (H, W) float32.
        filters: (M, K, K) float32.
        sparsity: Weight of the L1 norm.
        iterations: Number of iterations of ADMM.

    Returns:
        The codes, (M, H, W) float32, most of them 0.
    """
    # Wohlberg's choice of the penalty.
    penalty = np.float32(50 * sparsity + 1)
    bound = np.float32(sparsity) / penalty
    spectrum = to_spectrum(filters, detail.shape)
    conjugate = spectrum.conj()
    # (conjugate spectrum^T + penalty I) x = b has rank one plus a diagonal: solved by the Sherman-Morrison formula.
    gain = conjugate / (penalty + (np.abs(spectrum) ** 2).sum(0))
    right = conjugate * (fft.rfft2(detail) / penalty)
    codes = np.zeros((len(filters), *detail.shape), np.float32)
    dual, apart = np.zeros_like(codes), np.zeros_like(codes)
    for _ in range(iterations):
        known = fft.rfft2(apart, workers=-1)
        # Filter by filter: one plane fits into the processor's cache, all of them do not.
        total = np.zeros_like(known[0])
        for plane, constant, factor in zip(known, right, spectrum, strict=True):
            plane += constant
            total += factor * plane
        for plane, factor in zip(known, gain, strict=True):
            plane -= factor * total
        smooth = fft.irfft2(known, s=detail.shape, workers=-1, overwrite_x=True)
        for code, rest, plane, difference in zip(codes, dual, smooth, apart, strict=True):
            plane *= np.float32(RELAXATION)
            plane += np.float32(1 - RELAXATION) * code
            plane += rest
            np.clip(plane, -bound, bound, out=rest)
            np.subtract(plane, rest, out=code)
            np.subtract(code, rest, out=difference)
    return codes
