"""Affine motions as (3, 3) matrices: applied, rescaled, and fitted to points."""

import numpy as np

BLOCKS = 4
"""Blocks across and down; what is left out at a time to learn how uncertain a fit is."""


def apply(warp: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where a warp, (3, 3) float64, takes (N, 2) points."""
    return points @ warp[:2, :2].T + warp[:2, 2]


def homogeneous(points: np.ndarray) -> np.ndarray:
    """(N, 2) points as (N, 3): (x, y, 1)."""
    return np.column_stack([points, np.ones(len(points))])


def corners_of(shape: tuple[int, ...]) -> np.ndarray:
    """(4, 2) float64: the centers of the corner pixels of a frame, (x, y)."""
    height, width = shape[:2]
    return np.array([[0, 0], [width - 1, 0], [width - 1, height - 1], [0, height - 1]], np.float64)


def rescale(warp: np.ndarray, scale: float) -> np.ndarray:
    """The warp between pictures that are larger by `scale`; pixel centers lie half a pixel from the corner."""
    grow = np.array([[scale, 0, (scale - 1) / 2], [0, scale, (scale - 1) / 2], [0, 0, 1]])
    return grow @ warp @ np.linalg.inv(grow)


def fit_affine(points: np.ndarray, there: np.ndarray, corners: np.ndarray) -> tuple[np.ndarray, float]:
    """Fits an affine motion to points robustly, by reweighted least squares.

    Args:
        points: (N, 2) float64.
        there: (N, 2) float64, where they went; many may be wrong.
        corners: (4, 2) float64, where the uncertainty is wanted; the extremes of `points`' range.

    Returns:
        The warp, (3, 3) float64, and the standard deviation in pixels of where it takes a corner, the worst of the
        four, from leaving out one of `BLOCKS` by `BLOCKS` parts of the frame at a time (jackknife), since neighboring
        points err together; infinite where fewer than three parts hold points.
    """
    center, size = corners.mean(0), max(1.0, float(np.ptp(corners)))
    design = homogeneous((points - center) / size)
    weights = np.ones(len(points))
    for _ in range(15):
        solution = _solve(design, there, weights)
        residuals = np.hypot(*(there - design @ solution).T)
        scale = max(0.03, float(np.median(residuals)) / 1.18)  # of each coordinate, if normally distributed
        weights = (1 + (residuals / (2 * scale)) ** 2) ** -2.0
    at_corners = homogeneous((corners - center) / size)
    cells = np.clip((points - corners.min(0)) / np.maximum(np.ptp(corners, axis=0), 1) * BLOCKS, 0, BLOCKS - 1)
    block = (cells.astype(int) @ [1, BLOCKS]).astype(int)
    parts = np.unique(block)
    without = [at_corners @ _solve(design, there, weights * (block != part)) for part in parts]
    variance = (np.array(without) - at_corners @ solution) ** 2
    uncertainty = np.sqrt((len(parts) - 1) / len(parts) * variance.sum((0, 2)).max()) if len(parts) > 2 else np.inf
    warp = np.eye(3)
    warp[:2, :2] = solution[:2].T / size
    warp[:2, 2] = solution[2] - warp[:2, :2] @ center
    return warp, float(uncertainty)


def _solve(design: np.ndarray, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    weighted = design * weights[:, None]
    return np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0]
