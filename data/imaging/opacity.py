"""The part of a picture that is opaque: frames that another program aligned are transparent where they show nothing."""

import cv2
import numpy as np

from data.imaging.blocks import Window

_SIDE = 256
"""The part is found in a picture of at most this many pixels a side."""


def opaque_part(opaque: np.ndarray) -> Window:
    """Finds the largest rectangle without a transparent pixel, in steps of a 256th of the picture.

    Args:
        opaque: (H, W) bool.

    Returns:
        Rows and columns; empty where there is none.
    """
    height, width = opaque.shape
    step = max(1, -(-max(height, width) // _SIDE))
    padded = cv2.copyMakeBorder(
        opaque.astype(np.uint8), 0, -height % step, 0, -width % step, cv2.BORDER_REPLICATE
    ).reshape(-(-height // step), step, -(-width // step), step)
    rows, columns = _largest_rectangle(padded.all(axis=(1, 3)))
    return (
        slice(rows.start * step, min(height, rows.stop * step)),
        slice(columns.start * step, min(width, columns.stop * step)),
    )


def _largest_rectangle(inside: np.ndarray) -> Window:
    """Returns the largest rectangle in a mask, (h, w) bool, row by row from the heights of its columns."""
    best, found = 0, (slice(0, 0), slice(0, 0))
    heights = np.zeros(inside.shape[1] + 1, int)  # the last stays 0 and ends every rectangle
    for row, line in enumerate(inside):
        heights[:-1] = np.where(line, heights[:-1] + 1, 0)
        open_from: list[tuple[int, int]] = []  # column and height, rising
        for column, height in enumerate(heights.tolist()):
            start = column
            while open_from and open_from[-1][1] >= height:
                start, tall = open_from.pop()
                if tall * (column - start) > best:
                    best = tall * (column - start)
                    found = slice(row + 1 - tall, row + 1), slice(start, column)
            open_from.append((start, height))
    return found
