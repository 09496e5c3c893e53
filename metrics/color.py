"""Conversion of an image to the planes that metrics are computed on: BT.601 gray, or each of the three channels."""

from collections.abc import Sequence
from functools import reduce

import numpy as np

from metrics.checks import RefusedError, require_comparable, require_known

COLOR_MODES = ("gray", "rgb")
"""Names of what metrics are computed on, the default first; see `to_planes`."""

_LUMA_MILLIONTHS = (298936, 587043, 114021)
"""ITU-R BT.601 luma weights of MATLAB's rgb2gray in millionths: integers, so that rounding is equal everywhere."""

_MILLION = 1_000_000
"""Sum of the luma weights."""

LEVELS_16_PER_8 = 257
"""Number of 16-bit levels in an 8-bit level: 65535 / 255."""


def to_gray(image: np.ndarray) -> np.ndarray:
    """Converts an image to gray as MATLAB's `rgb2gray` does.

    Integer images are rounded in their own type; floating-point images are not rounded.

    Args:
        image: `(H, W)` or `(H, W, 3)` RGB; uint8, uint16 (0..65535) or floating point in 0..255.

    Returns:
        `(H, W)` gray in 0..255: uint8 for uint8 images (so that gradients are exact integers), float64 for the others;
        uint16 gray is divided by 257 without rounding.

    Raises:
        RefusedError: Any other shape or type, a side shorter than 2 pixels, or a value outside 0..255.

    Source: ITU-R BT.601; MathWorks, `rgb2gray`.
    """
    _require_image(image)
    if image.ndim == 2:
        return _to_byte_range(image)
    if image.dtype.kind == "u":
        wide = np.uint64 if image.dtype == np.uint16 else np.uint32
        millionths = [np.multiply(image[..., i], weight, dtype=wide) for i, weight in enumerate(_LUMA_MILLIONTHS)]
        rounded = (reduce(np.add, millionths) + _MILLION // 2) // _MILLION
        return _to_byte_range(rounded.astype(image.dtype))
    values = _to_byte_range(image)
    return reduce(np.add, [values[..., i] * (weight / _MILLION) for i, weight in enumerate(_LUMA_MILLIONTHS)])


def to_planes(image: np.ndarray, color: str = "gray") -> list[np.ndarray]:
    """Splits an image into the planes over which a metric is averaged.

    Args:
        image: As for `to_gray`.
        color: "gray" = one BT.601 gray plane; "rgb" = one plane for each channel (a gray image has one).

    Returns:
        Planes `(H, W)` in 0..255, uint8 or float64 as `to_gray` returns them.

    Raises:
        RefusedError: `color` is unknown, `to_gray` refuses the image, or it is floating point and its largest value is
            above 0 and at most 1: it is probably scaled to 0..1, because no photograph in 0..255 is so dark. A single
            plane of an image may be, so `to_gray` does not refuse it.
    """
    require_known("color mode", color, COLOR_MODES)
    if color == "gray" or image.ndim == 2:
        planes = [to_gray(image)]
    else:
        _require_image(image)
        planes = [np.ascontiguousarray(plane) for plane in np.moveaxis(_to_byte_range(image), -1, 0)]
    if image.dtype.kind == "f" and 0.0 < image.max() <= 1.0:
        raise RefusedError(
            f"A floating-point image must lie in 0..255, but its largest value is {image.max():g}; multiply images in "
            "0..1 by 255."
        )
    return planes


def _require_image(image: np.ndarray) -> None:
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] != 3):
        raise RefusedError(f"An image must have the shape (H, W) or (H, W, 3), but got {image.shape}.")
    if min(image.shape[:2]) < 2:
        raise RefusedError(f"An image must have at least 2 x 2 pixels, but got the shape {image.shape}.")
    if image.dtype not in (np.uint8, np.uint16) and image.dtype.kind != "f":
        raise RefusedError(f"An image must be uint8, uint16 or floating point in 0..255, but got {image.dtype}.")


def _to_byte_range(image: np.ndarray) -> np.ndarray:
    if image.dtype == np.uint8:
        return image
    if image.dtype == np.uint16:
        return image / LEVELS_16_PER_8
    low, high = float(image.min()), float(image.max())
    if not (low >= 0.0 and high <= 255.0):
        raise RefusedError(f"A floating-point image must lie in 0..255, but got values from {low:g} to {high:g}.")
    return image.astype(np.float64)


def stretched(gray: np.ndarray) -> np.ndarray:
    """Stretches gray levels to 0..255 and rounds halves up, as MATLAB does; a constant image stays; float64."""
    low, high = float(gray.min()), float(gray.max())
    if high == low:
        return gray.astype(np.float64)
    return np.floor((gray.astype(np.float64) - low) / (high - low) * 255 + 0.5)


def comparable_planes(sources: Sequence[np.ndarray], fused: np.ndarray) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the gray planes of sources and of their fused image, float64.

    Raises:
        RefusedError: Fewer than two sources, unequal shapes, or an image that `to_gray` refuses.
    """
    require_comparable(sources, fused)
    return [to_gray(source).astype(np.float64) for source in sources], to_gray(fused).astype(np.float64)


def same_channels(fused: np.ndarray, source: np.ndarray) -> tuple[np.ndarray, bool]:
    """Makes a result gray where its sources are, and the reverse where these have equal channels.

    Args:
        fused: (H, W) or (H, W, 3).
        source: One of its sources, the same.

    Returns:
        The result, comparable with its sources where that is possible, and whether it was changed.
    """
    if fused.ndim == source.ndim:
        return fused, False
    if source.ndim == 2:
        return np.ascontiguousarray(fused[..., 0]) if _is_gray(fused) else to_gray(fused), True
    if _is_gray(source):
        return np.repeat(fused[..., None], 3, axis=2), True
    return fused, False


def _is_gray(image: np.ndarray) -> bool:
    return bool(np.array_equal(image[..., 0], image[..., 1]) and np.array_equal(image[..., 0], image[..., 2]))
