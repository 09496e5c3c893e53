"""Dust on the sensor: spots that a blank shot shows, made as bright in all frames as what surrounds them.

Dust takes the same share of the light at the same place of the sensor. In a stack that moves, its spots would form
trails. What a photograph of something blank lacks there is multiplied again; the share of light is a factor of the
stored values as well, since their curve is a power.
"""

import os
from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import median_filter

from data.imaging.pixels import quantize, to_gray
from data.io.image_io import read_image
from data.runtime.errors import InputError

LEAST_LOSS = 0.03
"""Share of the value by which a spot is darker than its surroundings."""

MOST_GAIN = 4.0
"""Largest factor: of what is darker nothing is left but noise."""

MOST_SHARE = 0.05
"""Largest share of the pixels in spots; more is no blank shot."""

NOISE_SIGMA = 1.0
"""Standard deviation in pixels of the Gaussian that removes the noise of the blank shot."""

_GROUND_SIDE, _GROUND_WINDOW = 256, 31
"""The surroundings of spots are a median in a picture of this longer side, in windows of so many pixels."""

_RIM = 7
"""Side in pixels by which spots are widened, so that their soft rims are corrected as well."""


class DustMap:
    """Spots of a sensor.

    Args:
        blank: (H, W, 3) RGB or (H, W) gray, a photograph of something blank, out of focus.

    Raises:
        InputError: It shows more than spots.
    """

    def __init__(self, blank: np.ndarray):
        smooth = cv2.GaussianBlur(to_gray(blank), (0, 0), NOISE_SIGMA)
        height, width = smooth.shape
        scale = min(1.0, _GROUND_SIDE / max(height, width))
        size = max(1, round(width * scale)), max(1, round(height * scale))
        small = cv2.resize(smooth, size, interpolation=cv2.INTER_AREA)
        ground = median_filter(small, _GROUND_WINDOW)
        ground = cv2.resize(ground, (width, height), interpolation=cv2.INTER_CUBIC)
        gain = np.clip(ground / np.maximum(smooth, 1e-3 * ground.max() + 1e-6), 1, MOST_GAIN)
        spots = (gain > 1 / (1 - LEAST_LOSS)).astype(np.uint8)
        if spots.mean() > MOST_SHARE:
            raise InputError("it shows more than dust; photograph something blank, such as a white wall out of focus.")
        self._shape = smooth.shape
        self._places = np.nonzero(cv2.dilate(spots, np.ones((_RIM, _RIM), np.uint8)))
        self._gains = gain[self._places]

    @classmethod
    def read(cls, path: str | os.PathLike) -> "DustMap":
        """Reads a blank shot.

        Raises:
            InputError: It cannot be read, or shows more than spots.
        """
        blank = read_image(path, alpha="drop")
        try:
            return cls(blank)
        except InputError as problem:
            raise InputError(f"cannot use {path} as a map of dust: {problem}") from None

    def __len__(self) -> int:
        return len(self._gains)

    def remove(self, frame: np.ndarray) -> np.ndarray:
        """Returns a frame of the same sensor, uint8 or uint16, without the spots.

        Raises:
            InputError: It has another size.
        """
        if frame.shape[:2] != self._shape:
            mine, its = (f"{shape[1]}x{shape[0]}" for shape in (self._shape, frame.shape))
            raise InputError(f"the map of dust is {mine} pixels but the images are {its}; both must be of one camera.")
        cleaned = frame.copy()
        gains = self._gains.reshape(-1, *(1,) * (frame.ndim - 2))
        cleaned[self._places] = quantize(frame[self._places] * gains, frame.dtype)
        return cleaned


class WithoutDust(Sequence[np.ndarray]):
    """Frames without the spots of a sensor.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        dust: The spots.
    """

    def __init__(self, frames: Sequence[np.ndarray], dust: DustMap):
        self._frames, self._dust = frames, dust

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override] # a slice would hold all of them
        return self._dust.remove(self._frames[index])
