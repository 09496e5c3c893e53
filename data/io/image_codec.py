"""Decodes a file's bytes to pixels and encodes them: gray or RGB, 8 or 16 bits.

Pillow decodes, because it refuses truncated files where OpenCV returns half an image. simplejpeg decodes JPEG, to the
same bits: it reports missing data where Pillow fills up with gray. OpenCV decodes color of 16 bits a channel, which
Pillow reduces to 8 bits without a warning, and encodes PNG of 16 bits.
"""

import io
import os
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import simplejpeg
from PIL import Image
from PIL.ExifTags import Base as Tag
from PIL.PngImagePlugin import PngInfo, putchunk

from data.io.camera_files import deep_heif
from data.io.image_checks import ALPHA_MODES, is_16_bit, tiff_tags
from data.io.metadata import LARGEST_XMP_IN_JPEG, Metadata, exif_for_jpeg
from data.runtime.errors import InputError

_HARMLESS = ("extraneous bytes before marker 0xd9", "Invalid SOS parameters", "Adobe", "JFIF")
"""Warnings of libjpeg about complete photographs: filling before the end, and what some encoders write into headers."""

XMP_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of an XMP packet among the texts of a PNG."""

METERS_PER_INCH = 0.0254
"""PNG counts pixels a meter."""

_PNG_LEVEL = 3
"""Level of zlib: writes photographs 2.9 times as fast as the default 6, with 8 % more bytes (ten Lytro images)."""


def to_pixels(path: str | os.PathLike, image: Image.Image, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the pixels of a loaded image as stored (not turned), gray or RGB, and where they are opaque.

    The latter is (H, W) bool, None where no pixel is transparent; all false where a color of 16 bits stands for
    transparency.
    """
    if image.format in ("JPEG", "MPO"):
        return _decode_jpeg(path, image, data), None
    if image.format == "HEIF" and is_16_bit(image):
        return _split_alpha(deep_heif(data, image.info["bit_depth"]), image.mode in ALPHA_MODES)
    keyed = "transparency" in image.info
    unknown = np.zeros(image.size[::-1], bool) if keyed else None
    if image.mode.startswith("I;16"):
        return _widen(np.asarray(image).astype(np.uint16), image), unknown
    # Bit depth and color type are bytes 24 and 25 of every PNG; color type 4 is gray with alpha.
    if (image.format == "PNG" and data[24] == 16) or is_16_bit(image):
        gray = image.format == "PNG" and data[25] == 4
        colors, opaque = _decode_16_bit(path, image, data)
        pixels = colors[..., 0] if gray else colors
        return pixels, unknown if keyed else opaque if image.mode in ALPHA_MODES else None
    if image.mode in ALPHA_MODES or keyed:
        gray = image.mode in ("1", "L", "LA", "La")
        return _split_alpha(np.asarray(image.convert("LA" if gray else "RGBA")), True)
    return np.asarray(image.convert("L" if image.mode in ("1", "L") else "RGB")), None


