"""The motion between two frames, measured such that defocus does not matter, with its uncertainty."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.registration.affine import corners_of, fit_motion, transform_points
from data.registration.estimates import (
    MINIMUM_POINTS,
    find_shift,
    match_features,
    match_shift,
    maximize_correlation,
    repeats,
)
from data.registration.views import band_pass
from data.registration.warping import warp_image

TRACKING_WINDOW = 31
"""Pixels: side of the window that is tracked around a point."""

MAXIMUM_POINTS = 1000
"""Largest number of points that are tracked."""

MINIMUM_TEXTURE = 0.5
"""Gray levels: smallest root mean square of the band-passed view around a point that is tracked."""

MAXIMUM_RETURN_ERROR = 0.3
"""Pixels: largest error of a point that is tracked to the other view and back."""

INLIER_RESIDUAL = 1.5
"""Pixels: points whose residual is smaller count as following the motion."""

MINIMUM_INLIER_SHARE = 0.5
"""Share of the tracked points that must follow the motion. Parallax leaves fewer; then the views decide."""

MINIMUM_CORRELATION, CORRELATION_GAIN = 0.3, 0.1
"""Correlation of the band-passed views that a motion must reach which few points follow, and by how much it must exceed
that of no motion."""

BETTER_MATCH = 0.002
"""Correlation by which another shift of a repeated pattern must fit better to be taken."""

UNTRACKED_UNCERTAINTY = 4.0
"""Pixels: least uncertainty of a motion from which no point was tracked."""

SHIFT_PER_OCTAVE = 0.25
"""Pixels by which blur alone may shift the measured motion, for each doubling of sharpness between the views.

