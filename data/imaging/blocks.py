"""Blocks that cover an image once, each with what is looked at around it."""

from collections.abc import Iterator

import numpy as np

Window = tuple[slice, slice]
"""Rows and columns."""


def blocks(shape: tuple[int, int], side: int, context: int) -> Iterator[tuple[Window, Window]]:
    """The blocks of an image.

    Args:
        shape: (H, W).
        side: Of a block, in pixels; the last ones are what is left.
        context: Pixels that are looked at on each side, as far as the image reaches.

    Yields:
        A block, and the same with its surroundings.
    """
    for top in range(0, shape[0], side):
        for left in range(0, shape[1], side):
            starts = zip((top, left), shape, strict=True)
            inside = tuple(slice(start, min(start + side, length)) for start, length in starts)
            around = tuple(
                slice(max(0, span.start - context), min(span.stop + context, length))
                for span, length in zip(inside, shape, strict=True)
            )
            yield inside, around


def within(inside: Window, around: Window) -> Window:
    """A block in the coordinates of what is around it."""
    return tuple(slice(one.start - wide.start, one.stop - wide.start) for one, wide in zip(inside, around, strict=True))


def mixed_blocks(labels: np.ndarray, side: int, context: int) -> Iterator[tuple[Window, Window]]:
    """As `blocks`, those alone in or around which there are several labels, (H, W)."""
    for inside, around in blocks(labels.shape, side, context):
        part = labels[around]
        if np.any(part != part[0, 0]):
            yield inside, around
