"""What the methods share: images as float channels and back."""

from collections.abc import Callable

import numpy as np

from data.errors import InputError
from data.pixels import per_level

Method = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(near, far) -> fused, each (H, W, 3) RGB or (H, W) gray, uint8 or uint16, all of one shape and type."""

FuseChannel = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""(near, far) -> fused, each (H, W) float64 in gray levels 0..255."""


def check(near: np.ndarray, far: np.ndarray) -> None:
    """Checks two images.

    Raises:
        InputError: if they are not (H, W) or (H, W, 3), not uint8 or uint16, or differ in shape or type.
    """
    if near.shape != far.shape or near.dtype != far.dtype:
        raise InputError(
            f"both images must be of one size and kind: received {near.shape} {near.dtype} and {far.shape} {far.dtype}."
        )
    if near.dtype not in (np.uint8, np.uint16) or not (near.ndim == 2 or (near.ndim == 3 and near.shape[2] == 3)):
        raise InputError(f"images must be RGB or gray, uint8 or uint16; received {near.shape} {near.dtype}.")


def to_levels(image: np.ndarray) -> np.ndarray:
    """uint8 or uint16 to float64 in gray levels 0..255."""
    return image / float(per_level(image.dtype))


def from_levels(levels: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Gray levels 0..255 to uint8 or uint16, rounded and clipped."""
    scaled = levels * per_level(dtype)
    return np.clip(np.rint(scaled), 0, np.iinfo(dtype).max).astype(dtype)


def per_channel(fuse_channel: FuseChannel) -> Method:
    """Makes a method of images from one of channels: each channel is fused by itself."""

    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        check(near, far)
        one, other = to_levels(near), to_levels(far)
        if near.ndim == 2:
            return from_levels(fuse_channel(one, other), near.dtype)
        fused = [fuse_channel(one[..., channel], other[..., channel]) for channel in range(3)]
        return from_levels(np.stack(fused, axis=-1), near.dtype)

    return fuse
