"""Brightness that differs from frame to frame (flicker, exposure, vignetting): measured on what is equally blurred."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from data.imaging.pixels import per_level, quantize

CELLS = 32
"""Cells along the longer side, of which mean and contrast are compared."""

SMALLEST_CELL = 8
"""Pixels a side: blur moves light over the borders of smaller ones."""

MEASURED_SIDE = 1024
"""Pixels: contrast is measured on frames averaged over whole pixels such that the longest side is about this."""

GAMMA = 2.2
"""Exponent that makes light of pixel values: blur keeps the mean of light, not of pixel values."""

EQUAL_CONTRAST = 6.0
"""Gray levels by which the contrast of a cell may differ between frames before it counts half."""

DARKEST, BRIGHTEST = 4.0, 250.0
"""Gray levels: cells beyond are not measured, they may be clipped."""

FEWEST_CELLS = 24
"""Cells for each channel that a correction is measured from at least."""

NOTICED_DIFFERENCE = 1.0
"""Gray levels (root mean square over the frame) that a correction changes at least where both frames are equally
blurred; more in proportion where they are not. A smaller one is none."""

CERTAINTY = 0.5
"""The same in proportion to the median residual of the cells, which is large where everything is unequally blurred."""

TONE_LEVEL = 128.0
"""Gray level that a tone curve leaves as it is."""

LEAST_TONE, TONE_GAIN = 0.05, 0.85
"""Exponent of a tone curve from which there seems to be one, if it also brings the residuals below this part of those
without: blur alone seems to be a small one."""

LARGEST_TONE, TONE_SHARE, TONE_SHARE_OF_PAIRS = 0.15, 0.5, 0.25
"""Largest exponent, and least share of what is equally blurred in a stack and in a pair, of a tone curve that is
believed. Else thin things between strong edges are differently blurred, and no brightness can be measured."""

_POWERS = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
"""Powers of x and y, each from -1 to 1 across the frame."""


@dataclass(frozen=True)
class ExposureCorrection:
    """Gives a frame the brightness of the reference: its values times the gain of their channel, a slow field and a
    power of themselves.

    Attributes:
        gains: (C,) float64, for each channel.
        field: (5,) float64, the logarithm of the field as coefficients of `_POWERS`: how vignetting differs.
        tone: Exponent of the power, whose base is 1 at `TONE_LEVEL`: how the tone curve differs; mostly 0.
    """

    gains: np.ndarray
    field: np.ndarray
    tone: float = 0.0

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Corrects (H, W, 3) RGB or (H, W) gray, uint8 or uint16, laid on the reference."""
        height, width = image.shape[:2]
        field = np.exp(_field_terms((width, height)) @ self.field).reshape(height, width).astype(np.float32)
        corrected = np.empty_like(image)
        for channel, gain in enumerate(self.gains):
            place = np.s_[..., channel] if image.ndim == 3 else np.s_[:]
            values = image[place] * (field * np.float32(gain))
            if self.tone:
                lit = np.maximum(image[place], 1)  # black stays black, also where the exponent is negative
                values *= (lit / np.float32(TONE_LEVEL * per_level(image.dtype))) ** np.float32(self.tone)
            corrected[place] = quantize(values, image.dtype)
        return corrected


@dataclass(frozen=True)
class _Cells:
    """Of each cell (N) and channel (C): the gray level of its mean light, and its contrast, the standard deviation of
    gray levels; of each cell, whether it is covered.
    """

    means: np.ndarray
    contrasts: np.ndarray
    covered: np.ndarray


def measure_exposure(
    laid: Iterable[tuple[np.ndarray, np.ndarray]], reference: int
) -> tuple[ExposureCorrection | None, ...]:
    """Measures how the brightness of each frame differs from the reference's.

    A gain for each channel and a slow field are fitted robustly to the means of cells; a cell counts
    the less the more its contrast, and so its blur, differs between the frames.

    Args:
        laid: Frames on the reference, and where they show something, as `lay` returns them; each is needed once.
        reference: Index of the frame whose brightness is kept.

    Returns:
        For each frame its correction, or None where it would change nothing worth it.
    """
    cells, size = [], (0, 0)
    for image, covered in laid:
        measured, size = _measure(image, covered)
        cells.append(measured)
    terms, tone_share = _field_terms(size), TONE_SHARE if len(cells) > 2 else TONE_SHARE_OF_PAIRS
    return tuple(
        None if index == reference else _fit(frame, cells[reference], terms, tone_share)
        for index, frame in enumerate(cells)
    )


