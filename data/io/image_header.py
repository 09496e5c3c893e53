"""Headers of image files: type, size, channels and bits, without decoding the pixels."""

import hashlib
import os
import struct
import warnings
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from io import BufferedReader, BytesIO
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag

from data.io.camera_files import HEIF_SUFFIXES, RAW_SUFFIXES, heif_format, is_heif, is_raw, raw_shape
from data.io.files import open_file
from data.io.image_checks import ALPHA_MODES, is_16_bit, most_pixels, without_metadata
from data.io.metadata import LARGEST_BLOCK
from data.io.tiff_pages import is_floating
from data.io.tiff_stack import is_page, open_page
from data.runtime.errors import InputError

SIDEWAYS = (5, 6, 7, 8)
"""Orientations that exchange width and height."""

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".webp")
"""Suffixes of the files that are read and written, in lower case."""

READ_SUFFIXES = (*IMAGE_SUFFIXES, *HEIF_SUFFIXES, *RAW_SUFFIXES)
"""Suffixes of the files that are read, in lower case."""

_FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "WEBP")
"""Pillow's names of the types that are always read."""

_GRAY_MODES = ("1", "L", "LA", "La")
"""Pillow's modes that are read as gray, besides those of 16 bits."""

_LARGEST_HEADERS = 64 * 2**20
"""Most bytes of a file besides its pixels."""

_MOST_CHUNKS = 2**17
"""Most chunks of a PNG that are searched for a late EXIF block; encoders write chunks of 8 kB or more."""

_DAMAGE = (
    *(OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, OverflowError, RuntimeError),
    *(struct.error, zlib.error),
)
"""Errors that decoders raise on damaged files."""


@dataclass(frozen=True)
class Header:
    """Shape and type that an image will have when it is read.

    Attributes:
        shape: (H, W, 3) for RGB or (H, W) for gray.
        dtype: uint8 or uint16.
        orientation: EXIF's, by which the stored pixels are turned; 1 where the decoder turns them.
        alpha: Whether pixels may be transparent.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    orientation: int = 1
    alpha: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.shape[0], self.shape[1]

    def laid(self, orientation: int) -> "Header":
        """Returns the header of the same stored pixels, turned by another orientation."""
        if (self.orientation in SIDEWAYS) == (orientation in SIDEWAYS):
            return replace(self, orientation=orientation)
        height, width, *channels = self.shape
        return replace(self, shape=(width, height, *channels), orientation=orientation)


def lay_alike(headers: Sequence[Header]) -> list[Header]:
    """Lays the frames of a stack alike, by the orientation that most have, where it differs over equal stored sizes: of
    a camera that looks down, what it says of up and down is chance."""
    counted = Counter(header.orientation for header in headers)
    (usual, _), *others = counted.most_common()
    if not others or len({header.laid(1).size for header in headers}) > 1:
        return list(headers)
    return [header.laid(usual) for header in headers]


def read_header(path: str | os.PathLike) -> Header:
    """Reads from its header the shape and type of an image that `read_image` would return, without decoding it.

    Args:
        path: The image file.

    Returns:
        Shape and type.

    Raises:
        InputError: The file is missing, a folder, empty, too large, not an image of a supported type, or needs a
            library that is not installed.
    """
    with open_image_file(path) as file:
        if is_raw(path):
            return Header(raw_shape(path, file), np.dtype(np.uint16))
        try:
            return _header(path, file)
        except InputError:
            file.seek(0)
            plain = without_metadata(file.read())  # which `read_photograph` leaves out with a warning
            if plain is None:
                raise
            try:
                return _header(path, BytesIO(plain))
            except InputError:
                pass
            raise


def _header(path: str | os.PathLike, file: BinaryIO) -> Header:
    start = file.read(26)
    file.seek(0)
    with open_image(path, file) as image:
        width, height = image.size
        # The pixels of the other types are upright already.
        orientation = 1 if image.format in ("TIFF", "HEIF") else _orientation(image, file)
        if orientation in SIDEWAYS:
            width, height = height, width
        # Bit depth and color type are bytes 24 and 25 of every PNG; color type 4 is gray with alpha.
        wide = is_16_bit(image) or (image.format == "PNG" and start[24] == 16)
        gray = image.mode in _GRAY_MODES or image.mode.startswith("I;16")
        gray = gray or (image.format == "PNG" and start[25] == 4)
        alpha = image.mode in ALPHA_MODES or "transparency" in image.info
    shape = (height, width) if gray else (height, width, 3)
    return Header(shape, np.dtype(np.uint16 if wide else np.uint8), orientation, alpha)


def read_size(path: str | os.PathLike) -> tuple[int, int]:
    """Reads height and width from the header of an image; errors as `read_header`."""
    return read_header(path).size


def taken_at(path: str | os.PathLike) -> datetime | None:
    """Reads from the EXIF data when a photograph was taken, to parts of a second; None where nothing tells."""
    try:
        with open_image_file(path) as file, open_image(path, file) as image:
            exif = Image.Image.getexif(image)
            details = exif.get_ifd(IFD.Exif)
            text = details.get(Tag.DateTimeOriginal) or exif.get(Tag.DateTime)
            taken = datetime.strptime(str(text).strip("\0 "), "%Y:%m:%d %H:%M:%S")
            part = str(details.get(Tag.SubsecTimeOriginal, "")).strip("\0 ")
            return taken.replace(microsecond=int(part[:6].ljust(6, "0"))) if part.isdecimal() else taken
    except Exception:  # damaged EXIF data raise anything; whether the image can be used is said when it is read
        return None


def open_image_file(path: str | os.PathLike) -> BufferedReader:
    """Opens a file that is not empty and no larger than an image can be, or a page of a TIFF; errors as
    `data.io.files.open_file` and `data.io.tiff_stack.open_page`."""
    # Four channels of 16 bits for every pixel that Pillow trusts.
    largest = 8 * most_pixels() + _LARGEST_HEADERS
    if is_page(path):
        return open_page(path, largest)
    file = open_file(path, largest)
    if not file.peek(1):
        file.close()
        raise InputError(f"cannot read {path}: the file is empty; copy it again.")
    return file


def image_digest(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of an image file, or of a page of a TIFF, in hexadecimal digits; errors as
    `open_image_file`."""
    with open_image_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def open_image(path: str | os.PathLike, content: BinaryIO) -> Iterator[Image.Image]:
    """Opens an image with Pillow; what is raised in the block because of a damaged file becomes one sentence.

    Args:
        path: The file, for messages.
        content: Its bytes, from their beginning.

    Raises:
        InputError: It is no image of a supported type, damaged, too large, or needs a library that is not installed.
    """
    start = content.read(12)
    content.seek(0)
    formats = (*_FORMATS, *((heif_format(path),) if is_heif(start) else ()))
    with readable(path), Image.open(content, formats=formats) as image:
        yield image


