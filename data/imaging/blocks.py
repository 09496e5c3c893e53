"""Blocks that cover an image once, each with its surroundings."""

from collections.abc import Iterator
from itertools import product

import numpy as np

Window = tuple[slice, slice]
"""Rows and columns."""


def blocks(shape: tuple[int, int], side: int, context: int) -> Iterator[tuple[Window, Window]]:
    """Cuts an image into blocks.

    Args:
        shape: (H, W).
        side: Side of a block in pixels; the last ones in a row or column may be smaller.
        context: Pixels of surroundings on each side, as far as the image reaches.

    Yields:
        A block, and the block with its surroundings.
    """
    height, width = shape
    for top, left in product(range(0, height, side), range(0, width, side)):
        bottom, right = min(top + side, height), min(left + side, width)
        rows = slice(max(0, top - context), min(bottom + context, height))
        columns = slice(max(0, left - context), min(right + context, width))
        yield (slice(top, bottom), slice(left, right)), (rows, columns)


def within(inside: Window, around: Window) -> Window:
    """Converts a block to the coordinates of the block with its surroundings."""
    rows, columns = (
        slice(one.start - wide.start, one.stop - wide.start) for one, wide in zip(inside, around, strict=True)
    )
    return rows, columns


def mixed_blocks(labels: np.ndarray, side: int, context: int) -> Iterator[tuple[Window, Window]]:
    """Yields as `blocks` those blocks of labels, (H, W), that contain several labels, surroundings included."""
    height, width = labels.shape
    for inside, around in blocks((height, width), side, context):
        part = labels[around]
        if np.any(part != part[0, 0]):
            yield inside, around
