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

TOGETHER = 4
"""How many times larger than `LARGEST` a region may be that is several lights: not a sky behind leaves."""

CORE = 4
"""Pixels: the least area of a core, by which lights whose blurred discs touch are told apart."""

LEVELS = 8
"""How many numbers of frames are tried in search of the cores."""


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
        self._found: tuple[np.ndarray, np.ndarray] | None = None  # see `_lights`

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
        lights, small = self._lights()
        return small[lights]

    def assign(self, decision_map: np.ndarray) -> None:
        """Gives each light to the frame that shows it smallest; changes `decision_map`, (H, W)."""
        if not self._any.any():
            return
        lights, small = self._lights()
        count, inside = small.size, np.flatnonzero(lights)
        numbers = lights.ravel()[inside]
        areas, rims = np.zeros((2, len(self._frames), count))
        for index, frame in enumerate(self._frames):
            clipped = np.unpackbits(frame.clipped, count=decision_map.size).view(bool)[inside]
            areas[index] = np.bincount(numbers[clipped], minlength=count)
            found = lights.ravel()[frame.rim]
            steepness = np.bincount(found, frame.steepness, count)
            rims[index] = steepness / np.maximum(np.bincount(found, minlength=count), 1)
        is_light = small & (np.sum(areas > 0, axis=0) > 1)
        able = (areas > 0) & (rims >= STEEP * rims.max(axis=0))
        smallest = np.where(able, areas, np.inf).argmin(axis=0)
        chosen = is_light[numbers]
        decision_map.ravel()[inside[chosen]] = smallest[numbers[chosen]]

    def _lights(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns the number of each light, (H, W), 0 outside the region, and which of them are small.

        Lights whose blurred discs touch are one connected part of the region. Each has a core that is clipped in more
        frames than what lies around it: the cores are the parts that are clipped in a number of frames or more, by the
        number that makes the most of them, and what lies around goes to the nearest.
        """
        if self._found is None and not self._any.any():
            self._found = np.zeros(self._any.shape, np.int32), np.zeros(1, bool)
        if self._found is None:
            count, regions = cv2.connectedComponents(self.region().view(np.uint8))
            inside = np.flatnonzero(regions)
            of_pixel = regions.ravel()[inside].astype(np.int64)
            cores = self._cores(of_pixel, inside, count)
            if cores.any():
                several = np.zeros(count, bool)
                several[of_pixel[cores]] = True
                ground = np.ones(regions.shape, np.uint8)
                ground.ravel()[inside[cores]] = 0
                _, nearest = cv2.distanceTransformWithLabels(ground, cv2.DIST_L2, 5)
                of_pixel += count * np.where(several[of_pixel], nearest.ravel()[inside], 0)
            found, numbers = np.unique(of_pixel, return_inverse=True)
            regions.ravel()[inside] = 1 + numbers
            small = np.bincount(1 + numbers, minlength=1 + found.size) <= LARGEST * regions.size
            small[0] = False  # what is clipped in no frame
            self._found = regions, small
        return self._found

    def _cores(self, region: np.ndarray, inside: np.ndarray, count: int) -> np.ndarray:
        """Finds the cores of the lights of those regions that have several.

        Args:
            region: (P,), the number of the region of each pixel that lies in one.
            inside: (P,), the places of these pixels in the flattened image.
            count: Regions, with the number 0, which is none.

        Returns:
            (P,) bool.
        """
        times = np.zeros(inside.size, np.uint16)
        for frame in self._frames:
            times += np.unpackbits(frame.clipped, count=self._any.size)[inside]
        together = (np.bincount(region, minlength=count) <= TOGETHER * LARGEST * self._any.size)[region]
        most, cores = np.ones(count, np.intp), np.zeros(inside.size, bool)
        for level in np.unique(np.linspace(1, len(self._frames), LEVELS).astype(int)):
            often = np.zeros(self._any.shape, np.uint8)
            often.ravel()[inside] = times >= level
            parts_count, parts, statistics, _ = cv2.connectedComponentsWithStats(often)
            part = parts.ravel()[inside]
            large = statistics[:, cv2.CC_STAT_AREA] >= CORE
            large[0] = False
            of_part = np.zeros(parts_count, np.intp)
            of_part[part] = region  # a part lies in one region
            found = np.bincount(of_part[large], minlength=count)
            better = (found > most)[region] & together
            cores[better] = large[part[better]]
            most = np.maximum(most, found)
        return cores


def _difference(gray: np.ndarray, rows: np.ndarray, columns: np.ndarray, axis: int) -> np.ndarray:
    """Returns half the difference of both neighbors of pixels along an axis."""
    last = gray.shape[axis] - 1
    if axis == 0:
        return (gray[np.minimum(rows + 1, last), columns] - gray[np.maximum(rows - 1, 0), columns]) / 2
    return (gray[rows, np.minimum(columns + 1, last)] - gray[rows, np.maximum(columns - 1, 0)]) / 2
