"""Thin things that move by themselves, such as antennae: too thin for points on them to be tracked.

Neighboring frames of a stack differ little in focus: what one shows, the other shows as well, somewhat softer. A thin
thing that moved is there in one of them and not in the other, and in the other close by and not in the first.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from data.registration.affine import rescale_warp
from data.registration.views import band_pass
from data.registration.warping import warp_image

REDUCTION = 2
"""The views are looked at in a size smaller by this factor; all pixels below are of that size."""

FINE_SIGMA, COARSE_SIGMA = 1.25, 10.0
"""Pixels: standard deviations of the Gaussians between which structure lies that defocus between neighbors keeps."""

LEAST_CONTRAST, GONE = 5.0, 0.25
"""Gray levels of such structure that counts, and the share of it below which the other frame does not show it."""

REACH = 2
"""Pixels around a place in which the other frame may show it: errors of alignment and parallax."""

LEAST_LENGTH, LARGEST_SHIFT, LENGTH_RATIO = 14.0, 40.0, 2.0
"""Pixels: shortest such thing and the farthest that it moves; and the factor by which its length may change."""

LEAST_PAIRS, LEAST_SHARE = 4, 0.5
"""In how many pairs of neighbors it must be, and in what share of them: two depths that cross look alike in one."""

SMALLEST = 64
"""Pixels: shortest side of views in which such things are looked for."""

_BORDER = 13
"""Pixels at the border of what both show that are not looked at."""


def find_thin_motion(pairs: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> tuple[float, float] | None:
    """Looks for thin things that move from frame to frame.

    Args:
        pairs: Two neighboring views, (H, W) float32 gray, 0..255, and the warp, (3, 3), of the first to the second.

    Returns:
        (x, y) in proportion to width and height, where it is in the middle of the pairs; None if nothing is found.
    """
    places, count = [], 0
    for first, second, warp in pairs:
        count += 1
        found = _find(first, second, warp)
        if found is not None:
            places.append(found)
    if len(places) < max(LEAST_PAIRS, LEAST_SHARE * count):
        return None
    x, y = np.median(places, axis=0)
    return float(x), float(y)


def _find(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> np.ndarray | None:
    """Returns where a thin thing moved between two views, in proportion to width and height; None: nothing did."""
    scale = 1 / REDUCTION
    one, other = (cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for view in (first, second))
    warp = rescale_warp(warp, scale)
    covered = warp_image(np.ones_like(other), warp, one.shape, cv2.INTER_LINEAR, cv2.BORDER_CONSTANT)
    shown = cv2.erode((covered > 0.99).astype(np.uint8), np.ones((_BORDER, _BORDER), np.uint8)).view(bool)
    other = warp_image(other, warp, one.shape, cv2.INTER_LINEAR, cv2.BORDER_REPLICATE)
    bands = [band_pass(view, FINE_SIGMA, COARSE_SIGMA) for view in (one, other)]
    for sign in (1, -1):  # light things and dark ones
        here, there = sign * bands[0], sign * bands[1]
        for place, length in _things(_gone(here, there) & shown):
            for again, other_length in _things(_gone(there, here) & shown):
                alike = max(length, other_length) < LENGTH_RATIO * min(length, other_length)
                if alike and np.hypot(*(again - place)) < LARGEST_SHIFT:
                    return place / one.shape[::-1]
    return None


def _gone(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Returns where a band shows something light that another does not show nearby, (H, W) bool."""
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1, 2 * REACH + 1))
    return (here > LEAST_CONTRAST) & (cv2.dilate(there, disc) < GONE * here)


def _things(where: np.ndarray) -> list[tuple[np.ndarray, float]]:
    """Returns the centers, (2,), and lengths of the connected parts that are long enough."""
    count, _, statistics, centers = cv2.connectedComponentsWithStats(where.view(np.uint8))
    lengths = np.hypot(statistics[:, cv2.CC_STAT_WIDTH], statistics[:, cv2.CC_STAT_HEIGHT])
    return [(centers[index], float(lengths[index])) for index in range(1, count) if lengths[index] >= LEAST_LENGTH]
