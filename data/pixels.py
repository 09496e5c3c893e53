"""Pixels of 8 and of 16 bits as levels of 0..255, and for the screen."""

import numpy as np

WIDE = 257
"""Levels of 16 bits for one of 8: 65535 is 255."""


def per_level(dtype: np.dtype) -> int:
    """How many levels of an unsigned type of 8 or 16 bits make one of 0..255."""
    return WIDE if dtype == np.uint16 else 1


def to_rgb(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) RGB or (H, W) gray, uint8 or uint16, as (H, W, 3) float32 RGB in [0, 255]."""
    values = image.astype(np.float32)
    if image.dtype == np.uint16:
        values /= WIDE
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def to_bytes(image: np.ndarray) -> np.ndarray:
    """uint8 or uint16 as uint8, for looking at."""
    return (image // WIDE).astype(np.uint8) if image.dtype == np.uint16 else image
