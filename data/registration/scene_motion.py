"""Motion within a scene: what moves otherwise than the frame."""

import numpy as np

from data.registration.motion import Motion

SCENE_MOTION_CELLS = 6
"""Cells across and down in which motion within the scene is searched."""

SCENE_MOTION_POINTS = 8
"""Smallest number of independently moving points in a cell that counts as motion within the scene."""

SCENE_MOTION_DISTANCE = 3.0
"""Pixels of a view by which such points must move."""


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