def _measure(image: np.ndarray, covered: np.ndarray) -> tuple[_Cells, tuple[int, int]]:
    height, width = image.shape[:2]
    scale = min(CELLS / max(height, width), 1 / SMALLEST_CELL)
    size = tuple(max(1, min(side, round(side * scale))) for side in (width, height))
    factor = max(1, round(max(height, width) / MEASURED_SIDE))
    reduced = (max(1, width // factor), max(1, height // factor))
    view = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA).astype(np.float32) / per_level(image.dtype)
    light, mean, square = (
        cv2.resize(values, size, interpolation=cv2.INTER_AREA).reshape(size[0] * size[1], -1).astype(np.float64)
        for values in (view**GAMMA, view, view * view)
    )
    known = cv2.resize(covered.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    contrast = np.sqrt(np.maximum(0, square - mean**2))
    return _Cells(light ** (1 / GAMMA), contrast, known.ravel() > 0.999), size


def _field_terms(size: tuple[int, int]) -> np.ndarray:
    """(N, 5): the powers of x and y at the centers of cells."""
    x, y = ((np.arange(side) + 0.5) / side * 2 - 1 for side in size)
    return np.stack([np.multiply.outer(y**down, x**across).ravel() for across, down in _POWERS], axis=1)


def _fit(frame: _Cells, reference: _Cells, terms: np.ndarray, tone_share: float) -> ExposureCorrection | None:
    channels = frame.means.shape[1]
    usable = (
        (frame.covered & reference.covered)[:, None]
        & (np.minimum(frame.means, reference.means) > DARKEST)
        & (np.maximum(frame.means, reference.means) < BRIGHTEST)
    )
    cell, channel = np.nonzero(usable)
    if len(cell) < FEWEST_CELLS * channels:
        return None
    here, there = frame.means[usable], reference.means[usable]
    level = (here + there) / 2
    unequal = (frame.contrasts - reference.contrasts)[usable] / EQUAL_CONTRAST
    target = np.log(there / here)
    design = np.hstack([np.eye(channels)[channel], terms[cell], np.log(here / TONE_LEVEL)[:, None]])
    solution, residuals = _solve(design[:, :-1], target, level, unequal)
    with_tone, smaller = _solve(design, target, level, unequal)
    share = np.mean(1 / (1 + unequal**2))  # of what is equally blurred: where that is little, blur may seem brightness
    if abs(with_tone[-1]) > LEAST_TONE and _spread(smaller, unequal) < TONE_GAIN * _spread(residuals, unequal):
        if share < tone_share or abs(with_tone[-1]) > LARGEST_TONE:
            return None
        solution, residuals = with_tone, smaller
    else:
        solution = np.append(solution, 0.0)
    change = np.sqrt(np.mean((here * np.expm1(design @ solution)) ** 2))
    if change < max(NOTICED_DIFFERENCE / share, CERTAINTY * float(np.median(residuals))):
        return None
    return ExposureCorrection(np.exp(solution[:channels]), solution[channels:-1], float(solution[-1]))


def _solve(design, target, level, unequal):
    """Robust least squares: the solution, and how far each cell is from it, in gray levels."""
    # Squared and times a logarithm of light, this is a difference of light: its mean does not depend on blur, that of
    # other powers does, since sharp cells are brighter and darker than blurred ones.
    equal = level ** (GAMMA / 2) / np.sqrt(1 + unequal**2)
    weights = equal
    for _ in range(10):
        solution = np.linalg.lstsq(design * weights[:, None], target * weights, rcond=None)[0]
        residuals = level * np.abs(design @ solution - target)
        scale = max(0.25, 1.5 * float(np.median(residuals)))
        weights = equal / (1 + (residuals / (2 * scale)) ** 2)
    return solution, residuals


def _spread(residuals, unequal):
    """Root mean square of residuals, outliers clipped, by how equally blurred each cell is."""
    weights = 1 / (1 + unequal**2)
    return np.sqrt(np.average(np.minimum(residuals, 7.5 * np.median(residuals)) ** 2, weights=weights))
