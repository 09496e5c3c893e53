"""Pixels of 8 and of 16 bits: as levels of 0..255, gray, rounded, and for the screen."""

from collections.abc import Sequence

import cv2
import numpy as np

from data.runtime.errors import InputError
from metrics.color import WIDE


def check_images(images: Sequence[np.ndarray]) -> None:
    """Checks images that are to be fused.

    Raises:
        InputError: One is not (H, W, 3) RGB or (H, W) gray, uint8 or uint16, or they differ in shape or type.
    """
    first = images[0]
    for image in images:
        if image.dtype not in (np.uint8, np.uint16):
            mend = ""
            if image.dtype.kind == "f":
                mend = "; of values in 0..1 make (255 * image).round().astype('uint8'), of 0..255 leave out 255 *"
            raise InputError(f"images must be uint8 or uint16, received {image.dtype}{mend}.")
        if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise InputError(f"images must be (H, W, 3) RGB or (H, W) gray, received the shape {image.shape}.")
        if image.shape != first.shape or image.dtype != first.dtype:
            kinds = [f"{i.shape[1]}x{i.shape[0]} {'gray' if i.ndim == 2 else 'RGB'} {i.dtype}" for i in (first, image)]
            raise InputError(f"all images must be of one size and kind: one is {kinds[0]}, another {kinds[1]}.")


def per_level(dtype: np.dtype) -> int:
    """How many levels of an unsigned type of 8 or 16 bits make one of 0..255."""
    return WIDE if dtype == np.uint16 else 1


def to_rgb(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB or (H, W) gray, uint8, uint16 or levels of 0..255, as (H, W, 3) float32 RGB in [0, 255]."""
    values = image.astype(np.float32, order="C")
    if image.dtype == np.uint16:
        values /= WIDE
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def to_gray(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB or (H, W) gray of any type as (H, W) float32 gray in the image's own range, by BT.601's weights.

    For image processing; metrics and methods that follow MATLAB have `metrics.color.to_gray`.
    """
    values = image.astype(np.float32)
    return cv2.cvtColor(values, cv2.COLOR_RGB2GRAY) if values.ndim == 3 else values


def put(image: np.ndarray, source: np.ndarray, where: np.ndarray) -> None:
    """Takes over pixels of another image, in place; of three channels twenty times as fast as `np.copyto`.

    Args:
        image: (H, W) or (H, W, 3) of any type, contiguous.
        source: Of its shape and type.
        where: (H, W) bool.
    """
    cv2.copyTo(source, where.view(np.uint8), image)


def quantize(values: np.ndarray, dtype: np.dtype | type = np.uint8) -> np.ndarray:
    """Rounds and clips floating point in the range of an unsigned type of 8 or 16 bits to that type."""
    return np.clip(np.rint(values), 0, np.iinfo(dtype).max).astype(dtype)


def to_bytes(image: np.ndarray) -> np.ndarray:
    """uint8 or uint16 as uint8, for looking at."""
    return (image // WIDE).astype(np.uint8) if image.dtype == np.uint16 else image
