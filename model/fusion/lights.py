"""Blown lights: of the discs that one clipped light leaves in several frames, the smallest is taken.

A light far brighter than white stays clipped when it is out of focus, and only grows. Its rim is as steep as an edge in
focus, so no measure of sharpness can decide. But light only spreads: the frame that shows the disc smallest, with a rim
about as steep as any frame's, has it in focus. Large clipped regions, a sky or a lamp, are decided like all others.
"""

from dataclasses import dataclass

import cv2
import numpy as np

MARGIN = 3
"""Pixels around a clipped region that its glow reaches."""

LARGEST = 0.005
"""Share of the image from which a clipped region is no light."""

STEEP = 0.9
"""Share of the steepest rim that the rim of the taken disc must have: light that is hardly clipped, as a gap between
leaves, shrinks when it is blurred, but its rim becomes soft."""


@dataclass(frozen=True)
class _Frame:
    """What is kept of a frame: its clipped pixels, packed, and the pixels of their rims with the steepness there."""

    clipped: np.ndarray
    rim: np.ndarray
    steepness: np.ndarray


class BlownLights:
    """Collects the clipped pixels of a stack, frame by frame.

    Args:
        shape: (H, W).
    """

    def __init__(self, shape: tuple[int, int]):
        self._any = np.zeros(shape, bool)
        self._frames: list[_Frame] = []

    def add(self, gray: np.ndarray, clipped: np.ndarray) -> None:
        """Adds the next frame.

        Args:
            gray: (H, W) float32, gray levels of 0..255.
            clipped: (H, W) bool, where a channel is as bright as can be.
        """
        rim, steepness = np.zeros(0, np.intp), np.zeros(0, np.float32)
        if clipped.any():
            self._any |= clipped
            around = cv2.morphologyEx(clipped.view(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
            rim = np.flatnonzero(around)
            rows, columns = np.divmod(rim, clipped.shape[1])
            steepness = np.hypot(*(_difference(gray, rows, columns, axis) for axis in (0, 1)))
        self._frames.append(_Frame(np.packbits(clipped), rim, steepness))

    def region(self) -> np.ndarray:
        """Returns where any frame is clipped, and the glow around it, (H, W) bool."""
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * MARGIN + 1, 2 * MARGIN + 1))
        return cv2.dilate(self._any.view(np.uint8), disc).view(bool)

    def compact(self) -> np.ndarray:
        """Returns the part of the region in which a rim may be that of a blurred light, (H, W) bool."""
        _, lights, statistics, _ = self._components()
        return self._small(statistics)[lights]

    def assign(self, decision_map: np.ndarray) -> None:
        """Gives each light to the frame that shows it smallest; changes `decision_map`, (H, W)."""
        if not self._any.any():
            return
        count, lights, statistics, _ = self._components()
        inside = np.flatnonzero(lights)
        numbers = lights.ravel()[inside]
        areas, rims = np.zeros((2, len(self._frames), count))
        for index, frame in enumerate(self._frames):
            clipped = np.unpackbits(frame.clipped, count=decision_map.size).view(bool)[inside]
            areas[index] = np.bincount(numbers[clipped], minlength=count)
            found = lights.ravel()[frame.rim]
            steepness = np.bincount(found, frame.steepness, count)
            rims[index] = steepness / np.maximum(np.bincount(found, minlength=count), 1)
        is_light = self._small(statistics) & (np.sum(areas > 0, axis=0) > 1)
        able = (areas > 0) & (rims >= STEEP * rims.max(axis=0))
        smallest = np.where(able, areas, np.inf).argmin(axis=0)
        chosen = is_light[numbers]
        decision_map.ravel()[inside[chosen]] = smallest[numbers[chosen]]

    def _components(self) -> tuple[int, np.ndarray, np.ndarray, np.ndarray]:
        return cv2.connectedComponentsWithStats(self.region().view(np.uint8))

    def _small(self, statistics: np.ndarray) -> np.ndarray:
        small = statistics[:, cv2.CC_STAT_AREA] <= LARGEST * self._any.size
        small[0] = False  # what is clipped in no frame
        return small


def _difference(gray: np.ndarray, rows: np.ndarray, columns: np.ndarray, axis: int) -> np.ndarray:
    """Returns half the difference of both neighbors of pixels along an axis."""
    last = gray.shape[axis] - 1
    if axis == 0:
        return (gray[np.minimum(rows + 1, last), columns] - gray[np.maximum(rows - 1, 0), columns]) / 2
    return (gray[rows, np.minimum(columns + 1, last)] - gray[rows, np.maximum(columns - 1, 0)]) / 2
