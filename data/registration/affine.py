"""Similar, affine and projective motions as (3, 3) matrices: applied, rescaled, and fitted to points."""

from collections.abc import Callable

import numpy as np

JACKKNIFE_BLOCKS = 4
"""Blocks across and down that the jackknife leaves out one at a time to estimate the uncertainty of a fit."""

LEAST_SCATTER = 0.03
"""Pixels: smallest standard deviation of tracked points that is assumed."""


MUCH_BETTER, LEAST_TILT = 0.6, 0.3
"""A projective motion is taken where its median residual and its uncertainty are less than this share of the other's,
and where it differs from that by so many pixels at a corner."""


def is_affine(warp: np.ndarray) -> bool:
    """Returns whether a warp, (3, 3), keeps parallels."""
    return warp[2, 0] == 0 and warp[2, 1] == 0


def transform_points(warp: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Applies a warp, (3, 3) float64, to (N, 2) points."""
    moved = points @ warp[:2, :2].T + warp[:2, 2]
    return moved if is_affine(warp) else moved / (points @ warp[2, :2] + warp[2, 2])[:, None]


def homogeneous(points: np.ndarray) -> np.ndarray:
    """Appends 1 to (N, 2) points: (N, 3), (x, y, 1)."""
    return np.column_stack([points, np.ones(len(points))])


def fit_affine(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Fits the warp, (3, 3) float64, that takes three or more points (N, 2) to their targets, by least squares."""
    return np.vstack([np.linalg.lstsq(homogeneous(points), targets, rcond=None)[0].T, [0, 0, 1]])


def corners_of(shape: tuple[int, ...]) -> np.ndarray:
    """Returns the centers of the corner pixels of a frame, (4, 2) float64, (x, y)."""
    height, width = shape[:2]
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)


def rescale_warp(warp: np.ndarray, scale: float) -> np.ndarray:
    """Converts a warp to images that are larger by `scale`; pixel centers lie half a pixel from the corner."""
    enlarge = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    rescaled = enlarge @ warp @ np.linalg.inv(enlarge)
    return rescaled if is_affine(warp) else rescaled / rescaled[2, 2]


def fit_motion(points: np.ndarray, targets: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits a similarity or an affine motion to points robustly, whichever is more certain at the corners, or a
    projective one where that explains much more.

    The uncertainty is the jackknife's: `JACKKNIFE_BLOCKS` by `JACKKNIFE_BLOCKS` parts of the frame are left out one at
    a time, since errors of neighboring points are correlated. A similarity suffices for breathing and drift; where it
    does not describe the motion, the parts disagree and the affine motion comes out more certain.

    Args:
        points: (N, 2) float64.
        targets: (N, 2) float64, where they moved to; many may be wrong.
        corners: (4, 2) float64 of the frame, see `corners_of`.

    Returns:
        The warp, (3, 3) float64, and the largest of the standard deviations in pixels of the four warped corners;
        infinite if fewer than three parts hold points.
    """
    simple = min((_fit(points, targets, corners, terms) for terms in (_similarity, _affine)), key=lambda fit: fit[1])
    if not np.isfinite(simple[1]):
        return simple
    tilted = _fit_projective(points, targets, corners)
    residuals = [np.median(np.hypot(*(targets - transform_points(fit[0], points)).T)) for fit in (simple, tilted)]
    differs = np.hypot(*(transform_points(tilted[0], corners) - transform_points(simple[0], corners)).T).max()
    better = residuals[1] < MUCH_BETTER * residuals[0] and tilted[1] < MUCH_BETTER * simple[1]
    return tilted if better and differs > LEAST_TILT else simple


def _fit(
    points: np.ndarray, targets: np.ndarray, corners: np.ndarray, terms: Callable[[np.ndarray], np.ndarray]
) -> tuple[np.ndarray, float]:
    center, size = corners.mean(0), max(1.0, float(np.ptp(corners)))
    design, at_corners = (terms((place - center) / size) for place in (points, corners))
    values = targets.ravel()
    weights = np.ones(len(points))
    for _ in range(15):
        solution = _solve(design, values, weights)
        residuals = np.hypot(*(values - design @ solution).reshape(-1, 2).T)
        scale = max(LEAST_SCATTER, float(np.median(residuals)) / 1.18)  # of a coordinate that is normally distributed
        weights = (1 + (residuals / (2 * scale)) ** 2) ** -2.0
    block, parts = _blocks(points, corners)
    without = [at_corners @ _solve(design, values, weights * (block != part)) for part in parts]
    variance = ((np.array(without) - at_corners @ solution) ** 2).reshape(len(parts), 4, 2).sum((0, 2)).max()
    uncertainty = np.sqrt((len(parts) - 1) / len(parts) * variance) if len(parts) > 2 else np.inf
    return fit_affine(corners, (at_corners @ solution).reshape(4, 2)), float(uncertainty)


def _fit_projective(points: np.ndarray, targets: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits as `_fit`: x' (1 + g p) = a p is linear in its unknowns a and g."""
    center, size = corners.mean(0), max(1.0, float(np.ptp(corners)))
    here, there, at_corners = ((place - center) / size for place in (points, targets, corners))
    tilts = -there[:, :, None] * here[:, None, :]
    design = np.concatenate([_affine(here), tilts.reshape(-1, 2)], axis=1)
    values, weights = there.ravel(), np.ones(len(points))

    def matrix(solution: np.ndarray) -> np.ndarray:
        return np.vstack([solution[:6].reshape(3, 2).T, [*solution[6:], 1]])

    for _ in range(15):
        warp = matrix(_solve(design, values, weights))
        residuals = size * np.hypot(*(there - transform_points(warp, here)).T)
        scale = max(LEAST_SCATTER, float(np.median(residuals)) / 1.18)
        weights = (1 + (residuals / (2 * scale)) ** 2) ** -2.0
    block, parts = _blocks(points, corners)
    without = [
        transform_points(matrix(_solve(design, values, weights * (block != part))), at_corners) for part in parts
    ]
    variance = ((np.array(without) - transform_points(warp, at_corners)) ** 2).sum((0, 2)).max()
    place = np.array([[size, 0, center[0]], [0, size, center[1]], [0, 0, 1]])
    whole = place @ warp @ np.linalg.inv(place)
    return whole / whole[2, 2], float(size * np.sqrt((len(parts) - 1) / len(parts) * variance))


def _blocks(points: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the number of each point's part of the frame, (N,), and the numbers of the parts that hold points."""
    cells = (points - corners.min(0)) / np.maximum(np.ptp(corners, axis=0), 1) * JACKKNIFE_BLOCKS
    block = np.clip(cells, 0, JACKKNIFE_BLOCKS - 1).astype(int) @ [1, JACKKNIFE_BLOCKS]
    return block, np.unique(block)


def _similarity(points: np.ndarray) -> np.ndarray:
    """Returns the equations of a scaled rotation and a shift for x and y of each point, (2 N, 4)."""
    (x, y), one, zero = points.T, np.ones(len(points)), np.zeros(len(points))
    return np.stack([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)], 1).reshape(-1, 4)


def _affine(points: np.ndarray) -> np.ndarray:
    """Returns the equations of an affine motion for x and y of each point, (2 N, 6)."""
    return np.kron(homogeneous(points), np.eye(2))


def _solve(design: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = design * np.repeat(weights, 2)[:, None]
    return np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0]
