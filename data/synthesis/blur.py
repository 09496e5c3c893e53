"""Blur: the paper's repeated Gaussian window, and the point spread functions of defocused lenses."""

import cv2
import numpy as np

GAUSSIAN_WINDOW = 3
"""Pixels: side of the paper's Gaussian filter (Wang, Jin et al. 2022), which is applied 1 to 5 times."""

GAUSSIAN_SIGMA = 2.0
"""Pixels: standard deviation of that filter."""


def repeated_gaussian(image: np.ndarray, passes: int, window: int = GAUSSIAN_WINDOW) -> np.ndarray:
    """Blurs as the paper does: applies the same small Gaussian window `passes` times.

    With the 3x3 window the effective standard deviation is 0.80, 1.13, 1.38, 1.60 and 1.79 pixels for 1 to 5 passes.

    Args:
        image: (H, W) or (H, W, C), float32.
        passes: Number of passes, at least 1.
        window: Side of the window, odd; Liu et al. 2017 use 7.

    Returns:
        The blurred image, float32 of the same shape.
    """
    for _ in range(passes):
        image = cv2.GaussianBlur(image, (window, window), GAUSSIAN_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    return image


def disc_kernel(radius: float) -> np.ndarray:
    """Computes the point spread of an ideal round aperture: a disc of `radius` pixels with a smooth edge, sum 1.

    Returns:
        (K, K) float32, K odd.
    """
    half = int(np.ceil(radius + 0.5))
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    # The share of each pixel that the disc covers, from the distance of its center to the rim: exact along the axes,
    # within 2 % elsewhere.
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)
    return kernel / kernel.sum()


def ring_kernel(radius: float) -> np.ndarray:
    """Computes the point spread of a mirror lens: a disc of `radius` pixels without the disc of half its radius, sum 1.

    Returns:
        (K, K) float32, K odd.
    """
    outer, inner = disc_kernel(radius), disc_kernel(radius / 2)
    # Each is constant over its area: weighted by the areas, the inner disc is cut out.
    ring = outer * 4
    margin = (outer.shape[0] - inner.shape[0]) // 2
    ring[margin : margin + inner.shape[0], margin : margin + inner.shape[0]] -= inner
    ring = np.maximum(ring, 0)
    return ring / ring.sum()


def polygon_kernel(radius: float, blades: int, turn: float) -> np.ndarray:
    """Computes the point spread of an aperture with straight blades: a regular polygon, sum 1.

    Args:
        radius: Radius of the disc of equal area, in pixels.
        blades: Number of blades, at least 3.
        turn: Angle of the first corner, in radians.

    Returns:
        (K, K) float32, K odd.
    """
    finer = 4  # drawn larger by this factor and reduced, for smooth edges
    corner = radius * np.sqrt(2 * np.pi / (blades * np.sin(2 * np.pi / blades)))
    half = int(np.ceil(corner + 0.5))
    side = 2 * half + 1
    angles = turn + 2 * np.pi * np.arange(blades) / blades
    corners = corner * np.stack([np.cos(angles), np.sin(angles)], 1) * finer + (side * finer - 1) / 2
    drawn = np.zeros((side * finer, side * finer), np.uint8)
    cv2.fillPoly(drawn, [np.rint(corners).astype(np.int32)], 255)
    kernel = cv2.resize(drawn.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    return kernel / kernel.sum()


def gaussian_kernel(sigma: float) -> np.ndarray:
    """Computes a Gaussian point spread of `sigma` pixels, cut at 3 sigma, sum 1; (K, K) float32, K odd."""
    line = cv2.getGaussianKernel(2 * int(np.ceil(3 * sigma)) + 1, sigma, cv2.CV_32F)
    return line @ line.T


def convolve(image: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Filters each channel by a kernel, with a mirrored border; float32 of the image's shape."""
    return cv2.filter2D(image, cv2.CV_32F, kernel, borderType=cv2.BORDER_REFLECT_101)