@contextmanager
def readable(path: str | os.PathLike) -> Iterator[None]:
    """Turns what decoders raise on a file that they cannot read into one sentence."""
    with warnings.catch_warnings():
        # A damaged header warns several times before it fails, and photographs from 89 Mpx on warn of an attack.
        warnings.filterwarnings("ignore", module=r"PIL\.")
        try:
            yield
        except (InputError, PermissionError):
            raise
        except Image.DecompressionBombError as error:
            limit = f"{most_pixels() // 10**6} megapixels"
            raise InputError(f"cannot read {path}: it has more than {limit}; reduce it first.") from error
        except UnidentifiedImageError as error:
            if _is_floating(path):
                kind = "its pixels are floating-point; convert it to RGB or gray of 16 bits."
                raise InputError(f"cannot use {path}: {kind}") from error
            problem = "it is no JPEG, PNG, TIFF, BMP or WebP image, nor HEIC, or its header is damaged; save it again."
            raise InputError(f"cannot read {path}: {problem}") from error
        except _DAMAGE as error:
            raise InputError(f"cannot read {path}: it is damaged or cut short ({error}); copy it again.") from error


def _is_floating(path: str | os.PathLike) -> bool:
    try:
        with open_image_file(path) as file:
            return is_floating(file)
    except InputError:
        return False


def _orientation(image: Image.Image, file: BinaryIO) -> int:
    try:
        # The method of the base class: that of PNG decodes the whole image in search of an EXIF block behind it.
        exif = Image.Image.getexif(image)
        if image.format == "PNG" and not exif:
            exif.load(_late_exif(file))
        orientation = exif.get(Tag.Orientation, 1)
        return orientation if orientation in range(1, 9) else 1
    except Exception:  # as `read_metadata`, which says so when the image is read
        return 1


def _late_exif(file: BinaryIO) -> bytes:
    """Reads the EXIF block of a PNG, wherever it stands; empty where there is none."""
    file.seek(8)
    for _ in range(_MOST_CHUNKS):
        start = file.read(8)
        if len(start) < 8:
            break
        length, kind = struct.unpack(">I4s", start)
        if kind == b"eXIf":
            return file.read(min(length, LARGEST_BLOCK))
        file.seek(length + 4, os.SEEK_CUR)  # and the checksum
    return b""
