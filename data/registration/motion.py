"""The motion between two frames, measured such that defocus does not matter, with its uncertainty."""

from dataclasses import dataclass

import cv2
import numpy as np

from data.registration.affine import corners_of, fit_motion, rescale_warp, transform_points

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
"""Share of the tracked points that must follow the motion."""

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


def measure_motion(first: np.ndarray, second: np.ndarray) -> Motion | None:
    """Measures the motion between two views of a scene, whatever parts of them are sharp.

    A first estimate comes from the enhanced correlation coefficient (Evangelidis & Psarakis, IEEE TPAMI 30(10), 2008)
    on small images, or if that fails from matched SIFT features (Lowe, IJCV 60(2), 2004). Points are tracked from
    there (Lucas & Kanade 1981, in pyramids), and a similarity or an affine motion is fitted to them robustly.

    Args:
        first: (H, W) float32 gray, 0..255.
        second: (H2, W2) float32 gray, 0..255.

    Returns:
        The motion; None if the views do not show the same scene, or nothing in them can be tracked.
    """
    for estimate in (_maximize_correlation, _match_features):
        start = estimate(first, second)
        found = None if start is None else _track(first, second, start)
        if found is not None:
            return found
    return None


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
    height, width = first.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    warped = cv2.warpAffine(second, start[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    bands = [_band_pass(view) for view in (first, warped)]
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
    inliers = np.hypot(*residuals.T) < INLIER_RESIDUAL
    if inliers.sum() < MINIMUM_POINTS or inliers.mean() < MINIMUM_INLIER_SHARE or not np.isfinite(spread):
        return None
    octaves = _sharpness_difference(first, warped, points)
    return Motion(warp, float(np.hypot(spread, SHIFT_PER_OCTAVE * octaves)), points, residuals)


def _follow(view: np.ndarray, other: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tracks (N, 1, 2) float32 points from one uint8 view to another: their positions, and 1 for each one found."""
    window, criteria = (TRACKING_WINDOW, TRACKING_WINDOW), (3, 20, 0.003)
    return cv2.calcOpticalFlowPyrLK(view, other, points, None, winSize=window, maxLevel=2, criteria=criteria)[:2]


def _band_pass(view: np.ndarray) -> np.ndarray:
    fine = cv2.GaussianBlur(view, (0, 0), FINE_SIGMA)
    return fine - cv2.GaussianBlur(fine, (0, 0), COARSE_SIGMA)


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
            return f"around {x:.0%} of the width and {y:.0%} of the height"
    return None
