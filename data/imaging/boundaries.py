"""Decision boundaries: the pixels near them, and their alignment by Q_ABF between two sources.

The paper keeps the whole candidate with the higher Q_ABF; here the choice is made region by region. A boundary is moved
outwards and inwards by a few pixels, and each connected piece of the strip in between is accepted if it raises Q_ABF,
whose sum over pixels can be split. `python -m model.measurements sweep` measures the effect.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.blocks import blocks, mixed_blocks, within
from data.imaging.composition import compose
from metrics.edges import EdgeTransfer

SHIFTS = (1, 3)
"""Pixels by which boundaries are moved, in turn."""

LEAST_GAIN = 8.0
"""Smallest gain per pixel of an accepted piece, in Q_ABF's weight (Sobel strength of gray levels); noise gains less."""

ALIGNMENT_BLOCK = 1024
"""Pixels: side of the blocks in which boundaries are moved; it bounds the memory."""

SEARCH_BLOCK = 256
"""Pixels: side of the blocks in which pixels near a boundary are searched."""

CONTEXT = 16
"""Pixels of surroundings of a block whose edges count as well."""


def align_boundaries(
    images: Sequence[np.ndarray], decision_map: np.ndarray, least_gain: float = LEAST_GAIN
) -> np.ndarray:
    """Moves decision boundaries to where the edges of both sources are preserved best.

    Args:
        images: Two sources, (H, W, 3) RGB or (H, W) gray, uint8 or uint16, at least 2x2 pixels.
        decision_map: (H, W) uint8, 0 or 1.
        least_gain: See `LEAST_GAIN`; images without noise need less.

    Returns:
        The aligned decision map, (H, W) uint8.
    """
    aligned = decision_map.copy()
    height, width = decision_map.shape
    for inside, around in blocks((height, width), ALIGNMENT_BLOCK, CONTEXT):
        part = decision_map[around]
        if part.any() and not part.all():
            moved = _align_block([image[around] for image in images], part, least_gain)
            aligned[inside] = moved[within(inside, around)]
    return aligned


def _align_block(images: Sequence[np.ndarray], decision_map: np.ndarray, least_gain: float) -> np.ndarray:
    edges = EdgeTransfer(*images)
    preserved = edges.preserved(compose(images, decision_map))
    for shift in SHIFTS:
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * shift + 1, 2 * shift + 1))
        for move in (cv2.dilate, cv2.erode):
            moved = move(decision_map, disc)
            differs = moved != decision_map
            if not differs.any():
                continue
            gain = edges.preserved(compose(images, moved)) - preserved - least_gain * differs
            # The gain of a pixel shows in the gradients around it.
            count, pieces = cv2.connectedComponents(cv2.dilate(differs.view(np.uint8), np.ones((3, 3), np.uint8)))
            better = np.bincount(pieces.ravel(), gain.ravel(), count) > 0
            better[0] = False
            decision_map = np.where(better[pieces] & differs, moved, decision_map)
            preserved = edges.preserved(compose(images, decision_map))
    return decision_map


def near_boundaries(labels: np.ndarray, reach: int) -> np.ndarray:
    """Finds the pixels near boundaries between labels.

    Args:
        labels: (H, W) uint8.
        reach: Radius in pixels.

    Returns:
        (H, W) bool, True where another label is within `reach`.
    """
    near = np.zeros(labels.shape, bool)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    for inside, around in mixed_blocks(labels, SEARCH_BLOCK, reach):
        changes = cv2.morphologyEx(labels[around], cv2.MORPH_GRADIENT, disc)
        near[inside] = changes[within(inside, around)] > 0
    return near
