"""Results of fusion laid on the truth: tools align to different frames and cut differently."""

import cv2
import numpy as np

from data.imaging.pixels import to_gray
from data.runtime.errors import InputError

BORDER = 0.05
"""Share of each side that is left out on either end: there, a result that was cut shows nothing."""

STILL = 0.02
"""A motion whose every coefficient is below it, in pixels and fractions, is none: nothing is interpolated."""

NEARLY_EQUAL = 3
"""A result that differs so little in size, sides together, is taken for a scaled one, any other for a cut one."""

_ENOUGH = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-7)
"""When the search for the motion ends."""


def lay_on(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Lays a result on the truth by the affine motion that maximizes their correlation (ECC; Evangelidis & Psarakis,
    IEEE TPAMI 30(10), 2008), interpolated once, cubically.

    Args:
        truth: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        image: Of the same kind, of any size; not cut to less than the truth without its border, `BORDER`.

    Returns:
        The image in the frame of the truth; the same array where nothing moves.

    Raises:
        InputError: if no motion is found.
    """
    (height, width), (rows, columns) = truth.shape[:2], image.shape[:2]
    if abs(rows - height) + abs(columns - width) < NEARLY_EQUAL:
        motion = np.array([[columns / width, 0, 0], [0, rows / height, 0]], np.float32)
    else:
        motion = np.array([[1, 0, (columns - width) / 2], [0, 1, (rows - height) / 2]], np.float32)
    views = to_gray(truth) / np.iinfo(truth.dtype).max, to_gray(image) / np.iinfo(image.dtype).max
    try:
        _, motion = cv2.findTransformECC(*views, motion, cv2.MOTION_AFFINE, _ENOUGH, None, 5)
    except cv2.error as error:
        raise InputError("the result cannot be laid on its reference: they show too little in common.") from error
    if image.shape == truth.shape and np.abs(motion - np.eye(2, 3)).max() < STILL:
        return image
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, motion, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def inner(image: np.ndarray) -> np.ndarray:
    """An image without its border, `BORDER` on each side."""
    rows, columns = (int(BORDER * side) for side in image.shape[:2])
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]
