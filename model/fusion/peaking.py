"""Marks what is sharp in a photograph, as the focus peaking of cameras does."""

import cv2
import numpy as np

from data.imaging.pixels import to_gray, to_uint8

FINE, COARSE = 0.7, 2.8
"""Standard deviations in pixels of the Gaussians whose gradients are compared: an edge that is blurred has about the
same gradient after both."""

RATIO, LEAST = 2.0, 6.0
"""A pixel is marked where the gradient after the finer is so many times that after the coarser, and at least so many
gray levels a pixel."""

COLOR = (255, 40, 40)
"""RGB of what is marked."""

DIMMED = 0.55
"""Brightness of what is not."""


def mark_sharp(image: np.ndarray) -> np.ndarray:
    """Draws a photograph in dimmed gray, its sharp edges in red.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.

    Returns:
        (H, W, 3) uint8.
    """
    gray = to_gray(to_uint8(image)).astype(np.float32)
    fine, coarse = _gradient(gray, FINE), _gradient(gray, COARSE)
    sharp = (fine > LEAST) & (fine > RATIO * coarse)
    picture = np.repeat((DIMMED * gray).astype(np.uint8)[..., None], 3, axis=2)
    picture[cv2.dilate(sharp.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = COLOR
    return picture


def _gradient(gray: np.ndarray, sigma: float) -> np.ndarray:
    smooth = cv2.GaussianBlur(gray, (0, 0), sigma)
    return cv2.magnitude(*(cv2.Sobel(smooth, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1))))
