"""Sparse representation of overlapping patches: what MST-SR and ASR share.

Source: Yang & Li, "Multifocus image fusion and restoration with sparse representation", IEEE TIM 59(4), 2010.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

SIDE = 8
"""Patches have 8x8 pixels."""

TOLERANCE = 0.1
"""Greatest norm of what a code leaves of a patch, in grey levels."""

CHUNK = 256
"""So many signals are coded together: what is kept of them should stay in the processor's cache."""


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

    def code_chunk(start):
        part = slice(start, start + CHUNK)
        _pursue(residuals[part], norms[part], dictionary, tolerance)

    # Chunks run side by side, as numpy lets go of the interpreter; its own threads would only get in their way.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as threads:
        list(threads.map(code_chunk, range(0, len(signals), CHUNK)))
    return Codes(norms, signals - residuals)


def _pursue(residuals, norms, dictionary, tolerance):
    """Codes a chunk in place.

    Atoms are made orthogonal one after the other (Gram-Schmidt): atoms = basis @ R. The code is
    inverse(R) @ coordinates and grows by one column of inverse(R) a step.
    """
    length = dictionary.shape[0]
    atoms = np.ascontiguousarray(dictionary.T)
    active = np.flatnonzero((residuals * residuals).sum(1) > tolerance**2)
    rest = residuals[active]
    basis = np.zeros((len(active), length, length), np.float32)  # (n, step, d)
    inverse = np.zeros((len(active), length, length), np.float32)  # (n, step, atom): rows are columns of inverse(R)
    code = np.zeros((len(active), length), np.float32)
    for step in range(length):
        if not active.size:
            return
        chosen = np.abs(rest @ dictionary).argmax(1)
        atom = atoms[chosen]
        known = basis[:, :step]
        overlap = known @ atom[:, :, None]  # (n, step, 1)
        new = atom - (overlap.transpose(0, 2, 1) @ known)[:, 0]
        length_left = np.sqrt((new * new).sum(1))
        usable = length_left > 1e-4  # an atom that earlier ones span adds nothing: the pursuit ends
        scale = np.where(usable, 1 / np.maximum(length_left, 1e-4), 0).astype(np.float32)
        new *= scale[:, None]
        coordinate = (new * rest).sum(1)
        rest -= coordinate[:, None] * new
        basis[:, step] = new
        column = -(overlap.transpose(0, 2, 1) @ inverse[:, :step])[:, 0] * scale[:, None]
        column[:, step] = scale
        inverse[:, step] = column
        code += coordinate[:, None] * column
        done = ((rest * rest).sum(1) <= tolerance**2) | ~usable | (step == length - 1)
        if done.any():
            finished = active[done]
            residuals[finished], norms[finished] = rest[done], np.abs(code[done]).sum(1)
            going = ~done
            active, rest, code = active[going], rest[going], code[going]
            basis, inverse = basis[going], inverse[going]


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
