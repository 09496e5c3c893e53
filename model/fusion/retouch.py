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
from data.registration.prepared import Observer
from data.runtime.errors import InputError
from model.fusion import multiband

REACH = 2 ** (multiband.BANDS + 2)
"""Pixels around a stroke that blending may change."""

ERASER, SECOND = -1, -2
"""Numbers in place of a frame's: paints with what was fused, or with what other settings made of the same frames."""

FINEST_RADIUS = 256
"""Pixels: the course of a brush that is this many times wider is drawn in a picture that is so many times smaller."""


class Indexed(Protocol):
    """Images by the number of their frame."""

    def __getitem__(self, number: int, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Paints:
    """What strokes paint with, by their numbers.

    Attributes:
        frames: The aligned frames, by their numbers in the stack.
        fused: What was fused, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        second: What other settings made of the same frames, of the same shape and type; None where there is nothing.
    """

    frames: Indexed
    fused: np.ndarray
    second: np.ndarray | None = None

    def __getitem__(self, number: int) -> np.ndarray:
        """Returns what a number stands for.

        Raises:
            InputError: There is no second result, or the frame was left out.
        """
        if number == ERASER:
            return self.fused
        if number == SECOND:
            if self.second is None:
                raise InputError("there is no second result to paint with.")
            return self.second
        return self.frames[number]


@dataclass(frozen=True)
class Stroke:
    """A line drawn with a round brush.

    Attributes:
        frame: The number, from 0 on, of the source that is painted with; or `ERASER` or `SECOND`.
        points: x and y in pixels of the result, (0, 0) is the center of its first pixel; at least one.
        radius: Of the brush, in pixels.
        softness: The part of the radius over which it fades, 0 (a hard edge) to 1.
        opacity: How much of the source is taken in its middle, 0 to 1.
    """

    frame: int
    points: tuple[tuple[float, float], ...]
    radius: float
    softness: float = 0.5
    opacity: float = 1.0

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
        # A wide brush is as smooth as a narrow one that is enlarged, and no distance beyond its radius is needed.
        step = max(1, int(self.radius // FINEST_RADIUS))
        height, width = (-(-(span.stop - span.start) // step) for span in window)
        course = [
            (round((x - columns.start) / step), round((y - rows.start) / step))
            for x, y in (*self.points, self.points[-1])
        ]
        # A single point is drawn as a line to itself; a line may leave the window, which the brush still reaches into.
        margin = ceil(self.radius / step) + 1
        away = np.full((height + 2 * margin, width + 2 * margin), 255, np.uint8)
        cv2.polylines(away, [np.array(course, np.int32) + margin], False, 0)
        distance = cv2.distanceTransform(away, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[margin:-margin, margin:-margin]
        if step > 1:
            distance = cv2.resize(distance * step, None, fx=step, fy=step, interpolation=cv2.INTER_LINEAR)
            distance = distance[: rows.stop - rows.start, : columns.stop - columns.start]
        fading = max(self.softness * self.radius, 1.0)
        share = np.clip((self.radius + 0.5 - distance) / fading, 0, 1)
        return np.float32(self.opacity) * share * share * (3 - 2 * share)


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


def retouch(
    paints: Paints,
    strokes: Sequence[Stroke],
    observe: Observer = lambda stage, done, total: None,
) -> np.ndarray:
    """Paints strokes one after the other over a copy of what was fused.

    Args:
        paints: What is painted with.
        strokes: In order.
        observe: Progress callback (stage, done, total). An exception that it raises ends the work.
    """
    result = paints.fused.copy()
    for number, stroke in enumerate(strokes):
        observe("painting", number, len(strokes))
        paint(result, paints[stroke.frame], stroke)
    return result
