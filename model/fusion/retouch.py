"""Retouching: what a person paints over a fused image, each stroke taken from a source chosen by the user.

A stroke is blended as the fuser blends a stack, in bands: fine detail ends where the stroke does, coarse detail fades
more slowly (`model/fusion/multiband.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor
from typing import Protocol

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.pixels import quantize
from model.fusion import multiband

REACH = 2 ** (multiband.BANDS + 2)
"""Pixels around a stroke that blending may change."""


class Indexed(Protocol):
    """Images by the number of their frame."""

    def __getitem__(self, number: int, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Stroke:
    """A line drawn with a round brush.

    Attributes:
        frame: The number, from 0 on, of the source that is painted with.
        points: x and y in pixels of the result, (0, 0) is the center of its first pixel; at least one.
        radius: Of the brush, in pixels.
        softness: The part of the radius over which it fades, 0 (a hard edge) to 1.
    """

    frame: int
    points: tuple[tuple[float, float], ...]
    radius: float
    softness: float = 0.5

    def window(self, shape: Sequence[int]) -> Window | None:
        """Returns the rows and columns of a picture, (H, W), that it may change; None where it lies outside."""
        spans = []
        for axis, side in ((1, shape[0]), (0, shape[1])):
            places = [point[axis] for point in self.points]
            start = max(0, floor(min(places) - self.radius) - REACH)
            start -= start % 2**multiband.BANDS  # on the grid of the coarsest band
            stop = min(side, ceil(max(places) + self.radius) + REACH + 1)
            if start >= stop:
                return None
            spans.append(slice(start, stop))
        return spans[0], spans[1]

    def cover(self, window: Window) -> np.ndarray:
        """Returns how much of each pixel of a window the stroke covers, (h, w) float32 in [0, 1]."""
        rows, columns = window
        away = np.full((rows.stop - rows.start, columns.stop - columns.start), 255, np.uint8)
        course = [(round(x) - columns.start, round(y) - rows.start) for x, y in (*self.points, self.points[-1])]
        # A single point is drawn as a line to itself; a line may leave the window, which the brush still reaches into.
        margin = ceil(self.radius) + 1
        away = cv2.copyMakeBorder(away, margin, margin, margin, margin, cv2.BORDER_CONSTANT, value=255)
        cv2.polylines(away, [np.array(course, np.int32) + margin], False, 0)
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[margin:-margin, margin:-margin]
        fading = max(self.softness * self.radius, 1.0)
        share = np.clip((self.radius + 0.5 - distance) / fading, 0, 1)
        return share * share * (3 - 2 * share)


def paint(image: np.ndarray, source: np.ndarray, stroke: Stroke) -> Window | None:
    """Paints one stroke into an image, which is changed.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        source: What is painted with, of the same shape and type.
        stroke: Where.

    Returns:
        The rows and columns that may have changed; None where the stroke lies beside the image.
    """
    window = stroke.window(image.shape)
    if window is None:
        return None
    share, levels = stroke.cover(window), multiband.BANDS
    mixed = multiband.share(image[window], 1 - share, levels) + multiband.share(source[window], share, levels)
    image[window] = quantize(mixed, image.dtype)
    return window


def retouch(image: np.ndarray, sources: Indexed, strokes: Sequence[Stroke]) -> np.ndarray:
    """Paints strokes one after the other over a copy of an image; `sources` are indexed by their frames."""
    result = image.copy()
    for stroke in strokes:
        paint(result, sources[stroke.frame], stroke)
    return result
