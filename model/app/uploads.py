"""Frames that were dropped on the page."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from data.imaging.pixels import to_uint8
from data.io.files import file_digest
from data.io.image_header import read_header
from data.io.image_io import read_photograph
from model.app.limits import Budget

THUMBNAIL = 240
"""Longest side of a thumbnail, in pixels."""

DECODING = 12
"""Bytes of memory that decoding needs for a pixel, of samples of 8 bits: four channels, three times."""


@dataclass(frozen=True)
class Upload:
    """A frame that was dropped on the page.

    Attributes:
        path: Of its file here.
        name: That the user knows it by.
        sha256: Of the file.
        size: Width and height, in pixels.
        thumbnail: A small JPEG.
    """

    path: Path
    name: str
    sha256: str
    size: tuple[int, int]
    thumbnail: bytes

    @classmethod
    def read(cls, path: Path, name: str, memory: Budget) -> "Upload":
        """Decodes a frame, as far as memory is left.

        Raises:
            InputError: It cannot be read.
        """
        with _decoded(path, memory) as image:
            height, width = image.shape[:2]
            scale = THUMBNAIL / max(height, width)
            if scale < 1:
                small = max(1, round(width * scale)), max(1, round(height * scale))
                image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        values = image if image.ndim == 2 else image[..., ::-1]
        thumbnail = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        return cls(path, name, file_digest(path, "sha256"), (width, height), thumbnail)

    def decoded(self, memory: Budget) -> AbstractContextManager[np.ndarray]:
        """Gives the frame as uint8, for as long as the block holds the memory for it."""
        return _decoded(self.path, memory)


@contextmanager
def _decoded(path: Path, memory: Budget) -> Iterator[np.ndarray]:
    header = read_header(path)
    with memory.hold(DECODING * header.size[0] * header.size[1] * header.dtype.itemsize):
        yield to_uint8(read_photograph(path, "ignore")[0])
