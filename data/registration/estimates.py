"""First estimates of the motion between two views, three ways, and patterns that mislead them."""

import cv2
import numpy as np

from data.registration.affine import rescale_warp
from data.registration.views import COARSE_SIGMA, band_pass

MINIMUM_POINTS = 12
"""Smallest number of points that a motion is measured from."""

MINIMUM_SIDE = 16
"""Pixels: the motion of a view whose shorter side is reduced below this cannot be measured."""

COARSE_SIDES = (256, 512)
"""Pixels: the longest sides at which the correlation is maximized before points are tracked."""

REPEATED = 0.8
"""Correlation of a view with itself, shifted by more than `REPEATED_SHIFT`, from which its pattern repeats."""

REPEATED_SHIFT, REPEATED_SIDE = 4, 256
"""Pixels: smallest shift, and longest side of the views, with which repetition is looked for."""


def maximize_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Maximizes the enhanced correlation coefficient; returns an affine motion, (3, 3) float64, None without one."""
    warp = np.eye(3)
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 60, 1e-4)
    for side in COARSE_SIDES:
        scale = min(1.0, side / max(first.shape))
        if scale * min(*first.shape, *second.shape) < MINIMUM_SIDE:
            return None
        reduced, other = (_resize(view, scale) for view in (first, second))
        start = rescale_warp(warp, scale)[:2].astype(np.float32)
        try:
            _, found = cv2.findTransformECC(reduced, other, start, cv2.MOTION_AFFINE, criteria, None, 5)
        except cv2.error:  # it did not converge
            return None
        warp = rescale_warp(np.vstack([found, [0, 0, 1]]).astype(np.float64), 1 / scale)
    return warp


def match_features(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Matches SIFT features; returns a similarity, (3, 3) float64, or None without enough of them."""
    detector = cv2.SIFT.create(2000)
    found = [
        detector.detectAndCompute(np.clip(np.rint(view), 0, 255).astype(np.uint8), None) for view in (first, second)
    ]
    if any(len(points) < MINIMUM_POINTS for points, _ in found):
        return None
    (points, descriptors), (other_points, other_descriptors) = found
    matches = cv2.BFMatcher().knnMatch(descriptors, other_descriptors, k=2)
    clear = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance]
    if len(clear) < MINIMUM_POINTS:
        return None
    sources = np.array([points[match.queryIdx].pt for match in clear], np.float32)
    targets = np.array([other_points[match.trainIdx].pt for match in clear], np.float32)
    warp, inliers = cv2.estimateAffinePartial2D(sources, targets, method=cv2.RANSAC, ransacReprojThreshold=3.0)
    if warp is None or int(inliers.sum()) < MINIMUM_POINTS:
        return None
    return np.vstack([warp, [0, 0, 1]])


def match_shift(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Finds the shift with which the middle of the first view correlates best with the second; see `find_shift`."""
    if first.shape != second.shape or min(first.shape) < MINIMUM_SIDE:
        return None
    return find_shift(first, second)[0]


def find_shift(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, float, float]:
    """Finds the shift with which the middle of a view correlates best with another of its size.

    Args:
        first: (H, W) float32 gray.
        second: (H, W) float32 gray.

    Returns:
        The shift, (3, 3) float64; its correlation, band-passed; and that of no shift.
    """
    matched, (top, left) = _match_middle(band_pass(first), band_pass(second))
    _, best, _, (column, row) = cv2.minMaxLoc(matched)
    shift = np.array([[1, 0, column - left], [0, 1, row - top], [0, 0, 1]], np.float64)
    return shift, best, float(matched[top, left])


def repeats(view: np.ndarray) -> bool:
    """Returns whether a view correlates with itself at another place."""
    scale = min(1.0, REPEATED_SIDE / max(view.shape))
    if scale * min(view.shape) < MINIMUM_SIDE:
        return False
    small = _resize(view, scale)
    band = small - cv2.GaussianBlur(small, (0, 0), max(1.0, COARSE_SIGMA * scale))
    matched, (top, left) = _match_middle(band, band)
    rows, columns = (slice(max(0, place - REPEATED_SHIFT), place + REPEATED_SHIFT + 1) for place in (top, left))
    matched[rows, columns] = -1
    return bool(matched.max() > REPEATED)


def _match_middle(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Correlates the middle of a view with each place of another; the place of no shift, (row, column), as well."""
    top, left = one.shape[0] // 4, one.shape[1] // 4
    middle = one[top : top + one.shape[0] // 2, left : left + one.shape[1] // 2]
    return cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED), (top, left)


def _resize(view: np.ndarray, scale: float) -> np.ndarray:
    smooth = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else view
    return cv2.GaussianBlur(smooth, (0, 0), 1.0)
