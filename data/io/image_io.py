"""Reads and writes image files; the one reader and the one writer of the project."""

import io
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from data.io.camera_files import Balance, develop_raw, is_raw
from data.io.files import atomic_path
from data.io.image_checks import check_kind, load, without_metadata
from data.io.image_codec import encode_16_bit_png, save_8_bit, to_pixels, turn_upright
from data.io.image_header import IMAGE_SUFFIXES, open_image, open_image_file
from data.io.metadata import Metadata, read_metadata
from data.io.tiff import encode_tiff
from data.runtime.errors import InputError

_SIXTEEN_BIT_SUFFIXES = (".png", ".tif", ".tiff")
"""Suffixes of the types that hold 16 bits a channel."""

_LONGEST_SIDE = {".webp": 16_383, ".jpg": 65_500, ".jpeg": 65_500}
"""Most pixels a side of a type; the other types hold more than a reader accepts."""


def read_image(path: str | os.PathLike, alpha: Literal["refuse", "drop"] = "refuse") -> np.ndarray:
    """Reads a JPEG, PNG, TIFF, BMP, WebP, HEIC or camera raw image, upright and complete, or not at all.

    The content decides the type, not the suffix; only raw files go by theirs, and are developed to 16 bits. The EXIF
    orientation is applied, a palette becomes RGB, 1 bit becomes 0 and 255, 16 bits a channel are kept, and 10 or 12
    become 16. Of the several images of a phone's JPEG (MPO) or HEIC the first is read. An alpha channel that is opaque
    everywhere carries nothing and is left out.

    Args:
        path: The image file.
        alpha: What to do with transparency: "refuse" it, or "drop" it with a warning.

    Returns:
        (H, W, 3) RGB or (H, W) gray, uint8 in [0, 255] or uint16 in [0, 65535], C-contiguous.

    Raises:
        InputError: The file is missing, a folder, empty, damaged, truncated, of another type or too large, has several
            pages, transparency, or samples other than 8- and 16-bit gray or RGB, or needs a library that is not
            installed.
    """
    return read_photograph(path, alpha)[0]


def read_photograph(
    path: str | os.PathLike,
    alpha: Literal["refuse", "drop", "ignore"] = "refuse",
    balance: Balance | None = None,
    laid: int | None = None,
    note: Callable[[bytes], None] = lambda content: None,
) -> tuple[np.ndarray, Metadata]:
    """Reads an image as `read_image`, with its color profile and those EXIF data that are true of the upright image.

    `balance` is the white balance for a raw file (see `develop_raw`); it does not change other types. `laid` is an
    orientation to apply in place of that in the EXIF data, to types whose decoders do not turn the pixels. Transparency
    is dropped without a warning where `alpha` is "ignore". `note` is called with the content of the file.
    """
    image, opaque, metadata = read_with_opacity(path, balance, laid, note)
    if opaque is not None and alpha != "ignore":
        if alpha == "refuse":
            raise InputError(f"cannot use {path}: it has transparent pixels; save it without an alpha channel.")
        warnings.warn(f"the alpha channel of {path} is dropped", stacklevel=2)
    return image, metadata


def read_with_opacity(
    path: str | os.PathLike,
    balance: Balance | None = None,
    laid: int | None = None,
    note: Callable[[bytes], None] = lambda content: None,
) -> tuple[np.ndarray, np.ndarray | None, Metadata]:
    """Reads as `read_photograph`, and where the image is opaque: (H, W) bool; None: everywhere."""
    data = _read(path)
    note(data)
    if is_raw(path):
        image, metadata = develop_raw(path, data, balance)
        return image, None, metadata
    try:
        pixels, opaque, orientation, metadata = _decode(path, data)
    except InputError as problem:
        plain = without_metadata(data)
        if plain is None or plain == data:
            raise
        try:
            pixels, opaque, orientation, metadata = _decode(path, plain)
        except InputError:
            raise problem from None
        warnings.warn(f"the metadata of {path} are damaged and left out of the result", stacklevel=2)
    turn = orientation if laid is None else laid
    image = np.ascontiguousarray(turn_upright(pixels, turn))
    return image, None if opaque is None else turn_upright(opaque, turn), metadata


def read_index_image(path: str | os.PathLike) -> np.ndarray:
    """Reads the palette indices of an indexed PNG, such as VOC's masks, or the values of an 8-bit gray one.

    Args:
        path: The image file.

    Returns:
        (H, W) uint8, C-contiguous.

    Raises:
        InputError: As `read_image`; also where the image is neither indexed nor 8-bit gray.
    """
    data = _read(path)
    with open_image(path, io.BytesIO(data)) as image:
        if image.mode not in ("P", "L"):
            raise InputError(f"cannot use {path} as a mask: it is {image.mode}, not indexed or 8-bit gray.")
        load(path, image, data)
        return np.array(image)


