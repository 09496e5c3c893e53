"""Sparse representation of overlapping patches: what MST-SR and ASR share.

Source: Yang & Li, "Multifocus image fusion and restoration with sparse representation", IEEE TIM 59(4), 2010.
"""

from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

SIDE = 8
"""Patches have 8x8 pixels."""

TOLERANCE = 0.1
"""Greatest norm of what a code leaves of a patch, in gray levels."""

CHUNK = 256
"""So many signals are coded together: what is kept of them should stay in the processor's cache."""

MOVED = 0.75
"""When no more than this share of a chunk is being coded, what is kept of the others is left out."""

SPANNED = 1e-4
"""An atom of which less is left beside the earlier ones adds nothing: the pursuit ends."""


@dataclass(frozen=True)
class Codes:
    """What coding says of n signals.

    Attributes:
        norms: (n,) float32, the L1 norm of each code.
        approximations: (n, d) float32, dictionary times code.
    """

    norms: np.ndarray
    approximations: np.ndarray


def encode(signals: np.ndarray, dictionary: np.ndarray, tolerance: float = TOLERANCE) -> Codes:
    """Codes signals by orthogonal matching pursuit: atoms are added until what is left is small.

    Args:
        signals: (n, d) float32.
        dictionary: (d, k) float32, columns of norm 1.
        tolerance: Greatest norm of what is left of a signal.
    """
    norms = np.zeros(len(signals), np.float32)
    residuals = signals.copy()
    # The matrices are small: threads of the linear algebra would wait for each other more than they compute.
    with threadpool_limits(1, "blas"):
        for start in range(0, len(signals), CHUNK):
            part = slice(start, start + CHUNK)
            _pursue(residuals[part], norms[part], dictionary, tolerance)
    return Codes(norms, signals - residuals)


def _pursue(residuals, norms, dictionary, tolerance):
    """Codes a chunk in place.

    Atoms are made orthogonal one after the other (Gram-Schmidt): atoms = basis @ R. The coordinates in the basis are
    known as it grows; the code, inverse(R) @ coordinates, is found when a signal is done. Signals that are done stay as
    they are until enough of them can be left out at once.
    """
    length = dictionary.shape[0]
    atoms = np.ascontiguousarray(dictionary.T)
    active = np.flatnonzero((residuals * residuals).sum(1) > tolerance**2)
    going = np.ones(len(active), bool)
    rest = residuals[active]
    coordinates = np.zeros((len(active), length), np.float32)
    basis = np.empty((len(active), length, length), np.float32)  # (n, step, d)
    triangle = np.empty((len(active), length, length), np.float32)  # (n, step, step): rows are columns of R
    products = np.empty((len(active), len(atoms)), np.float32)
    for step in range(length + 1):
        if step == length:
            going[:] = False
        if going.sum() <= MOVED * len(going):
            done = active[~going]
            residuals[done] = rest[~going]
            norms[done] = _code_norms(triangle[~going, :step], coordinates[~going, :step])
            active, rest, coordinates = active[going], rest[going], coordinates[going]
            for kept in (basis, triangle):
                kept[: len(active), :step] = kept[going, :step]
            basis, triangle, products = (kept[: len(active)] for kept in (basis, triangle, products))
            going = going[going]
            if not active.size:
                return
        np.matmul(rest, dictionary, out=products)
        new = atoms.take(np.abs(products, out=products).argmax(1), axis=0)
        known = basis[:, :step]
        overlap = known @ new[:, :, None]  # (n, step, 1)
        new -= (overlap.transpose(0, 2, 1) @ known)[:, 0]
        left = np.sqrt(np.einsum("nd,nd->n", new, new))
        going &= left > SPANNED
        left = np.maximum(left, SPANNED)
        new *= (going / left).astype(np.float32)[:, None]
        coordinate = np.einsum("nd,nd->n", new, rest)
        rest -= coordinate[:, None] * new
        basis[:, step], coordinates[:, step] = new, coordinate
        triangle[:, step, :step], triangle[:, step, step] = overlap[..., 0], left
        going &= np.einsum("nd,nd->n", rest, rest) > tolerance**2


def _code_norms(triangle, coordinates):
    """L1 norms of inverse(R) @ coordinates by back substitution; overwrites the coordinates."""
    for step in reversed(range(coordinates.shape[1])):
        coordinates[:, step] /= triangle[:, step, step]
        coordinates[:, :step] -= coordinates[:, step, None] * triangle[:, step, :step]
    return np.abs(coordinates).sum(1)


def to_patches(image: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts an image into overlapping patches.

    Args:
        image: (H, W), at least 8x8.
        step: Pixels from one patch to the next.

    Returns:
        The patches without their means, (n, 64) float32, and the means, (n,) float32; row by row.
    """
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))[::step, ::step]
    patches = windows.reshape(-1, SIDE * SIDE).astype(np.float32)
    means = patches.mean(1)
    return patches - means[:, None], means


def from_patches(patches: np.ndarray, fallback: np.ndarray, step: int) -> np.ndarray:
    """Lays patches over each other and averages them.

    Args:
        patches: (n, 64), as `to_patches` orders them.
        fallback: (H, W), what a pixel is that no patch covers.
        step: As it was cut.

    Returns:
        (H, W) float64.
    """
    height, width = fallback.shape
    rows, columns = ((side - SIDE) // step + 1 for side in (height, width))
    tiles = patches.reshape(rows, columns, SIDE, SIDE)
    total, count = np.zeros((height, width)), np.zeros((height, width))
    for y in range(SIDE):
        for x in range(SIDE):
            place = np.s_[y : y + (rows - 1) * step + 1 : step, x : x + (columns - 1) * step + 1 : step]
            total[place] += tiles[:, :, y, x]
            count[place] += 1
    return np.where(count > 0, total / np.maximum(count, 1), fallback)