def _split_alpha(channels: np.ndarray, has_alpha: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """Takes the last channel away where it is transparency; returns the others and where it is full, as `to_pixels`."""
    if not has_alpha:
        return channels, None
    pixels = channels[..., 0] if channels.shape[2] == 2 else channels[..., :3]
    return pixels, _opaque(channels[..., -1])


def _opaque(alpha: np.ndarray) -> np.ndarray | None:
    opaque = alpha == np.iinfo(alpha.dtype).max
    return None if opaque.all() else opaque


def _decode_jpeg(path: str | os.PathLike, image: Image.Image, data: bytes) -> np.ndarray:
    """Decodes the first image of a JPEG, (H, W, 3) RGB or (H, W) gray."""
    height, width, *_ = simplejpeg.decode_jpeg_header(data)
    if (width, height) != image.size:
        raise InputError(f"cannot read {path}: its headers contradict each other about its size; copy it again.")
    gray = image.mode == "L"
    try:
        pixels = simplejpeg.decode_jpeg(data, "GRAY" if gray else "RGB", strict=True)
    except ValueError as problem:
        if not any(words in str(problem) for words in _HARMLESS):
            raise
        image.load()  # which refuses a file that ends early
        return np.asarray(image)
    return pixels[..., 0] if gray else pixels


def _widen(pixels: np.ndarray, image: Image.Image) -> np.ndarray:
    """Brings the 12 bits of a TIFF to the range of 16: white is 65535, and no longer 4095."""
    if image.format != "TIFF" or tiff_tags(image).get(Tag.BitsPerSample) != (12,):
        return pixels
    return np.rint(pixels * (65535 / 4095)).astype(np.uint16)


def _decode_16_bit(path: str | os.PathLike, image: Image.Image, data: bytes) -> tuple[np.ndarray, np.ndarray | None]:
    """Decodes 16-bit color; returns (H, W, 3) RGB and where a fourth channel is full, as `to_pixels`."""
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise InputError(f"cannot read {path}: OpenCV refuses it ({error.err}); save it again.") from error
    unsupported = f"cannot read {path}: this form of 16-bit image is not supported; save it as 16-bit RGB PNG."
    if decoded is None or decoded.dtype != np.uint16 or decoded.ndim != 3 or decoded.shape[2] not in (3, 4):
        raise InputError(unsupported)
    colors = decoded[..., 2::-1]
    # OpenCV mixes up the channels of a TIFF with separate planes; Pillow's 8 bits are the high bytes and tell.
    if not np.array_equal(np.asarray(image)[..., :3], colors >> 8):
        raise InputError(unsupported)
    return colors, _opaque(decoded[..., 3]) if decoded.shape[2] == 4 else None


def turn_upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Applies an EXIF orientation (1 to 8; anything else counts as 1). TIFF decoders have turned the image already."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def encode_16_bit_png(image: np.ndarray, metadata: Metadata) -> bytes:
    """Encodes uint16 as PNG, with the chunks of its metadata."""
    channels = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    done, encoded = cv2.imencode(".png", channels, [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    if not done:
        raise ValueError(f"OpenCV cannot encode an image of shape {image.shape} as PNG")
    data = encoded.tobytes()
    chunks = io.BytesIO()
    if metadata.profile:
        putchunk(chunks, b"iCCP", b"profile\0\0" + zlib.compress(metadata.profile))
    if metadata.exif:
        putchunk(chunks, b"eXIf", metadata.exif.removeprefix(b"Exif\0\0"))
    if metadata.xmp:
        putchunk(chunks, b"iTXt", XMP_KEYWORD.encode() + bytes(5) + metadata.xmp)
    if metadata.dpi:
        across, down = (round(one / METERS_PER_INCH) for one in metadata.dpi)
        putchunk(chunks, b"pHYs", struct.pack(">IIB", across, down, 1))
    header = 33  # bytes of a PNG's signature and first chunk, behind which others may stand
    return data[:header] + chunks.getvalue() + data[header:]


def save_8_bit(path: Path, image: np.ndarray, suffix: str, quality: int, metadata: Metadata) -> None:
    """Writes uint8 as JPEG, PNG, WebP or BMP, whichever the suffix names."""
    picture = Image.fromarray(np.ascontiguousarray(image))
    carried: dict[str, Any] = {"icc_profile": metadata.profile, "exif": metadata.exif or b""}
    if metadata.xmp and suffix != ".png":
        carried["xmp"] = metadata.xmp
    if metadata.dpi:
        carried["dpi"] = metadata.dpi
    if suffix in (".jpg", ".jpeg"):
        carried["exif"] = exif_for_jpeg(metadata.exif)
        if len(metadata.xmp or b"") > LARGEST_XMP_IN_JPEG:
            warnings.warn("the XMP data do not fit into a JPEG and are left out; use .png", stacklevel=3)
            del carried["xmp"]
        picture.save(path, "JPEG", quality=quality, subsampling=0, **carried)
    elif suffix == ".png":
        texts = PngInfo()
        if metadata.xmp:
            texts.add_itxt(XMP_KEYWORD, metadata.xmp.decode())
        picture.save(path, "PNG", compress_level=_PNG_LEVEL, pnginfo=texts, **carried)
    elif suffix == ".webp":
        picture.convert("RGB").save(path, "WEBP", lossless=True, **carried)
    else:
        picture.save(path, "BMP")