def read_mask(path: str | os.PathLike) -> np.ndarray:
    """Reads a mask; every value but 0 is foreground, be it a palette index, a gray level or a channel of RGB.

    Args:
        path: The image file, of any type that `read_image` reads.

    Returns:
        (H, W) uint8, C-contiguous: 1 for the foreground, 0 for the rest.

    Raises:
        InputError: As `read_image`.
    """
    with open_image_file(path) as file, open_image(path, file) as image:
        indexed = image.mode == "P"
    mask = read_index_image(path) if indexed else read_image(path)
    return (mask if mask.ndim == 2 else mask.max(axis=2)).astype(bool).astype(np.uint8)


def write_image(
    path: str | os.PathLike, image: np.ndarray, quality: int = 95, metadata: Metadata | None = None
) -> None:
    """Writes an image in the type that the suffix names; a failure leaves an existing file as it was.

    PNG, TIFF, BMP and WebP are lossless (WebP makes RGB of gray). JPEG is written with full color resolution (4:4:4).

    Args:
        path: The file to write; missing folders are made.
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16. The caller rounds to integers.
        quality: JPEG quality, 1 to 100; ignored for other types.
        metadata: Color profile and EXIF data to write as well; BMP holds none.

    Raises:
        InputError: The suffix is unknown, the type cannot hold 16 bits, or the file cannot be written there.
        ValueError: `image` has another shape or another data type, or `quality` is out of range.
    """
    path = Path(path)
    suffix = checked_suffix(path, image.dtype, image.shape)
    if image.dtype not in (np.uint8, np.uint16):
        raise ValueError(f"image must be uint8 or uint16, not {image.dtype}: round and convert it first")
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)) or image.size == 0:
        raise ValueError(f"image must be (H, W, 3) or (H, W) and not empty, not {image.shape}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be in 1..100, not {quality}")
    with atomic_path(path) as temporary:
        if suffix in (".tif", ".tiff"):
            temporary.write_bytes(encode_tiff(image, metadata or Metadata()))
        elif image.dtype == np.uint16:
            temporary.write_bytes(encode_16_bit_png(image, metadata or Metadata()))
        else:
            save_8_bit(temporary, image, suffix, quality, metadata or Metadata())


def write_index_image(path: str | os.PathLike, indices: np.ndarray, colors: np.ndarray) -> None:
    """Writes an indexed PNG, the type of VOC's masks.

    Args:
        path: The file to write, ending in .png.
        indices: (H, W) uint8.
        colors: (256, 3) uint8 RGB.
    """
    picture = Image.fromarray(indices)
    picture.putpalette(colors.tobytes())
    with atomic_path(path) as temporary:
        picture.save(temporary, "PNG")


def checked_suffix(path: str | os.PathLike, dtype: np.dtype | type = np.uint8, shape: tuple[int, ...] = ()) -> str:
    """Checks that an image can be written under this name, so that a command can refuse it at its start.

    Args:
        path: The file to be written.
        dtype: Data type of the image.
        shape: Its shape, if known.

    Returns:
        The suffix in lower case, with its dot.

    Raises:
        InputError: The suffix is none of `IMAGE_SUFFIXES`, or the type cannot hold 16 bits a channel or such a size.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        raise InputError(f"cannot write {path}: the name must end in one of {', '.join(IMAGE_SUFFIXES)}.")
    if np.dtype(dtype) == np.uint16 and suffix not in _SIXTEEN_BIT_SUFFIXES:
        raise InputError(f"cannot write {path}: {suffix} cannot hold 16 bits a channel; use .png or .tif.")
    longest = _LONGEST_SIDE.get(suffix)
    if longest and max(shape[:2], default=0) > longest:
        raise InputError(f"cannot write {path}: {suffix} holds at most {longest} pixels a side; use .png or .tif.")
    return suffix


def _read(path: str | os.PathLike) -> bytes:
    with open_image_file(path) as file:
        return file.read()


def _decode(path: str | os.PathLike, data: bytes) -> tuple[np.ndarray, np.ndarray | None, int, Metadata]:
    """Returns pixels as stored, where they are opaque, the orientation that turns them upright, and metadata."""
    with open_image(path, io.BytesIO(data)) as image:
        check_kind(path, image, data)
        load(path, image, data)
        orientation, metadata = read_metadata(path, image)
        return *to_pixels(path, image, data), orientation, metadata
