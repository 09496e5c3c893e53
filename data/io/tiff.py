"""Writes TIFF files: 8 or 16 bits, compressed, with color profile and EXIF data.

Pillow writes no 16-bit color and compresses nothing beside EXIF data, OpenCV and tifffile write no EXIF data. Pillow's
directories hold both, so they describe the pixels here as well.
"""

import zlib

import numpy as np
from PIL import Image
from PIL.ExifTags import Base as Tag

from data.io.metadata import Metadata, kept_tags

_STRIP = 2**18
"""Approximate bytes of pixels in a strip."""

_LEVEL = 1
"""Level of zlib, the fastest: photographs of 16 bits hardly become smaller with a higher one."""

_DEFLATE, _DIFFERENCES, _GRAY, _RGB, _UNSIGNED, _INCH = 8, 2, 1, 2, 1, 2
"""Values of Compression, Predictor, PhotometricInterpretation (two), SampleFormat and ResolutionUnit (TIFF 6.0;
Technical Note 3)."""


def encode_tiff(image: np.ndarray, metadata: Metadata) -> bytes:
    """Encodes an image as TIFF: deflated differences of neighbors, one directory, interleaved channels.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        metadata: Color profile and EXIF data.

    Returns:
        The content of the file.
    """
    tags = Image.Exif()
    if metadata.exif:
        tags.load(metadata.exif)
    tags = kept_tags(tags)
    tags.endian = "<"
    height, width = image.shape[:2]
    channels = image.reshape(height, width, -1)
    rows = max(1, _STRIP // channels[0].nbytes)
    strips = [_encode_strip(channels[start : start + rows]) for start in range(0, height, rows)]
    tags.update(
        {
            Tag.ImageWidth: width,
            Tag.ImageLength: height,
            Tag.BitsPerSample: (8 * image.itemsize,) * channels.shape[2],
            Tag.Compression: _DEFLATE,
            Tag.PhotometricInterpretation: _GRAY if image.ndim == 2 else _RGB,
            # Where each begins behind the directories, to which Pillow adds their length.
            Tag.StripOffsets: tuple(int(end) for end in np.cumsum([0, *map(len, strips[:-1])])),
            Tag.SamplesPerPixel: channels.shape[2],
            Tag.RowsPerStrip: rows,
            Tag.StripByteCounts: tuple(map(len, strips)),
            Tag.PlanarConfiguration: 1,
            Tag.Predictor: _DIFFERENCES,
            Tag.SampleFormat: (_UNSIGNED,) * channels.shape[2],
        }
    )
    if metadata.profile:
        tags[Tag.InterColorProfile] = metadata.profile
    if metadata.xmp:
        tags[Tag.XMLPacket] = metadata.xmp
    if metadata.dpi and Tag.XResolution not in tags:
        tags[Tag.XResolution], tags[Tag.YResolution] = metadata.dpi
        tags[Tag.ResolutionUnit] = _INCH
    return b"".join([tags.tobytes().removeprefix(b"Exif\0\0"), *strips])


def _encode_strip(rows: np.ndarray) -> bytes:
    """Deflates (R, W, C) as differences to the pixel on the left, modulo their range; the first stays as it is."""
    coded = rows.copy()
    coded[:, 1:] -= rows[:, :-1]
    return zlib.compress(coded.astype(coded.dtype.newbyteorder("<")).tobytes(), _LEVEL)
