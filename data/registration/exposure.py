"""Correction of brightness between frames (flicker, exposure, vignetting), measured where both are equally blurred."""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from data.imaging.pixels import per_level, quantize

CELLS = 32
"""Cells along the longer side whose mean and contrast are compared."""

MINIMUM_CELL_SIDE = 8
"""Pixels: blur moves too much light across the borders of smaller cells."""

MEASURED_SIDE = 1024
"""Pixels: contrast is measured on frames averaged over whole pixels such that the longest side is about this."""

GAMMA = 2.2
"""Exponent from pixel values to linear light: blur preserves the mean of light, not of pixel values."""

EQUAL_CONTRAST = 6.0
"""Gray levels: a cell whose contrast differs by this between two frames has half the weight."""

DARKEST, BRIGHTEST = 4.0, 250.0
"""Gray levels: cells outside this range are not measured, since they may be clipped."""

MINIMUM_CELLS = 24
"""Smallest number of cells per channel that a correction is measured from."""

NOTICED_DIFFERENCE = 1.0
"""Gray levels (root mean square over the frame): smallest correction that is applied if both frames are equally
blurred; divided by the share of cells that are, where that is lower."""

NOTICED_RESIDUALS = 0.5
"""The same in units of the cells' median residual, which is large if everything is unequally blurred."""

TONE_LEVEL = 128.0
"""Gray level that a tone curve does not change."""

MINIMUM_TONE = 0.05
"""Smallest exponent that counts as a tone curve: blur alone looks like a small one."""

TONE_RESIDUALS = 0.85
"""Factor by which a tone curve must reduce the residuals."""

MAXIMUM_TONE = 0.25
"""Largest exponent of a plausible tone curve: beyond, blur of thin structures may have been measured, and only gains
are corrected."""

LEAST_IMPROVEMENT = 0.7
"""Factor by which gains alone must reduce the residuals to be corrected where a tone curve is not plausible."""

TONE_SHARE, TONE_SHARE_OF_PAIRS = 0.5, 0.25
"""Smallest share of equally blurred cells with which a tone curve is plausible, in a stack and in a pair."""

_POWERS = ((1, 0), (0, 1), (2, 0), (1, 1), (0, 2))
"""Powers of x and y in the terms of the field; both go from -1 to 1 across the frame."""


