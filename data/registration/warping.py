"""Frames warped to the reference, by one interpolation from the original."""

import cv2
import numpy as np

from data.registration.affine import corners_of, is_affine, transform_points


def warp_image(
    image: np.ndarray, warp: np.ndarray, shape: tuple[int, ...], interpolation: int, border: int
) -> np.ndarray:
    """Warps an image.

    Args:
        image: (H2, W2, 3) or (H2, W2).
        warp: (3, 3) float64, (x, y, 1) of the result to those of the image.
        shape: (H, W, ...) of the result.
        interpolation, border: OpenCV's names for what is between pixels and outside.
    """
    flags, size = interpolation | cv2.WARP_INVERSE_MAP, (shape[1], shape[0])
    if is_affine(warp):
        return cv2.warpAffine(image, warp[:2], size, flags=flags, borderMode=border)
    return cv2.warpPerspective(image, warp, size, flags=flags, borderMode=border)


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
    if _is_identity(frame.shape, warp, shape):
        return frame
    return warp_image(frame, warp, shape, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)


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
    nearness = 1.0 if is_affine(warp) else warp[2, 0] * columns + (warp[2, 1] * rows + warp[2, 2])
    for (across, down, shift), side in zip(warp[:2], size[1::-1], strict=True):
        place = (across * columns + (down * rows + shift)) / nearness
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