Measured on pairs of frames of the rendered stacks, which do not move; see docs/stacks.md.
"""

NO_POINTS = np.empty((0, 2))
"""Of a motion that was not found by tracking points."""


@dataclass(frozen=True)
class Motion:
    """The motion between two views.

    Attributes:
        warp: (3, 3) float64, (x, y, 1) of the first view to those of the second.
        uncertainty: Largest standard deviation of the four warped corners, in pixels.
        points: (N, 2) float64, tracked points in the first view.
        residuals: (N, 2) float64, tracked minus predicted position of each, in pixels of the second view.
    """

    warp: np.ndarray
    uncertainty: float
    points: np.ndarray
    residuals: np.ndarray

    @property
    def follows(self) -> np.ndarray:
        """Which of the points follow the motion, (N,) bool."""
        return np.hypot(*self.residuals.T) < INLIER_RESIDUAL

    @property
    def is_certain(self) -> bool:
        """Whether enough points follow it for the motion to be beyond doubt."""
        return int(self.follows.sum()) >= max(MINIMUM_POINTS, MINIMUM_INLIER_SHARE * len(self.points))


def measure_motion(first: np.ndarray, second: np.ndarray) -> Motion | None:
    """Measures the motion between two views of a scene, whatever parts of them are sharp.

    A first estimate comes from the enhanced correlation coefficient (Evangelidis & Psarakis, IEEE TPAMI 30(10), 2008)
    on small images, or if that fails from matched SIFT features (Lowe, IJCV 60(2), 2004), then from the shift of the
    middle with the highest normalized correlation. Points are tracked from there (Lucas & Kanade 1981, in pyramids),
    and a similarity or an affine motion is fitted to them robustly. Where a pattern repeats, the shift with the highest
    correlation is compared with what was found, which may lie a period beside it. Where few points follow any such
    motion, as with parallax, the motion is taken with which the views correlate best.

    Args:
        first: (H, W) float32 gray, 0..255.
        second: (H2, W2) float32 gray, 0..255.

    Returns:
        The motion; None if the views do not show the same scene, or nothing in them can be tracked.
    """
    repeated = repeats(first)
    doubtful = []
    for estimate in (maximize_correlation, match_features, match_shift):
        start = estimate(first, second)
        if start is None:
            continue
        found = _track(first, second, start)
        if found is not None and found.is_certain:
            return _other_period(first, second, found) if repeated else found
        if found is not None:
            doubtful.append(found)
        uncertainty = UNTRACKED_UNCERTAINTY if found is None else max(UNTRACKED_UNCERTAINTY, found.uncertainty)
        doubtful.append(Motion(start, uncertainty, NO_POINTS, NO_POINTS))
    if not doubtful:
        return None
    correlations = [_correlate(first, second, motion.warp) for motion in doubtful]
    best = int(np.argmax(correlations))
    least = max(MINIMUM_CORRELATION, _correlate(first, second, np.eye(3)) + CORRELATION_GAIN)
    return doubtful[best] if correlations[best] > least else None


def _other_period(first: np.ndarray, second: np.ndarray, found: Motion) -> Motion:
    """Returns the motion that fits a repeated pattern best: the one that was found, or another period of it."""
    shift, best, unshifted = find_shift(first, _warp(second, found.warp, first.shape))
    if best < unshifted + BETTER_MATCH:
        return found
    other = _track(first, second, found.warp @ shift)
    return other if other is not None and other.is_certain else found


def _correlate(first: np.ndarray, second: np.ndarray, warp: np.ndarray) -> float:
    """Returns the correlation of two band-passed views where the warped second one covers the first; -1 where that is
    less than half of it."""
    warped = _warp(second, warp, first.shape)
    covered = _warp(np.ones_like(second), warp, first.shape, cv2.BORDER_CONSTANT) > 0.99
    if covered.mean() < 0.5:
        return -1.0
    one, other = (band_pass(view)[covered] for view in (first, warped))
    power = float(np.square(one).mean()) * float(np.square(other).mean())
    return float((one * other).mean()) / power**0.5 if power else -1.0


def _track(first: np.ndarray, second: np.ndarray, start: np.ndarray) -> Motion | None:
    """Measures the motion from points tracked between the first view and the second warped by a first estimate."""
    warped = _warp(second, start, first.shape)
    bands = [band_pass(view) for view in (first, warped)]
    energies = [cv2.GaussianBlur(band * band, (0, 0), TRACKING_WINDOW / 4) for band in bands]
    scale = 25 / max(1.0, min(float(band.std()) for band in bands))
    here, there = (np.clip(band * scale + 128, 0, 255).astype(np.uint8) for band in bands)
    textured = (np.minimum(*energies) > MINIMUM_TEXTURE**2).astype(np.uint8)
    points = cv2.goodFeaturesToTrack(here, MAXIMUM_POINTS, 0.001, 8, mask=textured, blockSize=15)
    if points is None:
        return None
    targets, found = _follow(here, there, points)
    returned, found_again = _follow(there, here, targets)
    good = (found & found_again).ravel().astype(bool) & (np.abs(points - returned).max((1, 2)) < MAXIMUM_RETURN_ERROR)
    if good.sum() < MINIMUM_POINTS:
        return None
    points, targets = points[good, 0].astype(np.float64), transform_points(start, targets[good, 0].astype(np.float64))
    warp, spread = fit_motion(points, targets, corners_of(first.shape))
    residuals = targets - transform_points(warp, points)
    if not np.isfinite(spread):
        return None
    octaves = _sharpness_difference(first, warped, points)
    motion = Motion(warp, float(np.hypot(spread, SHIFT_PER_OCTAVE * octaves)), points, residuals)
    if motion.is_certain:
        return motion
    return replace(motion, uncertainty=float(np.hypot(motion.uncertainty, np.median(np.hypot(*residuals.T)))))


def _warp(view: np.ndarray, warp: np.ndarray, shape: tuple[int, ...], border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
    return warp_image(view, warp, shape, cv2.INTER_LINEAR, border)


def _follow(view: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tracks (N, 1, 2) float32 points from one uint8 view to another: their positions, and 1 for each one found."""
    window, criteria = (TRACKING_WINDOW, TRACKING_WINDOW), (3, 20, 0.003)
    return cv2.calcOpticalFlowPyrLK(view, other, points, None, winSize=window, maxLevel=2, criteria=criteria)[:2]


def _sharpness_difference(first: np.ndarray, warped: np.ndarray, points: np.ndarray) -> float:
    """Measures by how many octaves the sharpness of two views differs around the points: the median."""
    columns, rows = np.rint(points).astype(int).T
    contrast = []
    for view in (first, warped):
        detail = cv2.Laplacian(cv2.GaussianBlur(view, (0, 0), 0.7), cv2.CV_32F)
        contrast.append(np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), TRACKING_WINDOW / 4)[rows, columns]) + 1e-3)
    return float(np.median(np.abs(np.log2(contrast[0] / contrast[1]))))
