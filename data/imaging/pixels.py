"""Pixels of 8 and 16 bits: conversion to gray levels of 0..255, to gray and RGB, rounding and copying."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.runtime.errors import InputError
from metrics.color import LEVELS_16_PER_8

_BAND = 64
"""Rows that are converted at a time, so that they stay in the processor's cache."""


def check_images(images: Sequence[np.ndarray]) -> None:
    """Checks that images can be fused.

    Raises:
        InputError: One is not (H, W, 3) RGB or (H, W) gray, uint8 or uint16, or they differ in shape or type.
    """
    first = images[0]
    for image in images:
        if image.dtype not in (np.uint8, np.uint16):
            remedy = ""
            if image.dtype.kind == "f":
                remedy = "; convert values in 0..1 by (255 * image).round().astype('uint8'), in 0..255 without 255 *"
            raise InputError(f"images must be uint8 or uint16, received {image.dtype}{remedy}.")
        if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise InputError(f"images must be (H, W, 3) RGB or (H, W) gray, received the shape {image.shape}.")
        if image.shape != first.shape or image.dtype != first.dtype:
            kinds = [f"{i.shape[1]}x{i.shape[0]} {'gray' if i.ndim == 2 else 'RGB'} {i.dtype}" for i in (first, image)]
            raise InputError(f"all images must be of one size and kind: one is {kinds[0]}, another {kinds[1]}.")


def per_level(dtype: np.dtype) -> int:
    """Returns how many levels of uint8 (1) or uint16 (257) make one gray level of 0..255."""
    return LEVELS_16_PER_8 if dtype == np.uint16 else 1


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Converts (H, W, 3) RGB or (H, W) gray, uint8, uint16 or float in 0..255, to (H, W, 3) float32 RGB in 0..255."""
    values = image.astype(np.float32, order="C")
    if image.dtype == np.uint16:
        values /= LEVELS_16_PER_8
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def to_gray(image: np.ndarray) -> np.ndarray:
    """Converts (H, W, 3) RGB or (H, W) gray of any type to (H, W) float32 gray in the same range, by BT.601's weights.

    For image processing; metrics and methods that follow MATLAB use `metrics.color.to_gray`.
    """
    if image.ndim == 2:
        return image.astype(np.float32)
    gray = np.empty(image.shape[:2], np.float32)
    for first in range(0, image.shape[0], _BAND):
        band = slice(first, first + _BAND)
        cv2.cvtColor(image[band].astype(np.float32), cv2.COLOR_RGB2GRAY, gray[band])
    return gray


def copy_pixels(image: np.ndarray, source: np.ndarray, where: np.ndarray) -> None:
    """Copies pixels of another image, in place; with three channels twenty times as fast as `np.copyto`.

    Args:
        image: (H, W) or (H, W, 3) of any type, contiguous; it is changed.
        source: The other image, of the same shape and type.
        where: (H, W) bool, the pixels to copy.
    """
    cv2.copyTo(source, where.view(np.uint8), image)


def quantize(values: np.ndarray, dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Rounds and clips floating point values to uint8 or uint16, without rescaling."""
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Converts uint8 or uint16 to uint8 by the high byte, for display."""
    return (image // LEVELS_16_PER_8).astype(np.uint8) if image.dtype == np.uint16 else image
