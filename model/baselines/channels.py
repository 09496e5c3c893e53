"""Parts shared by the methods: conversion to gray levels and channels, and a weighted average."""

from collections.abc import Callable
from functools import wraps

import numpy as np

from data.imaging.pixels import check_images, per_level, quantize

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(near, far) -> fused, each (H, W, 3) RGB or (H, W) gray, uint8 or uint16, all of one shape and type."""


def on_levels(fuse_levels: Method) -> Method:
    """Decorates a function of gray levels such that it fuses images.

    Args:
        fuse_levels: (near, far) -> fused, each (H, W, 3) or (H, W) floating point in gray levels 0..255. Its docstring
            becomes that of the method and describes images.

    Returns:
        The method; it rounds and clips the result, and raises InputError if the images are not (H, W) or (H, W, 3), not
        uint8 or uint16, or differ in shape or type.
    """

    @wraps(fuse_levels)
    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        check_images((near, far))
        scale = per_level(near.dtype)
        return quantize(fuse_levels(near / scale, far / scale) * scale, near.dtype)

    return fuse


def per_channel(fuse_channel: Method) -> Method:
    """Decorates a function of single channels, (H, W) float64, such that it fuses images; see `on_levels`."""

    @on_levels
    @wraps(fuse_channel)
    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        if near.ndim == 2:
            return fuse_channel(near, far)
        return np.stack([fuse_channel(near[..., channel], far[..., channel]) for channel in range(3)], axis=-1)

    return fuse


def mix(near: np.ndarray, far: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Averages two images, (H, W) or (H, W, 3), with the weight of `near` at each pixel, (H, W) in 0..1."""
    weight = weight.reshape(weight.shape + (1,) * (near.ndim - 2))
    return weight * near + (1 - weight) * far
