"""Averages a noisy stack: a stack is a burst, too.

Where a frame differs from the fused image by no more than noise gives, both show the same, and their mean has less
noise than any frame. The noise is measured on differences of frames that follow each other, by brightness and where
both are flat: a high-pass of one frame sees little of it after JPEG has taken the finest noise away.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.pixels import per_level, quantize, to_gray

AVERAGE = ("auto", "none")
"""Whether a stack is averaged: where it is noisy (the default), or never."""

NOISY = 3.0
"""Standard deviation of the noise, in gray levels, from which a stack is averaged."""

SIGMA = 1.5
"""Standard deviation in pixels of the Gaussian that averages squared differences."""

AGREEMENT, FALLOFF = 1.1, 0.15
"""How much of the expected difference counts in full, and how fast the weight falls beyond."""

TILES, TILE = 4, 256
"""The noise is measured in so many tiles a side, of so many pixels."""

LEVELS = np.linspace(0, 255, 9)
"""Edges of the ranges of brightness in which noise is measured."""

COARSE = 3.0
"""Standard deviation in pixels of the Gaussian beyond which a difference is of brightness, and detail is structure."""

STRUCTURE = 0.12
"""Largest curvature, after that Gaussian, of flat pixels as a share of the noise: white noise has 0.02, noise after
JPEG up to 0.1; where it is more, detail differs in focus."""

FLAT_TILES = 0.5
"""Share of the tiles in which noise must be found: in a few, motion looks like it."""

FLAT, LEAST_PIXELS = 0.3, 500
"""Share of the pixels that count as flat, and how many a range of brightness needs."""


class NoiseCurve:
    """Measures what noise alone gives as the squared difference of two frames, by brightness; frame by frame."""

    def __init__(self) -> None:
        self._before: list[np.ndarray] = []
        self._found: list[list[float]] = [[] for _ in LEVELS[1:]]
        self._compared = self._flat = 0  # tiles of two frames

    def add(self, gray: np.ndarray) -> None:
        """Adds the next frame, (H, W) float32, gray levels of 0..255."""
        tiles = [gray[window].copy() for window in _tiles(gray.shape)]
        for before, now in zip(self._before, tiles, strict=False):
            self._compare(before, now)
        self._before = tiles

    @property
    def noise(self) -> float:
        """The standard deviation of the noise of a frame, in gray levels; 0 where it could not be measured."""
        values = [value for found in self._found for value in found]
        return float(np.sqrt(np.median(values) / 2)) if self._flat > FLAT_TILES * self._compared else 0.0

    def __call__(self, gray: np.ndarray) -> np.ndarray:
        """Returns the expected squared difference of two noisy frames at gray levels, (H, W) float32."""
        centers = (LEVELS[:-1] + LEVELS[1:]) / 2
        known = [index for index, found in enumerate(self._found) if found]
        values = [float(np.median(self._found[index])) for index in known]
        return np.interp(gray, centers[known], values).astype(np.float32)

    def _compare(self, one: np.ndarray, other: np.ndarray) -> None:
        delta = one - other
        difference = _smooth(np.square(delta - cv2.GaussianBlur(delta, (0, 0), COARSE)))
        brightness = cv2.GaussianBlur(one, (0, 0), 2)
        busy = sum(
            cv2.GaussianBlur(np.abs(cv2.Laplacian(cv2.GaussianBlur(image, (0, 0), COARSE), cv2.CV_32F)), (0, 0), 6)
            for image in (one, other)
        )
        flat = busy < np.quantile(busy, FLAT)
        before = sum(map(len, self._found))
        for found, low, high in zip(self._found, LEVELS[:-1], LEVELS[1:], strict=True):
            chosen = flat & (brightness >= low) & (brightness < high)
            if np.count_nonzero(chosen) <= LEAST_PIXELS:
                continue
            squared = float(np.median(difference[chosen]))
            if float(np.median(busy[chosen])) < STRUCTURE * np.sqrt(squared / 2):
                found.append(squared)
        self._compared += 1
        self._flat += sum(map(len, self._found)) > before


def average(images: Sequence[np.ndarray], fused: np.ndarray, noise: NoiseCurve) -> np.ndarray:
    """Averages the fused image with what frames show of the same.

    Args:
        images: The frames, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        fused: The fused image, of their shape and type.
        noise: Of the frames.

    Returns:
        An image of that shape and type.
    """
    unit = np.float32(per_level(fused.dtype))
    total = fused.astype(np.float32)
    weights = np.ones(fused.shape[:2], np.float32)
    expected = noise(cv2.GaussianBlur(to_gray(fused) / unit, (0, 0), SIGMA))
    reference = to_gray(fused) / unit
    for image in images:
        difference = _smooth(np.square(to_gray(image) / unit - reference)) / np.maximum(expected, 1e-3)
        weight = np.exp(-np.maximum(0, difference - AGREEMENT) / FALLOFF)
        same = image == fused
        own = (same.all(-1) if same.ndim == 3 else same).astype(np.float32)
        weight *= 1 - cv2.GaussianBlur(own, (0, 0), 0.8)  # what is in the fused image already
        total += image * weight.reshape(weight.shape + (1,) * (image.ndim - 2))
        weights += weight
    total /= weights.reshape(weights.shape + (1,) * (fused.ndim - 2))
    return quantize(total, fused.dtype)


def _smooth(values: np.ndarray) -> np.ndarray:
    return cv2.GaussianBlur(values, (0, 0), SIGMA)


def _tiles(shape: Sequence[int]) -> list[Window]:
    """Returns tiles spread over an image, without overlap."""
    spans = []
    for side in shape[:2]:
        count = min(TILES, max(1, side // TILE))
        starts = np.linspace(0, max(0, side - TILE), count).astype(int)
        spans.append([slice(start, min(side, start + TILE)) for start in starts])
    return [(rows, columns) for rows in spans[0] for columns in spans[1]]
