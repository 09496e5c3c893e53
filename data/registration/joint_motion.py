"""The warps of a stack that fit the motions between its frames best."""

import cv2
import numpy as np

from data.registration.affine import fit_affine, is_affine
from data.registration.links import Links

LINEAR_ROUNDS = 4
"""How often projective motions are replaced by affine ones near the solution."""


def solve_jointly(used: list[int], reference: int, links: Links, corners: np.ndarray) -> dict[int, np.ndarray]:
    """Solves for the warps from the reference that fit all links best, by least squares.

    The unknowns are the positions of the reference's corners in each frame: a motion between two frames relates them
    linearly, but for a projective one, which is replaced by its slope at the positions of the round before.

    Args:
        used: Indices of the frames.
        reference: One of them.
        links: Between them, such that each frame is linked to the reference, directly or by others.
        corners: (4, 2) float64, of the reference.

    Returns:
        For each frame (3, 3) float64, (x, y, 1) of the reference to its own.
    """
    others = [index for index in used if index != reference]
    if all(is_affine(link.warp) for link in links.values()):
        positions = _solve_points(others, reference, links, corners, {})
        warps = {index: fit_affine(corners, found) for index, found in positions.items()}
        return {reference: np.eye(3)} | warps
    near: dict[int, np.ndarray] = {index: np.tile(corners.mean(0), (4, 1)) for index in used} | {reference: corners}
    for _ in range(LINEAR_ROUNDS):
        each = [
            _solve_points(
                others, reference, links, corners[one : one + 1], {index: at[one] for index, at in near.items()}
            )
            for one in range(len(corners))
        ]
        near |= {index: np.concatenate([found[index] for found in each]) for index in others}
    sources = corners.astype(np.float32)
    return {reference: np.eye(3)} | {
        index: cv2.getPerspectiveTransform(sources, near[index].astype(np.float32)) for index in others
    }


def _solve_points(
    others: list[int],
    reference: int,
    links: Links,
    points: np.ndarray,
    near: dict[int, np.ndarray],
) -> dict[int, np.ndarray]:
    """Solves for the positions of points of the reference, (N, 2), in each frame; `near` has a position in each frame
    near which projective motions are taken for affine ones."""
    place = {index: 2 * number for number, index in enumerate(others)}
    rows, values = np.zeros((2 * len(links), 2 * len(place))), np.zeros((2 * len(links), len(points)))
    for number, ((first, second), link) in enumerate(links.items()):
        row, weight = slice(2 * number, 2 * number + 2), 1 / link.uncertainty
        slope, shift = _linear(link.warp, near.get(first))
        values[row] = weight * shift[:, None]
        for index, factor in ((first, -slope), (second, np.eye(2))):
            if index == reference:
                values[row] -= weight * factor @ points.T
            else:
                rows[row, place[index] : place[index] + 2] = weight * factor
    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    return {index: solution[first : first + 2].T for index, first in place.items()}


def _linear(warp: np.ndarray, point: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrix, (2, 2), and the shift, (2,), of the affine motion that a warp is near a point."""
    if point is None or is_affine(warp):
        return warp[:2, :2], warp[:2, 2]
    nearness = warp[2, :2] @ point + warp[2, 2]
    moved = (warp[:2, :2] @ point + warp[:2, 2]) / nearness
    slope = (warp[:2, :2] - np.outer(moved, warp[2, :2])) / nearness
    return slope, moved - slope @ point
