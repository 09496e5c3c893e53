"""The motion between two frames, measured such that defocus does not matter, with its uncertainty."""

from dataclasses import dataclass, replace

import cv2
import numpy as np

from data.registration.affine import corners_of, fit_motion, rescale_warp, transform_points
from data.registration.warping import warp_image

FINE_SIGMA = 2.5
"""Pixels: smoothing before points are tracked, so that blurred and sharp views of an object look alike."""

COARSE_SIGMA = 20.0
"""Pixels: structure smoother than this is removed, and with it brightness and vignetting."""

TRACKING_WINDOW = 31
"""Pixels: side of the window that is tracked around a point."""

MAXIMUM_POINTS = 1000
"""Largest number of points that are tracked."""

MINIMUM_POINTS = 12
"""Smallest number of points that a motion is measured from."""

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

REPEATED = 0.8
"""Correlation of a view with itself, shifted by more than `REPEATED_SHIFT`, from which its pattern repeats."""

REPEATED_SHIFT, REPEATED_SIDE = 4, 256
"""Pixels: smallest shift, and longest side of the views, with which repetition is looked for."""

BETTER_MATCH = 0.002
"""Correlation by which another shift of a repeated pattern must fit better to be taken."""

UNTRACKED_UNCERTAINTY = 4.0
"""Pixels: least uncertainty of a motion from which no point was tracked."""

SHIFT_PER_OCTAVE = 0.25
"""Pixels by which blur alone may shift the measured motion, for each doubling of sharpness between the views.

Measured on pairs of frames of the rendered stacks, which do not move; see docs/stacks.md.
"""

SCENE_MOTION_CELLS = 6
"""Cells across and down in which motion within the scene is searched."""

SCENE_MOTION_POINTS = 8
"""Smallest number of independently moving points in a cell that counts as motion within the scene."""

SCENE_MOTION_DISTANCE = 3.0
"""Pixels of a view by which such points must move."""

MINIMUM_SIDE = 16
"""Pixels: the motion of a view whose shorter side is reduced below this cannot be measured."""

COARSE_SIDES = (256, 512)
"""Pixels: the longest sides at which the correlation is maximized before points are tracked."""


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
    repeats = _repeats(first)
    doubtful = []
    for estimate in (_maximize_correlation, _match_features, _match_shift):
        start = estimate(first, second)
        if start is None:
            continue
        found = _track(first, second, start)
        if found is not None and found.is_certain:
            return _other_period(first, second, found) if repeats else found
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


def _match_shift(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    """Finds the shift with which the middle of the first view correlates best with the second."""
    if first.shape != second.shape or min(first.shape) < MINIMUM_SIDE:
        return None
    matched, (top, left) = _match_middle(band_pass(first), band_pass(second))
    _, _, _, (column, row) = cv2.minMaxLoc(matched)
    return np.array([[1, 0, column - left], [0, 1, row - top], [0, 0, 1]], np.float64)


def _match_middle(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """Correlates the middle of a view with each place of another; the place of no shift, (row, column), as well."""
    top, left = one.shape[0] // 4, one.shape[1] // 4
    middle = one[top : top + one.shape[0] // 2, left : left + one.shape[1] // 2]
    return cv2.matchTemplate(other, middle, cv2.TM_CCOEFF_NORMED), (top, left)


def _repeats(view: np.ndarray) -> bool:
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


def _other_period(first: np.ndarray, second: np.ndarray, found: Motion) -> Motion:
    """Returns the motion that fits a repeated pattern best: the one that was found, or another period of it."""
    warped = _warp(second, found.warp, first.shape)
    matched, (top, left) = _match_middle(band_pass(first), band_pass(warped))
    _, best, _, (column, row) = cv2.minMaxLoc(matched)
    if best < matched[top, left] + BETTER_MATCH:
        return found
    shift = np.array([[1, 0, column - left], [0, 1, row - top], [0, 0, 1]], np.float64)
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


def _maximize_correlation(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
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


def _match_features(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
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


def band_pass(view: np.ndarray, fine_sigma: float = FINE_SIGMA, coarse_sigma: float = COARSE_SIGMA) -> np.ndarray:
    """Returns the structure of a view that neither blur nor brightness changes much: what two Gaussians differ in."""
    fine = cv2.GaussianBlur(view, (0, 0), fine_sigma)
    return fine - cv2.GaussianBlur(fine, (0, 0), coarse_sigma)


def _sharpness_difference(first: np.ndarray, warped: np.ndarray, points: np.ndarray) -> float:
    """Measures by how many octaves the sharpness of two views differs around the points: the median."""
    columns, rows = np.rint(points).astype(int).T
    contrast = []
    for view in (first, warped):
        detail = cv2.Laplacian(cv2.GaussianBlur(view, (0, 0), 0.7), cv2.CV_32F)
        contrast.append(np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), TRACKING_WINDOW / 4)[rows, columns]) + 1e-3)
    return float(np.median(np.abs(np.log2(contrast[0] / contrast[1]))))


def _resize(view: np.ndarray, scale: float) -> np.ndarray:
    smooth = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else view
    return cv2.GaussianBlur(smooth, (0, 0), 1.0)


def find_motion_within(motion: Motion, shape: tuple[int, int]) -> str | None:
    """Finds motion within the scene: a cell most of whose points moved alike and far from the motion of the frame.

    Args:
        motion: Motion between two views.
        shape: (H, W) of the first view.

    Returns:
        The position of the first such cell, in words; None if there is none.
    """
    if not motion.is_certain:
        return None
    height, width = shape
    off = np.hypot(*motion.residuals.T)
    limit = max(SCENE_MOTION_DISTANCE, 6 * float(np.median(off)))
    columns, rows = (motion.points / [width, height] * SCENE_MOTION_CELLS).astype(int).T
    cells = columns + SCENE_MOTION_CELLS * rows
    for cell in np.unique(cells):
        here = cells == cell
        moving = here & (off > limit)
        if moving.sum() < SCENE_MOTION_POINTS or moving.sum() < 0.6 * here.sum():
            continue
        own = motion.residuals[moving]
        if np.hypot(*own.mean(0)) > 4 * np.hypot(*own.std(0)):
            x, y = motion.points[moving].mean(0) / [width, height]
            return in_words(x, y)
    return None


def in_words(x: float, y: float) -> str:
    """Says where something is, by its place in proportion to width and height."""
    return f"around {x:.0%} of the width and {y:.0%} of the height"
