"""The motion between two frames, measured robustly against defocus, with its uncertainty."""

from dataclasses import dataclass

import cv2
import numpy as np

from data.registration.affine import apply, corners_of, fit_motion, rescale

FINE_SIGMA = 2.5
"""Pixels: smoothing before points are tracked, so that blurred and sharp views of a thing resemble each other."""

COARSE_SIGMA = 20.0
"""Pixels: what is smoother than this is left out, which takes brightness and vignetting with it."""

WINDOW = 31
"""Pixels: side of the window that is tracked around a point."""

MOST_POINTS = 1000
"""Points that are tracked at most."""

FEWEST_POINTS = 12
"""Points that a motion is measured from at least."""

LEAST_TEXTURE = 0.5
"""Gray levels: root mean square of the band-passed view around a point that is worth tracking."""

RETURN_ERROR = 0.3
"""Pixels: a point tracked to the other view and back comes so close to where it was."""

LARGEST_RESIDUAL = 1.5
"""Pixels: points that lie within this of the motion are said to follow it."""

LEAST_FOLLOWING = 0.5
"""Share of the tracked points that follow the motion, where there is one."""

SHIFT_PER_OCTAVE = 0.25
"""Pixels that blur alone may move what is measured, for each doubling of sharpness between the views.

Measured on pairs of frames of the rendered stacks, which do not move; see docs/stacks.md.
"""

OWN_CELLS = 6
"""Cells across and down in which parts of the scene that move by themselves are looked for."""

FEWEST_OWN_POINTS = 8
"""Points of a cell that move by themselves, where a part of the scene does."""

LEAST_OWN_MOTION = 3.0
"""Pixels of a view by which such points move at least."""

FEWEST_ROWS = 16
"""Pixels: a view reduced to less does not tell its motion."""

COARSE_SIDES = (256, 512)
"""Pixels: the longest sides at which the correlation is maximized before points are tracked."""


@dataclass(frozen=True)
class Motion:
    """The motion between two views.

    Attributes:
        warp: (3, 3) float64, (x, y, 1) of the first view to those of the second.
        uncertainty: Standard deviation in pixels of where a corner comes to lie, the worst of the four.
        points: (N, 2) float64, tracked points in the first view.
        residuals: (N, 2) float64, how far each came from where the motion has it, in pixels of the second view.
    """

    warp: np.ndarray
    uncertainty: float
    points: np.ndarray
    residuals: np.ndarray


