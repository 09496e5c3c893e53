"""Comparison of frames: whether two show the same scene, however blurred, and whether one is made of the others."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.registration.views import band_pass
from data.registration.warping import warp_image

CELLS = 24
"""Cells along the longer side whose mean brightness is compared; they are wider than defocus between neighbors."""

LEAST_DIFFERENCE = 12.0
"""Gray levels by which a cell must differ to count as different content."""

RELATIVE_DIFFERENCE = 0.25
"""The same in proportion to the range of brightness, from its 5th to its 95th percentile."""

MAXIMUM_GAIN = 2.0
"""Factor by which the brightness of two frames of one stack may differ."""

SAME_STRUCTURE, LEAST_STRUCTURE = 0.5, 1.0
"""Correlation of the structure of two cells that hold the same, and gray levels (root mean square) that both show."""

MISMATCH_SHARE = 0.15
"""Share of differing cells from which two frames do not show the same scene."""

COMPOSITE_SHARE, AS_SHARP = 0.8, 0.7
"""Share of the cells with detail in which a frame must have so much of the energy of the sharpest other to be a
composite. No frame of the stacks that were looked at is one by this; fused images and truths among them are."""

FINE_CELLS = 60
"""Cells along the longer side in which detail is compared: in wider ones, things of several depths share a cell."""

LEAST_PART = 0.01
"""Share of the cells from which the part in which a frame is the sharpest counts; a composite is sharp in half of it
or so, in each."""

LEAST_DETAIL, LEAST_FRAMES = 4.0, 4
"""Squared gray levels of a cell that has detail, and the frames of a stack in which a composite is looked for."""


@dataclass(frozen=True)
class Difference:
    """How much two frames differ, and where.

    Attributes:
        share: Share of the cells covered by both frames that differ; 1 if less than half of the first is covered.
        center: (x, y) in proportion to width and height: the mean position of the cells that differ.
    """

    share: float
    center: tuple[float, float]


def compare(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> Difference:
    """Compares two gray views, (H, W) and (H2, W2) float32, 0..255, the second warped to the first.

    Cells of another brightness differ, unless so many do that the frames would not match: then those do not in which
    both show the same structure, since the light may have changed in a part of the scene.
    """
    height, width = first.shape
    warped, covered = (
        warp_image(view, warp, first.shape, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
        for view in (second, np.ones_like(second))
    )
    scale = CELLS / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    here, there, known = (
        cv2.resize(view, size, interpolation=cv2.INTER_AREA) for view in (first * covered, warped, covered)
    )
    shown = known > 0.5
    if shown.mean() < 0.5:
        return Difference(1.0, (0.5, 0.5))
    here, there = here[shown] / known[shown], there[shown] / known[shown]
    gain = np.clip(np.median((here + 1) / (there + 1)), 1 / MAXIMUM_GAIN, MAXIMUM_GAIN)
    low, high = np.percentile(here, (5, 95))
    differs = np.abs(here - gain * there) > max(LEAST_DIFFERENCE, RELATIVE_DIFFERENCE * (high - low))
    if differs.mean() >= MISMATCH_SHARE:
        differs &= ~_same_structure(first, warped, size)[shown]
    rows, columns = (axis[differs] for axis in np.nonzero(shown))
    center = (0.5, 0.5) if not differs.any() else ((columns.mean() + 0.5) / size[0], (rows.mean() + 0.5) / size[1])
    return Difference(float(differs.mean()), center)


def _same_structure(first: np.ndarray, second: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the cells, (rows, columns) bool, in which the band-passed views correlate; `size` is (columns, rows)."""
    one, other = band_pass(first), band_pass(second)
    shared, power, other_power = (
        cv2.resize(product, size, interpolation=cv2.INTER_AREA) for product in (one * other, one * one, other * other)
    )
    shown = np.minimum(power, other_power) > LEAST_STRUCTURE**2
    return shown & (shared > SAME_STRUCTURE * np.sqrt(power * other_power))


def find_composite(views: Sequence[np.ndarray]) -> int | None:
    """Finds a frame that is as sharp as the sharpest of the others nearly everywhere, as a composite of them is, which
    some cameras write beside them.

    Args:
        views: (H, W) float32 gray, 0..255, of one scene, roughly on each other.

    Returns:
        Its index; None if there is none.
    """
    if len(views) < LEAST_FRAMES:
        return None
    energies = np.array([_detail(view) for view in views])
    shown = energies.max(axis=0) > LEAST_DETAIL
    if not shown.any():
        return None
    composites = [index for index in range(len(views)) if _holds_all(energies[:, shown], index)]
    return composites[0] if len(composites) == 1 else None  # of several, none is made of the others


def _holds_all(energies: np.ndarray, index: int) -> bool:
    """Returns whether a frame is as sharp as the others, (N, cells), nearly everywhere, and where each of them is the
    sharpest."""
    others = np.delete(energies, index, axis=0)
    sharp = energies[index] >= AS_SHARP * others.max(axis=0)
    leaders = others.argmax(axis=0)
    led = [sharp[leaders == other] for other in range(len(others))]
    parts = [part.mean() for part in led if part.size >= LEAST_PART * sharp.size]
    return bool(sharp.mean() >= COMPOSITE_SHARE and len(parts) > 1 and min(parts) >= COMPOSITE_SHARE / 2)


def _detail(view: np.ndarray) -> np.ndarray:
    """Returns the energy of the finest detail in cells."""
    energy = np.square(cv2.Laplacian(cv2.GaussianBlur(view, (0, 0), 0.8), cv2.CV_32F))
    size = [max(1, round(side * FINE_CELLS / max(view.shape))) for side in view.shape[::-1]]
    return cv2.resize(energy, size, interpolation=cv2.INTER_AREA)
