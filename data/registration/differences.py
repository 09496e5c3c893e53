"""Whether two frames show the same thing once one is laid on the other, however blurred."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np

CELLS = 24
"""Cells along the longer side in which mean brightness is compared; they are wider than defocus between neighbors."""

LEAST_CONTRAST = 12.0
"""Gray levels by which cells differ at least where something else is shown."""

RELATIVE_CONTRAST = 0.25
"""The same in proportion to the range of brightness, from its 5th to its 95th percentile."""

LARGEST_GAIN = 2.0
"""Brightness by which frames of one stack may differ."""


@dataclass(frozen=True)
class Difference:
    """Where two frames differ.

    Attributes:
        share: Of the cells that both frames cover; 1 where they cover less than half of the reference.
        center: (x, y) in proportion to width and height: the middle of what differs.
    """

    LARGEST: ClassVar[float] = 0.15
    """Share from which frames do not show the same thing."""

    share: float
    center: tuple[float, float]


def compare(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> Difference:
    """Compares two gray views, (H, W) and (H2, W2) float32, 0..255, the second laid on the first by a warp."""
    height, width = first.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(second, warp[:2], (width, height), flags=flags, borderMode=cv2.BORDER_CONSTANT)
    covered = cv2.warpAffine(np.ones_like(second), warp[:2], (width, height), flags=flags)
    scale = CELLS / max(height, width)
    size = tuple(max(1, round(side * scale)) for side in (width, height))
    here, there, known = (
        cv2.resize(view, size, interpolation=cv2.INTER_AREA) for view in (first * covered, laid, covered)
    )
    shown = known > 0.5
    if shown.mean() < 0.5:
        return Difference(1.0, (0.5, 0.5))
    here, there = here[shown] / known[shown], there[shown] / known[shown]
    gain = np.clip(np.median((here + 1) / (there + 1)), 1 / LARGEST_GAIN, LARGEST_GAIN)
    low, high = np.percentile(here, (5, 95))
    differs = np.abs(here - gain * there) > max(LEAST_CONTRAST, RELATIVE_CONTRAST * (high - low))
    rows, columns = (axis[differs] for axis in np.nonzero(shown))
    center = (0.5, 0.5) if not differs.any() else ((columns.mean() + 0.5) / size[0], (rows.mean() + 0.5) / size[1])
    return Difference(float(differs.mean()), center)
