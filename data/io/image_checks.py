"""What an image file must be before its pixels are believed: complete, and no more work than a photograph.

Pillow leaves black, without a word, what a TIFF does not hold.
"""

import io
import os
import struct
import zlib
from math import ceil

from PIL import Image

from data.errors import InputError

ALPHA_MODES = ("LA", "PA", "RGBA", "La", "RGBa")

MOST_SCANS = 100
"""Of a progressive JPEG; each costs a pass over all pixels. Encoders write about ten."""

_MODES = ("1", "L", "P", "RGB", "RGBX", *ALPHA_MODES)
_PHOTOMETRIC, _BITS_PER_SAMPLE = 262, 258

_PNG_SIGNATURE = 8
_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
"""The closing chunk of every PNG: its length, name and checksum. Pillow reads a file without it."""
_PNG_NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT")

_WIDTH, _HEIGHT, _ROWS_PER_STRIP, _PLANAR = 256, 257, 278, 284
_STRIP_OFFSETS, _TILE_OFFSETS, _TILE_WIDTH, _TILE_HEIGHT = 273, 324, 322, 323


def check_kind(path: str | os.PathLike, image: Image.Image, data: bytes) -> None:
    """Refuses what has no faithful reading as one gray or RGB image of 8 or 16 bits.

    Raises:
        InputError: It holds several images, too many scans, or samples other than 8- and 16-bit gray or RGB.
    """
    # Not `n_frames`: to count the pages of a TIFF takes a time that grows with the square of their number.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        raise InputError(f"cannot use {path}: it holds several images; save the wanted one as a file of its own.")
    if image.format in ("JPEG", "MPO") and has_too_many_scans(data):
        raise InputError(
            f"cannot read {path}: it has more than {MOST_SCANS} scans, as no camera writes; save it again."
        )
    if image.mode not in _MODES and not image.mode.startswith("I;16"):
        kind = {"F": "floating-point", "I": "32-bit or signed integer"}.get(image.mode, image.mode)
        raise InputError(f"cannot use {path}: its pixels are {kind}; convert it to RGB or gray of 8 or 16 bits.")
    if is_16_bit(image) and image.format == "TIFF" and image.tag_v2.get(_PHOTOMETRIC) == 0:
        raise InputError(f"cannot use {path}: its 16-bit gray is stored inverted; save it with black as 0.")


def load(path: str | os.PathLike, image: Image.Image, data: bytes) -> None:
    """Decodes an image that is complete; a JPEG is left to `to_pixels`.

    Raises:
        InputError: It ends early, or holds fewer pixels than it says.
    """
    if image.format in ("JPEG", "MPO"):
        return
    if image.format == "TIFF" and is_tiff_short(image):
        raise InputError(f"cannot read {path}: it holds fewer pixels than it says; copy it again.")
    image.load()
    if image.format == "PNG" and _PNG_END not in data:
        raise InputError(f"cannot read {path}: it is cut short at its very end; copy it again.")


def is_16_bit(image: Image.Image) -> bool:
    """Whether an image that was opened has 16 bits a channel, or 12 that become 16."""
    if image.mode.startswith("I;16"):
        return True
    return image.format == "TIFF" and max(image.tag_v2.get(_BITS_PER_SAMPLE, (1,))) == 16


def has_too_many_scans(data: bytes) -> bool:
    """Whether a JPEG's first image has more than `MOST_SCANS` scans."""
    scans, place = 0, 2
    while 0 <= place <= len(data) - 4:
        marker = data[place + 1]
        if data[place] != 0xFF or marker == 0xD9:
            break
        if marker == 0xFF:  # filling
            place += 1
            continue
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
        if marker == 0xDA:
            scans += 1
            if scans > MOST_SCANS:
                return True
            place = _end_of_scan(data, place)
    return False


def _end_of_scan(data, place):
    """The place of the next marker that is none of a scan's own (an escaped 0xFF, or a restart); below 0 at the end."""
    while 0 <= (place := data.find(b"\xff", place)) < len(data) - 1:
        if data[place + 1] not in (0x00, 0xFF, *range(0xD0, 0xD8)):
            return place
        place += 1 if data[place + 1] == 0xFF else 2
    return -1


def is_tiff_short(image: Image.Image) -> bool:
    """Whether a TIFF lists fewer strips or tiles than its size needs."""
    tags = image.tag_v2
    width, height = tags[_WIDTH], tags[_HEIGHT]  # as stored; Pillow's are those of the upright image
    if _TILE_OFFSETS in tags:
        across, down = ceil(width / tags[_TILE_WIDTH]), ceil(height / tags[_TILE_HEIGHT])
        needed, listed = across * down, tags[_TILE_OFFSETS]
    else:
        needed, listed = ceil(height / min(height, tags.get(_ROWS_PER_STRIP, height))), tags.get(_STRIP_OFFSETS, ())
    planes = len(image.getbands()) if tags.get(_PLANAR, 1) == 2 else 1
    return len(listed) < needed * planes


def without_metadata(data: bytes) -> bytes | None:
    """The same image without what only describes it, for a file whose metadata keep it from being read.

    Args:
        data: A JPEG, PNG or WebP file.

    Returns:
        The file without its EXIF block, color profile and comments; None where it is of another type, or not even so
        far whole.
    """
    try:
        if data[:2] == b"\xff\xd8":
            return _plain_jpeg(data)
        if data[:_PNG_SIGNATURE] == b"\x89PNG\r\n\x1a\n":
            return data[:_PNG_SIGNATURE] + b"".join(
                struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
                for kind, body in _png_chunks(data)
                if kind in _PNG_NEEDED
            )
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _plain_webp(data)
    except (struct.error, IndexError, ValueError):
        return None
    return None


def _png_chunks(data):
    """Kind and body of each chunk; one that is needed and whose checksum is wrong is an error."""
    place = _PNG_SIGNATURE
    while place + 8 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        body = data[place + 8 : place + 8 + length]
        end = data[place + 8 + length : place + 12 + length]
        if kind in _PNG_NEEDED and end != struct.pack(">I", zlib.crc32(kind + body)):
            raise ValueError("a needed chunk is damaged")
        yield kind, body
        place += 12 + length


def _plain_jpeg(data):
    kept, place = [data[:2]], 2
    while data[place] == 0xFF and data[place + 1] != 0xDA:
        if data[place + 1] == 0xFF:
            place += 1
            continue
        marker, length = struct.unpack_from(">xBH", data, place)
        describes = (0xE1 <= marker <= 0xEF and marker != 0xEE) or marker == 0xFE  # 0xEE tells how colors are stored
        if not describes:
            kept.append(data[place : place + 2 + length])
        place += 2 + length
    return b"".join([*kept, data[place:]])


def _plain_webp(data):
    kept, place = io.BytesIO(), 12
    while place + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, place)
        chunk = data[place : place + 8 + length + length % 2]
        if kind == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~0x2C]) + chunk[9:]  # no profile, no EXIF, no XMP
        if kind not in (b"EXIF", b"ICCP", b"XMP "):
            kept.write(chunk)
        place += 8 + length + length % 2
    body = kept.getvalue()
    return data[:4] + struct.pack("<I", len(body) + 4) + data[8:12] + body
