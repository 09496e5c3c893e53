"""Large images in overlapping tiles, so that memory is bounded by the tile."""

from collections.abc import Callable, Iterator

import numpy as np

from data.imaging.blocks import Window

TILE = 1536
"""Side of a tile, in pixels. A multiple of 64, so that its grid of stride 32 is the whole image's at both scales."""

OVERLAP = 256
"""How far a tile reaches into the next, in pixels; a multiple of 64 as well, chosen by the agreement with the result in
one piece (docs/reliability.md)."""


def spans(length: int, tile: int = TILE, overlap: int = OVERLAP) -> list[slice]:
    """Cuts a side into spans of `tile` that overlap by `overlap`; the last is what is left, more than `overlap`.

    Args:
        length: Of the side, in pixels.
        tile: Length of a span.
        overlap: Less than half of `tile`.
    """
    if length <= tile:
        return [slice(0, length)]
    starts = range(0, length - overlap, tile - overlap)
    return [slice(start, min(start + tile, length)) for start in starts]


def even(shape: tuple[int, int], tile: int, overlap: int, multiple: int) -> tuple[int, int]:
    """Returns the smallest height and width of a tile that cut a map into as few as `tile` does; no tile is a narrow
    rest then.

    Args:
        shape: (H, W) of the map.
        tile, overlap: As for `spans`.
        multiple: Divides both, and `tile`.
    """
    counts = [len(spans(length, tile, overlap)) for length in shape]
    rows, columns = (
        -(-(length + (count - 1) * overlap) // (count * multiple)) * multiple
        for length, count in zip(shape, counts, strict=True)
    )
    return rows, columns


def blend(
    shape: tuple[int, int],
    compute: Callable[[Window], np.ndarray],
    observe: Callable[[], None] = lambda: None,
    tile: tuple[int, int] = (TILE, TILE),
    overlap: int = OVERLAP,
) -> np.ndarray:
    """Computes a map tile by tile; neighbors fade into each other over their overlap.

    Args:
        shape: (H, W) of the map.
        compute: Window to its map, float32.
        observe: Called after each tile.
        tile: Height and width of a tile.
        overlap: Of neighbors.

    Returns:
        (H, W) float32.
    """
    whole = np.zeros(shape, np.float32)
    for rows, fade_rows in _faded(shape[0], tile[0], overlap):
        for columns, fade_columns in _faded(shape[1], tile[1], overlap):
            part = compute((rows, columns))
            part *= fade_rows[:, None]
            part *= fade_columns
            whole[rows, columns] += part
            observe()
    return whole


def count(shape: tuple[int, int], tile: tuple[int, int] = (TILE, TILE), overlap: int = OVERLAP) -> int:
    """Returns how many tiles a map has."""
    return len(spans(shape[0], tile[0], overlap)) * len(spans(shape[1], tile[1], overlap))


def _faded(length: int, tile: int, overlap: int) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields the spans with their weights, which add up to 1 everywhere."""
    ramp = ((np.arange(overlap) + 0.5) / overlap).astype(np.float32)
    for span in spans(length, tile, overlap):
        weights = np.ones(span.stop - span.start, np.float32)
        if span.start > 0:
            weights[:overlap] = ramp
        if span.stop < length:
            weights[span.stop - span.start - overlap :] = ramp[::-1]
        yield span, weights