@dataclass(frozen=True)
class ExposureCorrection:
    """Matches a frame's brightness to the reference: multiplies its values by a gain per channel, a smooth field and a
    power of themselves.

    Attributes:
        gains: (C,) float64, the gain of each channel.
        field: (5,) float64, coefficients of the logarithm of the field (`_POWERS`): the difference in vignetting.
        tone: Exponent of the power, whose base is 1 at `TONE_LEVEL`: the difference in tone curve; mostly 0.
        matched: Whether it leaves no difference that was measured.
    """

    gains: np.ndarray
    field: np.ndarray
    tone: float = 0.0
    matched: bool = True

    @property
    def is_nothing(self) -> bool:
        """Whether it changes no pixel."""
        return bool(np.all(self.gains == 1) and not self.field.any() and not self.tone)

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Corrects an image warped to the reference, (H, W, 3) RGB or (H, W) gray, uint8 or uint16."""
        height, width = image.shape[:2]
        field = np.exp(_field_terms((width, height)) @ self.field).reshape(height, width).astype(np.float32)
        corrected = np.empty_like(image)
        for channel, gain in enumerate(self.gains):
            plane, target = (image[..., channel], corrected[..., channel]) if image.ndim == 3 else (image, corrected)
            values = plane * (field * np.float32(gain))
            if self.tone:
                lit = np.maximum(plane, 1)  # black stays black, also with a negative exponent
                values *= (lit / np.float32(TONE_LEVEL * per_level(image.dtype))) ** np.float32(self.tone)
            target[:] = quantize(values, image.dtype)
        return corrected


@dataclass(frozen=True)
class _Cells:
    """Measurements of the cells of a frame.

    Attributes:
        means: (N, C), the gray level of the mean light of each cell and channel.
        contrasts: (N, C), the standard deviation of its gray levels.
        covered: (N,) bool, whether the frame covers the cell.
    """

    means: np.ndarray
    contrasts: np.ndarray
    covered: np.ndarray


def measure_exposure(
    frames: Iterable[tuple[np.ndarray, np.ndarray]], reference: int
) -> tuple[ExposureCorrection | None, ...]:
    """Measures how the brightness of each frame differs from the reference's.

    A gain per channel and a smooth field are fitted robustly to the means of cells; the weight of a cell falls with the
    difference of its contrast, and so of its blur, between the frames.

    Args:
        frames: Frames warped to the reference and their coverage, see `warp_to_reference`; iterated once.
        reference: Index of the frame whose brightness is kept.

    Returns:
        The correction of each frame; None where it would be negligible or cannot be measured. One that is not `matched`
        corrects what gains can, which may be nothing.
    """
    cells, size = [], (0, 0)
    for image, covered in frames:
        measured, size = _measure(image, covered)
        cells.append(measured)
    terms, tone_share = _field_terms(size), TONE_SHARE if len(cells) > 2 else TONE_SHARE_OF_PAIRS
    return tuple(
        None if index == reference else _fit(frame, cells[reference], terms, tone_share)
        for index, frame in enumerate(cells)
    )


def _measure(image: np.ndarray, covered: np.ndarray) -> tuple[_Cells, tuple[int, int]]:
    height, width = image.shape[:2]
    scale = min(CELLS / max(height, width), 1 / MINIMUM_CELL_SIDE)
    columns, rows = (max(1, min(side, round(side * scale))) for side in (width, height))
    factor = max(1, round(max(height, width) / MEASURED_SIDE))
    reduced = (max(1, width // factor), max(1, height // factor))
    view = cv2.resize(image, reduced, interpolation=cv2.INTER_AREA).astype(np.float32) / per_level(image.dtype)
    light, mean, square = (
        cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA).reshape(rows * columns, -1).astype(np.float64)
        for values in (cv2.pow(view, GAMMA), view, view * view)
    )
    known = cv2.resize(covered.astype(np.float32), (columns, rows), interpolation=cv2.INTER_AREA)
    contrast = np.sqrt(np.maximum(0, square - mean**2))
    return _Cells(light ** (1 / GAMMA), contrast, known.ravel() > 0.999), (columns, rows)


def _field_terms(size: tuple[int, int]) -> np.ndarray:
    """Returns the powers of x and y at the centers of cells, (N, 5); `size` is (columns, rows)."""
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
    if len(cell) < MINIMUM_CELLS * channels:
        return None
    here, there = frame.means[usable], reference.means[usable]
    level = (here + there) / 2
    unequal = (frame.contrasts - reference.contrasts)[usable] / EQUAL_CONTRAST
    target = np.log(there / here)
    design = np.hstack([np.eye(channels)[channel], terms[cell], np.log(here / TONE_LEVEL)[:, None]])
    solution, residuals = _solve(design[:, :-1], target, level, unequal)
    with_tone, smaller = _solve(design, target, level, unequal)
    share = np.mean(1 / (1 + unequal**2))  # equally blurred cells: if they are few, blur may look like brightness
    if abs(with_tone[-1]) > MINIMUM_TONE and _rms(smaller, unequal) < TONE_RESIDUALS * _rms(residuals, unequal):
        if share < tone_share or abs(with_tone[-1]) > MAXIMUM_TONE:
            return _fit_gains(design[:, :channels], target, level, unequal)
        solution, residuals = with_tone, smaller
    else:
        solution = np.append(solution, 0.0)
    change = np.sqrt(np.mean((here * np.expm1(design @ solution)) ** 2))
    if change < max(NOTICED_DIFFERENCE / share, NOTICED_RESIDUALS * float(np.median(residuals))):
        return None
    return ExposureCorrection(np.exp(solution[:channels]), solution[channels:-1], float(solution[-1]))


def _fit_gains(design: np.ndarray, target: np.ndarray, level: np.ndarray, unequal: np.ndarray) -> ExposureCorrection:
    """Corrects what gains explain of a difference that is more than that; says that it is not matched."""
    gains, residuals = _solve(design, target, level, unequal)
    before = _rms(level * np.abs(target), unequal)
    if _rms(residuals, unequal) > LEAST_IMPROVEMENT * before:
        gains = np.zeros_like(gains)
    return ExposureCorrection(np.exp(gains), np.zeros(len(_POWERS)), 0.0, matched=False)


def _solve(
    design: np.ndarray, target: np.ndarray, level: np.ndarray, unequal: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solves robust least squares; returns the solution, and the absolute residual of each cell in gray levels."""
    # The square of this weight times a logarithm of light is a difference of light, whose mean does not depend on blur.
    # With other powers it does, since sharp cells are brighter and darker than blurred ones.
    equal = level ** (GAMMA / 2) / np.sqrt(1 + unequal**2)
    weights = equal
    for _ in range(10):
        solution = np.linalg.lstsq(design * weights[:, None], target * weights, rcond=None)[0]
        residuals = level * np.abs(design @ solution - target)
        scale = max(0.25, 1.5 * float(np.median(residuals)))
        weights = equal / (1 + (residuals / (2 * scale)) ** 2)
    return solution, residuals


def _rms(residuals: np.ndarray, unequal: np.ndarray) -> float:
    """Returns the root mean square of residuals, outliers clipped, weighted by how equally blurred each cell is."""
    weights = 1 / (1 + unequal**2)
    return float(np.sqrt(np.average(np.minimum(residuals, 7.5 * np.median(residuals)) ** 2, weights=weights)))