def measure_motion(first: np.ndarray, second: np.ndarray) -> Motion | None:
    """Measures the motion between two views of a scene, whatever parts of them are sharp.

    A first estimate comes from the enhanced correlation coefficient (Evangelidis & Psarakis, IEEE TPAMI 30(10), 2008)
    on small pictures, or where that leads nowhere from matched SIFT features (Lowe, IJCV 60(2), 2004). Points are
    tracked from there (Lucas & Kanade 1981, in pyramids), and a similarity or an affine motion is fitted to them
    robustly.

    Args:
        first: (H, W) float32 gray, 0..255.
        second: (H2, W2) float32 gray, 0..255.

    Returns:
        The motion, or None where the views do not show the same thing or nothing that could be tracked.
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
        if scale * min(*first.shape, *second.shape) < FEWEST_ROWS:
            return None
        small = [_resize(view, scale) for view in (first, second)]
        start = rescale(warp, scale)[:2].astype(np.float32)
        try:
            _, reached = cv2.findTransformECC(*small, start, cv2.MOTION_AFFINE, criteria, None, 5)
        except cv2.error:  # it did not converge
            return None
        warp = rescale(np.vstack([reached, [0, 0, 1]]).astype(np.float64), 1 / scale)
    return warp


def _match_features(first: np.ndarray, second: np.ndarray) -> np.ndarray | None:
    detector = cv2.SIFT_create(2000)
    found = [
        detector.detectAndCompute(np.clip(np.rint(view), 0, 255).astype(np.uint8), None) for view in (first, second)
    ]
    if any(len(points) < FEWEST_POINTS for points, _ in found):
        return None
    (points, descriptors), (other_points, other_descriptors) = found
    matches = cv2.BFMatcher().knnMatch(descriptors, other_descriptors, k=2)
    clear = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance]
    if len(clear) < FEWEST_POINTS:
        return None
    sources = np.float32([points[match.queryIdx].pt for match in clear])
    targets = np.float32([other_points[match.trainIdx].pt for match in clear])
    warp, inliers = cv2.estimateAffinePartial2D(sources, targets, method=cv2.RANSAC, ransacReprojThreshold=3.0)
    if warp is None or int(inliers.sum()) < FEWEST_POINTS:
        return None
    return np.vstack([warp, [0, 0, 1]])


def _track(first: np.ndarray, second: np.ndarray, start: np.ndarray) -> Motion | None:
    """The motion from points tracked between the first view and the second laid on it by a first estimate."""
    height, width = first.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(second, start[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    bands = [_band(view) for view in (first, laid)]
    energies = [cv2.GaussianBlur(band * band, (0, 0), WINDOW / 4) for band in bands]
    scale = 25 / max(1.0, min(float(band.std()) for band in bands))
    pictures = [np.clip(band * scale + 128, 0, 255).astype(np.uint8) for band in bands]
    worth = (np.minimum(*energies) > LEAST_TEXTURE**2).astype(np.uint8)
    points = cv2.goodFeaturesToTrack(pictures[0], MOST_POINTS, 0.001, 8, mask=worth, blockSize=15)
    if points is None:
        return None
    how = {"winSize": (WINDOW, WINDOW), "maxLevel": 2, "criteria": (3, 20, 0.003)}
    there, found, _ = cv2.calcOpticalFlowPyrLK(*pictures, points, None, **how)
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(*pictures[::-1], there, None, **how)
    good = (found & found_back).ravel().astype(bool) & (np.abs(points - back).max((1, 2)) < RETURN_ERROR)
    if good.sum() < FEWEST_POINTS:
        return None
    points, there = points[good, 0].astype(np.float64), apply(start, there[good, 0].astype(np.float64))
    warp, spread = fit_motion(points, there, corners_of(first.shape))
    residuals = there - apply(warp, points)
    follow = np.hypot(*residuals.T) < LARGEST_RESIDUAL
    if follow.sum() < FEWEST_POINTS or follow.mean() < LEAST_FOLLOWING or not np.isfinite(spread):
        return None
    octaves = _octaves(first, laid, points)
    return Motion(warp, float(np.hypot(spread, SHIFT_PER_OCTAVE * octaves)), points, residuals)


def _band(view: np.ndarray) -> np.ndarray:
    fine = cv2.GaussianBlur(view, (0, 0), FINE_SIGMA)
    return fine - cv2.GaussianBlur(fine, (0, 0), COARSE_SIGMA)


def _octaves(first: np.ndarray, laid: np.ndarray, points: np.ndarray) -> float:
    """By how many octaves the sharpness of two views differs around a point: the median."""
    columns, rows = np.rint(points).astype(int).T
    contrast = []
    for view in (first, laid):
        detail = cv2.Laplacian(cv2.GaussianBlur(view, (0, 0), 0.7), cv2.CV_32F)
        contrast.append(np.sqrt(cv2.GaussianBlur(detail * detail, (0, 0), WINDOW / 4)[rows, columns]) + 1e-3)
    return float(np.median(np.abs(np.log2(contrast[0] / contrast[1]))))


def _resize(view: np.ndarray, scale: float) -> np.ndarray:
    smooth = cv2.resize(view, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else view
    return cv2.GaussianBlur(smooth, (0, 0), 1.0)


def find_motion_within(motion: Motion, shape: tuple[int, int]) -> str | None:
    """Where a part of the scene moves by itself, in words, or None.

    That is where most points of a cell moved the same way, far off the motion of the frame.

    Args:
        motion: Between two views.
        shape: (H, W) of the first.
    """
    height, width = shape
    off = np.hypot(*motion.residuals.T)
    limit = max(LEAST_OWN_MOTION, 6 * float(np.median(off)))
    columns, rows = (motion.points / [width, height] * OWN_CELLS).astype(int).T
    for cell in np.unique(columns + OWN_CELLS * rows):
        here = (columns + OWN_CELLS * rows) == cell
        moving = here & (off > limit)
        if moving.sum() < FEWEST_OWN_POINTS or moving.sum() < 0.6 * here.sum():
            continue
        own = motion.residuals[moving]
        if np.hypot(*own.mean(0)) > 4 * np.hypot(*own.std(0)):
            x, y = motion.points[moving].mean(0) / [width, height]
            return f"around {x:.0%} of the width and {y:.0%} of the height"
    return None
