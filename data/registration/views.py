"""What of a view tells of motion: the structure that neither blur nor brightness changes much."""

import cv2
import numpy as np

FINE_SIGMA = 2.5
"""Pixels: smoothing before points are tracked, so that blurred and sharp views of an object look alike."""

COARSE_SIGMA = 20.0
"""Pixels: structure smoother than this is removed, and with it brightness and vignetting."""


def band_pass(view: np.ndarray, fine_sigma: float = FINE_SIGMA, coarse_sigma: float = COARSE_SIGMA) -> np.ndarray:
    """Returns the structure of a view that neither blur nor brightness changes much: what two Gaussians differ in."""
    fine = cv2.GaussianBlur(view, (0, 0), fine_sigma)
    return fine - cv2.GaussianBlur(fine, (0, 0), coarse_sigma)
