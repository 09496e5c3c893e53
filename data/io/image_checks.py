"""Checks of an image file before its pixels are used: it is complete, and no more work than a photograph.

Pillow reports nothing where a TIFF lacks strips or tiles, and leaves them black.
"""

import io
import os
import re
import struct
import sys
from collections.abc import Iterator, Mapping
from itertools import islice
from math import ceil
from typing import Any

from PIL import Image
from PIL.ExifTags import Base as Tag

from data.io.tiff_pages import count_pages
from data.runtime.errors import InputError

ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")
"""Pillow's modes with a channel of transparency."""

MOST_SCANS = 100
"""Most scans of a progressive JPEG; each costs a pass over all pixels. Encoders write about ten."""

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
"""First bytes of every PNG."""

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
"""The closing chunk of every PNG: its length, name and checksum. Pillow reads a file without it."""

_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")
"""Chunks of a PNG that decide its pixels; the last three make it an animation."""

_JPEG_MARKER = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
"""Beginning of a segment of a JPEG; the escaped 0xFF, filling and restarts among pixels begin none."""

_JPEG_SCAN = 0xDA
"""Marker of a segment that pixels follow."""


def most_pixels() -> int:
    """Returns the most pixels of an image that Pillow opens."""
    return 2 * (Image.MAX_IMAGE_PIXELS or sys.maxsize)


def check_kind(path: str | os.PathLike, image: Image.Image, data: bytes) -> None:
    """Refuses what is not one image that gray or RGB of 8 or 16 bits can hold without loss.

    Raises:
        InputError: It holds several images, too many scans, or samples other than 8- and 16-bit gray or RGB.
    """
    # Not `n_frames`: to count the pages of a TIFF takes a time that grows with the square of their number.
    # A phone's HEIC may hold several, of which the first, the photograph, is read.
    if image.format not in ("MPO", "HEIF") and getattr(image, "is_animated", False):
        pages = count_pages(io.BytesIO(data)) if image.format == "TIFF" else 0
        if pages > 1:
            raise InputError(
                f"cannot use {path}: it holds several images, {pages} pages; fuse.py takes such a file alone, as a "
                "stack, else save the wanted page as a file of its own."
            )
        if pages != 1:
            raise InputError(f"cannot use {path}: it holds several images; save the wanted one as a file of its own.")
    if image.format in ("JPEG", "MPO") and _has_too_many_scans(data):
        raise InputError(
            f"cannot read {path}: it has more than {MOST_SCANS} scans, as no camera writes; save it again."
        )
    if image.mode not in ("1", "L", "P", "RGB", "RGBX", *ALPHA_MODES) and not image.mode.startswith("I;16"):
        kind = {"F": "floating-point", "I": "32-bit or signed integer"}.get(image.mode, image.mode)
        raise InputError(f"cannot use {path}: its pixels are {kind}; convert it to RGB or gray of 8 or 16 bits.")
    if is_16_bit(image) and tiff_tags(image).get(Tag.PhotometricInterpretation) == 0:
        raise InputError(f"cannot use {path}: its 16-bit gray is stored inverted; save it with black as 0.")


def load(path: str | os.PathLike, image: Image.Image, data: bytes) -> None:
    """Decodes an image that is complete; a JPEG is left to `to_pixels`.

    Raises:
        InputError: It ends early, or holds fewer pixels than it says.
    """
    if image.format in ("JPEG", "MPO"):
        return
    if image.format == "TIFF" and _is_tiff_short(image):
        raise InputError(f"cannot read {path}: it holds fewer pixels than it says; copy it again.")
    image.load()
    if image.format == "PNG" and _PNG_END not in data:
        raise InputError(f"cannot read {path}: it is cut short at its very end; copy it again.")


def is_16_bit(image: Image.Image) -> bool:
    """Returns whether an opened image has 16 bits a channel, or 10 or 12 that become 16."""
    if image.mode.startswith("I;16"):
        return True
    if image.format == "HEIF":
        return image.info.get("bit_depth", 8) > 8
    return image.format == "TIFF" and max(tiff_tags(image).get(Tag.BitsPerSample, (1,))) == 16


def tiff_tags(image: Image.Image) -> Mapping[int, Any]:
    """Returns the tags of the first directory of a TIFF; none of other types."""
    return getattr(image, "tag_v2", {})


def without_metadata(data: bytes) -> bytes | None:
    """Removes the metadata of an image file, for a file that they keep from being read.

    Args:
        data: A JPEG, PNG or WebP file.

    Returns:
        The file without its EXIF block, color profile and comments; None where it is of another type, or not even so
        far whole.
    """
    if data.startswith(b"\xff\xd8"):
        return _plain_jpeg(data)
    if data.startswith(_PNG_SIGNATURE):
        return _plain_png(data)
    return _plain_webp(data) if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else None


def _has_too_many_scans(data: bytes) -> bool:
    """Returns whether a JPEG's first image has more than `MOST_SCANS` scans."""
    scans = (1 for marker, _, _ in _jpeg_segments(data) if marker == _JPEG_SCAN)
    return sum(islice(scans, MOST_SCANS + 1)) > MOST_SCANS


def _is_tiff_short(image: Image.Image) -> bool:
    """Returns whether a TIFF lists fewer strips or tiles than its size needs."""
    tags = tiff_tags(image)
    width, height = tags[Tag.ImageWidth], tags[Tag.ImageLength]  # as stored; Pillow's are those of the upright image
    if Tag.TileOffsets in tags:
        needed = ceil(width / tags[Tag.TileWidth]) * ceil(height / tags[Tag.TileLength])
        listed = tags[Tag.TileOffsets]
    else:
        needed = ceil(height / min(height, tags.get(Tag.RowsPerStrip, height)))
        listed = tags.get(Tag.StripOffsets, ())
    planes = len(image.getbands()) if tags.get(Tag.PlanarConfiguration, 1) == 2 else 1
    return len(listed) < needed * planes


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Yields marker, beginning and end of each segment of a JPEG's first image."""
    found = _JPEG_MARKER.search(data, 2)
    while found and found[0][1] != 0xD9:  # the end of the image
        end = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
        yield found[0][1], found.start(), end
        found = _JPEG_MARKER.search(data, end)


def _plain_jpeg(data: bytes) -> bytes | None:
    kept, place = [data[:2]], 2
    for marker, start, end in _jpeg_segments(data):
        if data[place:start].strip(b"\xff"):
            break  # a segment before this has a wrong length
        if marker == _JPEG_SCAN:
            return b"".join([*kept, data[start:]])
        if marker not in (*range(0xE1, 0xEE), 0xEF, 0xFE):  # 0xEE tells how colors are stored
            kept.append(data[start:end])
        place = end
    return None


def _plain_png(data: bytes) -> bytes:
    kept, place = [_PNG_SIGNATURE], len(_PNG_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if kind in _PNG_NEEDED:
            kept.append(data[place : place + 12 + length])
        place += 12 + length
    return b"".join(kept)


def _plain_webp(data: bytes) -> bytes:
    kept, place = [], 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        chunk = data[place : place + 8 + length + length % 2]
        if kind == b"VP8X":
            without = ~0x2C  # no profile, no EXIF, no XMP
            chunk = chunk[:8] + bytes(flags & without for flags in chunk[8:9]) + chunk[9:]
        if kind not in (b"EXIF", b"ICCP", b"XMP "):
            kept.append(chunk)
        place += len(chunk)
    body = b"".join(kept)
    return data[:4] + struct.pack("<I", len(body) + 4) + data[8:12] + body
