"""Fused results aligned to the ground truth: tools align to different frames and crop differently."""

import cv2
import numpy as np

from data.imaging.pixels import to_gray
from data.runtime.errors import InputError

BORDER = 0.05
"""Share of the width and height that is cropped on each side: a cropped result has no content there."""

UNMOVED = 0.02
"""Largest coefficient (pixels or fractions) of a motion that counts as none: the result is not interpolated then."""

SCALED_DIFFERENCE = 3
"""Pixels: a result whose width and height together differ by less counts as scaled, any other as cropped."""

_CONVERGENCE = (cv2.TERM_CRITERIA_COUNT + cv2.TERM_CRITERIA_EPS, 200, 1e-7)
"""When the search for the motion ends: after 200 iterations, or below this change of the correlation."""


def align_to_reference(truth: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Warps a result to the truth by the affine motion that maximizes their correlation (ECC; Evangelidis & Psarakis,
    IEEE TPAMI 30(10), 2008), with one cubic interpolation.

    Args:
        truth: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        image: The result, of the same channels and type, of any size; not cropped by more than `BORDER`.

    Returns:
        The result in the coordinates of the truth; the same array if it did not move.

    Raises:
        InputError: No motion is found.
    """
    (height, width), (rows, columns) = truth.shape[:2], image.shape[:2]
    if abs(rows - height) + abs(columns - width) < SCALED_DIFFERENCE:
        motion = np.array([[columns / width, 0, 0], [0, rows / height, 0]], np.float32)
    else:
        motion = np.array([[1, 0, (columns - width) / 2], [0, 1, (rows - height) / 2]], np.float32)
    target, view = (to_gray(one) / np.iinfo(one.dtype).max for one in (truth, image))
    try:
        _, motion = cv2.findTransformECC(target, view, motion, cv2.MOTION_AFFINE, _CONVERGENCE, None, 5)
    except cv2.error as error:
        raise InputError("the result cannot be aligned to its reference: they have too little in common.") from error
    if image.shape == truth.shape and np.abs(motion - np.eye(2, 3)).max() < UNMOVED:
        return image
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, motion, (width, height), flags=flags, borderMode=cv2.BORDER_REFLECT)


def crop_border(image: np.ndarray) -> np.ndarray:
    """Crops `BORDER` of an image on each side."""
    rows, columns = (int(BORDER * side) for side in image.shape[:2])
    return image[rows : image.shape[0] - rows, columns : image.shape[1] - columns]
