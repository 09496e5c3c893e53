"""Frames warped to the reference, by one interpolation from the original."""

import cv2
import numpy as np

from data.registration.affine import corners_of, transform_points


def warp_to_reference(frame: np.ndarray, warp: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Warps a frame to the reference.

    Args:
        frame: (H2, W2, 3) RGB or (H2, W2) gray, uint8 or uint16.
        warp: (3, 3) float64, reference (x, y, 1) to the frame's.
        shape: (H, W, ...) of the reference.

    Returns:
        The warped frame, (H, W, 3) or (H, W), of the frame's type; where it has no content its border is repeated. With
        the identity, the frame itself is returned.
    """
    height, width = shape[:2]
    if _is_identity(frame.shape, warp, shape):
        return frame
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(frame, warp[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def coverage(size: tuple[int, ...], warp: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Returns where a warped frame has content, (H, W) bool.

    Args:
        size: (H2, W2, ...) of the frame.
        warp: As in `warp_to_reference`.
        shape: (H, W, ...) of the reference.
    """
    height, width = shape[:2]
    covered = np.ones((height, width), bool)
    if _is_identity(size, warp, shape):
        return covered
    columns, rows = np.arange(width), np.arange(height)[:, None]
    for (across, down, shift), side in zip(warp[:2], size[1::-1], strict=True):
        place = across * columns + (down * rows + shift)
        covered &= (place >= 0) & (place <= side - 1)
    return covered


def _is_identity(size: tuple[int, ...], warp: np.ndarray, shape: tuple[int, ...]) -> bool:
    return tuple(size[:2]) == tuple(shape[:2]) and np.array_equal(warp, np.eye(3))


def common_part(warps: list[np.ndarray], shapes: list[tuple[int, ...]], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Returns the rows and columns of the reference that every frame covers.

    Args:
        warps: (3, 3) float64, reference to frame.
        shapes: Of the frames, (H, W, ...).
        shape: Of the reference.
    """
    low, high = np.zeros(2), np.array(shape[1::-1]) - 1.0
    for warp, size in zip(warps, shapes, strict=True):
        corners = np.sort(transform_points(np.linalg.inv(warp), corners_of(size)), axis=0)
        low, high = (
            np.maximum(low, corners[1]),
            np.minimum(high, corners[2]),
        )  # of a frame that is turned by any quarter
    first, last = np.ceil(low - 1e-6).astype(int), np.floor(high + 1e-6).astype(int)
    columns, rows = (slice(int(a), int(max(a, b + 1))) for a, b in zip(first, last, strict=True))
    return rows, columns
