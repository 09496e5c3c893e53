"""Hot and dead pixels: what deviates at the same place of the sensor in all frames, while the scene moves over it.

Laid on each other, such pixels form dotted trails, which look as sharp as specks. They are replaced by the median of
their surroundings before the frames are warped.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.pixels import per_level
from data.registration.affine import transform_points

LEAST_DEVIATION = 20.0
"""Gray levels by which a pixel must deviate from the median around it, in every frame."""

LEAST_MOTION = 3.0
"""Pixels by which the scene must move over it: what stands still as well may be a speck."""

LEAST_FRAMES = 3
"""Frames of a stack in which hot pixels are looked for."""

MOST_SHARE = 0.001
"""Largest share of the pixels that is hot: more is something else, such as a pattern."""

_SIDE = 5
"""Pixels: side of the window of the median."""

_MANY = 200
"""If more than one sample in so many is looked at, the median of all is faster."""


class HotPixels:
    """Places of a sensor, and the frames without them.

    Args:
        places: (H, W) or (H, W, C) bool, the samples that are hot or dead.
    """

    def __init__(self, places: np.ndarray):
        self._at = np.nonzero(places)

    def __len__(self) -> int:
        return len(self._at[0])

    def remove(self, frame: np.ndarray) -> np.ndarray:
        """Returns a frame of the sensor, uint8 or uint16, with the median of the surroundings in their places."""
        if not len(self):
            return frame
        repaired = frame.copy()
        repaired[self._at] = _medians(frame, self._at)
        return repaired


def find_hot_pixels(frames: Sequence[np.ndarray], warps: Sequence[np.ndarray]) -> HotPixels:
    """Finds hot and dead pixels of frames of one size.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, as the sensor saw them.
        warps: (3, 3) float64 for each, from a reference.
    """
    first = frames[0]
    nothing = HotPixels(np.zeros(first.shape, bool))
    if len(frames) < LEAST_FRAMES:
        return nothing
    threshold = LEAST_DEVIATION * per_level(first.dtype)
    median = cv2.medianBlur(first, _SIDE)
    at = np.nonzero(cv2.absdiff(first, median) > threshold)
    moves = _motion(warps, first.shape[:2])[at[:2]] > LEAST_MOTION
    at = tuple(axis[moves] for axis in at)
    signs = np.where(first[at] > median[at], 1, -1)
    for index in range(1, len(frames)):
        if not len(signs):
            return nothing
        frame = frames[index]
        if frame.shape != first.shape:
            return nothing
        stays = signs * (frame[at].astype(np.int32) - _medians(frame, at)) > threshold
        at, signs = tuple(axis[stays] for axis in at), signs[stays]
    if len(signs) > MOST_SHARE * first.size:
        return nothing
    places = np.zeros(first.shape, bool)
    places[at] = True
    return HotPixels(places)


def _motion(warps: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """Returns how far the scene moves over each pixel of the first frame, (H, W) float32: the largest shift to a frame,
    found at a few places and interpolated."""
    height, width = shape
    columns, rows = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.column_stack([columns.ravel(), rows.ravel()])
    scene = transform_points(np.linalg.inv(warps[0]), points)
    shifts = [np.hypot(*(transform_points(warp, scene) - points).T) for warp in warps]
    largest = np.max(shifts, axis=0).reshape(9, 9).astype(np.float32)
    return cv2.resize(largest, (width, height), interpolation=cv2.INTER_LINEAR)


def _medians(frame: np.ndarray, at: tuple[np.ndarray, ...]) -> np.ndarray:
    """Returns the median around samples at some places, (N,) int32."""
    if _MANY * len(at[0]) > frame.size:
        return cv2.medianBlur(frame, _SIDE)[at].astype(np.int32)
    reach = _SIDE // 2
    rows, columns, *channels = at
    around = [
        frame[
            (
                np.clip(rows + down, 0, frame.shape[0] - 1),
                np.clip(columns + across, 0, frame.shape[1] - 1),
                *channels,
            )
        ]
        for down in range(-reach, reach + 1)
        for across in range(-reach, reach + 1)
    ]
    return np.median(around, axis=0).astype(np.int32)
