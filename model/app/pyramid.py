"""A picture at its full size, at half of it, at a quarter and so on, in tiles: a page shows few pixels at any zoom."""

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.pixels import to_uint8

TILE = 512
"""Side of a tile, in pixels."""

QUALITY = 92
"""Of tiles, which are JPEG."""


class Pyramid:
    """The levels of a picture.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16; an array of 8 bits is looked at, not copied.

    Attributes:
        levels: From the full size down, (h, w, 3) or (h, w) uint8; the last is one tile.
    """

    def __init__(self, image: np.ndarray):
        self.levels = [to_uint8(image)]
        while max(self.levels[-1].shape[:2]) > TILE:
            self.levels.append(_halved(self.levels[-1]))

    def update(self, image: np.ndarray, window: Window) -> None:
        """Takes over a window of the picture that has changed."""
        self.levels[0] = to_uint8(image)
        spans = [(span.start, span.stop) for span in window]
        for finer, coarser in zip(self.levels, self.levels[1:], strict=False):
            spans = [
                (start // 2, min(-(-stop // 2), side))
                for (start, stop), side in zip(spans, coarser.shape, strict=False)
            ]
            (top, bottom), (left, right) = spans
            coarser[top:bottom, left:right] = _halved(finer[2 * top : 2 * bottom, 2 * left : 2 * right])

    def tile(self, level: int, row: int, column: int) -> bytes | None:
        """A tile as JPEG; None where there is none."""
        if not (0 <= level < len(self.levels) and row >= 0 and column >= 0):
            return None
        part = self.levels[level][row * TILE : (row + 1) * TILE, column * TILE : (column + 1) * TILE]
        if not part.size:
            return None
        values = part if part.ndim == 2 else part[..., ::-1]
        return cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()


def _halved(image: np.ndarray) -> np.ndarray:
    """Averages two by two pixels; a last row or column without its partner stays by itself."""
    height, width = image.shape[:2]
    image = cv2.copyMakeBorder(image, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return cv2.resize(image, ((width + 1) // 2, (height + 1) // 2), interpolation=cv2.INTER_AREA)
