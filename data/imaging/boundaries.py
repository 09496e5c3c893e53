"""Decision boundaries: what is near them, and between two sources, moved to where the edges of both are preserved.

The paper keeps the whole candidate with the higher Q_ABF; here the same is asked region by region. A boundary is moved
outwards and inwards by a few pixels, and each connected piece of the strip between is taken over if it raises Q_ABF,
whose sum over pixels can be split. `python -m model.measurements sweep` measures it.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.blocks import blocks, mixed_blocks, within
from metrics.edges import EdgeTransfer

SHIFTS = (1, 3)
"""Pixels by which boundaries are moved, in turn."""

LEAST_GAIN = 8.0
"""What a piece must gain a pixel, in Q_ABF's weight (Sobel strength of gray levels): noise alone gains less."""

BLOCK = 1024
"""Side of the blocks in which edges are looked at, in pixels: it bounds the memory."""

SIDE = 256
"""Side of the blocks in which what is near a boundary is looked for, in pixels."""

CONTEXT = 16
"""Pixels around a block that are looked at as well."""


def align_boundaries(
    images: Sequence[np.ndarray], decision_map: np.ndarray, least_gain: float = LEAST_GAIN
) -> np.ndarray:
    """Moves decision boundaries.

    Args:
        images: Two sources, (H, W, 3) RGB or (H, W) gray, uint8 or uint16, at least 2x2 pixels.
        decision_map: (H, W) uint8, 0 or 1.
        least_gain: As `LEAST_GAIN`; images without noise need less.

    Returns:
        (H, W) uint8.
    """
    aligned = decision_map.copy()
    for inside, around in blocks(decision_map.shape, BLOCK, CONTEXT):
        part = decision_map[around]
        if part.any() and not part.all():
            moved = _align_block([image[around] for image in images], part, least_gain)
            aligned[inside] = moved[within(inside, around)]
    return aligned


def _align_block(images, decision_map, least_gain):
    edges = EdgeTransfer(*images)
    kept = edges.preserved(_fuse(images, decision_map))
    for shift in SHIFTS:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * shift + 1, 2 * shift + 1))
        for move in (cv2.dilate, cv2.erode):
            moved = move(decision_map, disc)
            differs = moved != decision_map
            if not differs.any():
                continue
            gain = edges.preserved(_fuse(images, moved)) - kept - least_gain * differs
            # What a pixel gains shows in the gradients around it.
            count, pieces = cv2.connectedComponents(cv2.dilate(differs.view(np.uint8), np.ones((3, 3), np.uint8)))
            better = np.bincount(pieces.ravel(), gain.ravel(), count) > 0
            better[0] = False
            decision_map = np.where(better[pieces] & differs, moved, decision_map)
            kept = edges.preserved(_fuse(images, decision_map))
    return decision_map


def _fuse(images, decision_map):
    near, far = images
    return np.where(decision_map[..., None] > 0 if near.ndim == 3 else decision_map > 0, far, near)


def near_boundaries(labels: np.ndarray, reach: int) -> np.ndarray:
    """Where another label is within reach.

    Args:
        labels: (H, W) uint8.
        reach: Radius in pixels.

    Returns:
        (H, W) bool.
    """
    near = np.zeros(labels.shape, bool)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    for inside, around in mixed_blocks(labels, SIDE, reach):
        changes = cv2.morphologyEx(labels[around], cv2.MORPH_GRADIENT, disc)
        near[inside] = changes[within(inside, around)] > 0
    return near
