"""Fusion of overlapping patches by sparse representation, shared by MST-SR and ASR.

Source: Yang & Li, "Multifocus image fusion and restoration with sparse representation", IEEE TIM 59(4), 2010.
"""

from collections.abc import Callable

import numpy as np
from threadpoolctl import threadpool_limits

SIDE = 8
"""Pixels: side of the patches."""

TOLERANCE = 0.1
"""Gray levels: largest norm of the residual of a coded patch."""

CHUNK = 256
"""Signals that are coded together; their matrices should fit into the processor's cache."""

ACTIVE_SHARE = 0.75
"""Finished signals are removed from the matrices of a chunk when at most this share of it is still being coded."""

DEPENDENT_NORM = 1e-4
"""The pursuit ends at an atom whose part orthogonal to the earlier ones has a smaller norm."""

Patches = tuple[np.ndarray, np.ndarray]
"""Patches without their means, (n, 64) float32, and the means, (n,) float32; row by row."""


def fuse_by_patches(
    near: np.ndarray, far: np.ndarray, select: Callable[[Patches, Patches], np.ndarray], step: int
) -> np.ndarray:
    """Fuses two channels patch by patch; pixels that no patch covers are averaged.

    Args:
        near: (H, W) float64 in gray levels.
        far: The other channel, likewise.
        select: Maps the patches of both to the fused patches, (n, 64) float32.
        step: Pixels from one patch to the next.

    Returns:
        The fused channel, (H, W) float64.
    """
    average = (near + far) / 2
    if min(near.shape) < SIDE:
        return average
    return from_patches(select(to_patches(near, step), to_patches(far, step)), average, step)


def select_by_norm(near: Patches, far: Patches, dictionary: np.ndarray) -> np.ndarray:
    """Chooses of each two patches the one whose code has the larger L1 norm: its approximation and its mean.

    Args:
        near: Patches of one image.
        far: Patches at the same positions of the other image.
        dictionary: (64, k) float32, columns of norm 1.

    Returns:
        The chosen patches, (n, 64) float32.
    """
    (near_norms, near_fits), (far_norms, far_fits) = (encode(patches, dictionary) for patches, _ in (near, far))
    far_wins = near_norms < far_norms
    return np.where(far_wins[:, None], far_fits, near_fits) + np.where(far_wins, far[1], near[1])[:, None]


def encode(signals: np.ndarray, dictionary: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Codes signals by orthogonal matching pursuit: atoms are added until the residual is within `TOLERANCE`.

    Args:
        signals: (n, d) float32.
        dictionary: (d, k) float32, columns of norm 1.

    Returns:
        The L1 norms of the codes, (n,) float32, and the approximations, dictionary times code, (n, d) float32.
    """
    norms = np.zeros(len(signals), np.float32)
    residuals = signals.copy()
    # The matrices are small: threads of the linear algebra would spend more time waiting than computing.
    with threadpool_limits(1, "blas"):
        for start in range(0, len(signals), CHUNK):
            part = slice(start, start + CHUNK)
            _pursue(residuals[part], norms[part], dictionary)
    return norms, signals - residuals


def _pursue(residuals: np.ndarray, norms: np.ndarray, dictionary: np.ndarray) -> None:
    """Codes a chunk in place.

    Atoms are orthogonalized one after the other (Gram-Schmidt): atoms = basis @ R. The coordinates in the basis are
    known while it grows; the code, inverse(R) @ coordinates, is computed when a signal is finished. Finished signals
    are not changed any more, and removed when there are enough of them.
    """
    length = dictionary.shape[0]
    atoms = np.ascontiguousarray(dictionary.T)
    active = np.flatnonzero((residuals * residuals).sum(1) > TOLERANCE**2)
    going = np.ones(len(active), bool)
    rest = residuals[active]
    coordinates = np.zeros((len(active), length), np.float32)
    basis = np.empty((len(active), length, length), np.float32)  # (n, step, d)
    triangle = np.empty((len(active), length, length), np.float32)  # (n, step, step): rows are columns of R
    products = np.empty((len(active), len(atoms)), np.float32)
    for step in range(length + 1):
        if step == length:
            going[:] = False
        if going.sum() <= ACTIVE_SHARE * len(going):
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
        going &= left > DEPENDENT_NORM
        left = np.maximum(left, DEPENDENT_NORM)
        new *= (going / left).astype(np.float32)[:, None]
        coordinate = np.einsum("nd,nd->n", new, rest)
        rest -= coordinate[:, None] * new
        basis[:, step], coordinates[:, step] = new, coordinate
        triangle[:, step, :step], triangle[:, step, step] = overlap[..., 0], left
        going &= np.einsum("nd,nd->n", rest, rest) > TOLERANCE**2


def _code_norms(triangle: np.ndarray, coordinates: np.ndarray) -> np.ndarray:
    """Computes the L1 norms of inverse(R) @ coordinates by back substitution; overwrites the coordinates."""
    for step in reversed(range(coordinates.shape[1])):
        coordinates[:, step] /= triangle[:, step, step]
        coordinates[:, :step] -= coordinates[:, step, None] * triangle[:, step, :step]
    return np.abs(coordinates).sum(1)


def to_patches(image: np.ndarray, step: int) -> Patches:
    """Cuts an image, (H, W) and at least 8x8, into overlapping patches at distances of `step` pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (SIDE, SIDE))[::step, ::step]
    patches = windows.reshape(-1, SIDE * SIDE).astype(np.float32)
    means = patches.mean(1)
    return patches - means[:, None], means


def from_patches(patches: np.ndarray, fallback: np.ndarray, step: int) -> np.ndarray:
    """Averages overlapping patches.

    Args:
        patches: (n, 64), with their means, in the order of `to_patches`.
        fallback: (H, W), the values of pixels that no patch covers.
        step: Pixels from one patch to the next.

    Returns:
        The image, (H, W) float64.
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
