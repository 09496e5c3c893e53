"""Foregrounds without a mask: drawn shapes (thin lines, blobs, polygons), whose outlines are exact to the pixel, and
regions of the photograph itself, bounded by its edges."""

from collections.abc import Callable

import cv2
import numpy as np


def draw_region(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draws a shape in front of a photograph, textured with another part of the same photograph.

    Outlines of VOC's masks are inexact by a few pixels and rarely thin; drawn lines and shapes are exact.

    Args:
        image: (N, N, 3) uint8 RGB.
        rng: Random generator.

    Returns:
        The photograph with the shape, and the shape's mask, (N, N) uint8, 1 = foreground.
    """
    size = image.shape[0]
    shape = SHAPES[int(rng.integers(len(SHAPES)))](size, rng)
    surface = np.roll(np.rot90(image, int(rng.integers(1, 4))), int(rng.integers(size)), axis=int(rng.integers(2)))
    # Another brightness makes it stand out from the background, as most objects do.
    surface = np.clip(surface * rng.uniform(0.6, 1.4) + rng.uniform(-40, 40), 0, 255)
    return np.where(shape[..., None] > 0, surface, image).astype(np.uint8), shape


def grow_region(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Chooses a region of the photograph as foreground: the watershed basins of random points on one side of a line, so
    that the outline follows edges of the image where there are some.

    Args:
        image: (N, N, 3) uint8 RGB.
        rng: Random generator.

    Returns:
        (N, N) uint8, 1 = foreground.
    """
    size = image.shape[0]
    points = rng.integers(1, size - 1, (int(rng.integers(6, 40)), 2))
    markers = np.zeros((size, size), np.int32)
    markers[points[:, 0], points[:, 1]] = np.arange(1, len(points) + 1)
    basins = cv2.watershed(cv2.GaussianBlur(image, (0, 0), 1), markers).astype(np.float32)
    # Watershed marks the lines between basins, and the image border, by -1.
    basins[0], basins[-1], basins[:, 0], basins[:, -1] = basins[1], basins[-2], basins[:, 1], basins[:, -2]
    basins = np.where(basins < 0, cv2.dilate(basins, np.ones((3, 3), np.uint8)), basins).astype(int)
    angle = rng.uniform(-np.pi, np.pi)
    along = points @ (np.cos(angle), np.sin(angle))
    near = np.concatenate([[False], along > np.quantile(along, rng.uniform(0.3, 0.7))])
    return near[basins].astype(np.uint8)


def _strokes(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws a few thin, bent lines."""
    region = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(2, 7))):
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * size
        middle = ends.mean(0) + rng.normal(0, 0.15, 2) * size
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
        thickness = int(np.exp(rng.uniform(np.log(1), np.log(size / 12))))
        cv2.polylines(region, [np.rint(curve).astype(np.int32)], False, 1, max(thickness, 1))
    return region


def _blobs(size: int, rng: np.random.Generator) -> np.ndarray:
    """Thresholds smooth noise."""
    cells = int(rng.integers(3, 9))
    hills = cv2.resize(rng.standard_normal((cells, cells)), (size, size), interpolation=cv2.INTER_CUBIC)
    return (hills > np.quantile(hills, rng.uniform(0.4, 0.8))).astype(np.uint8)


def _polygons(size: int, rng: np.random.Generator) -> np.ndarray:
    """Draws one to four filled polygons."""
    region = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        center, reach = rng.uniform(0, size, 2), rng.uniform(0.08, 0.35) * size
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        corners = center + reach * rng.uniform(0.5, 1, (len(angles), 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(region, [np.rint(corners).astype(np.int32)], 1)
    return region


SHAPES: tuple[Callable[[int, np.random.Generator], np.ndarray], ...] = (_strokes, _blobs, _polygons)
"""Functions that draw a shape: (side of the image, random generator) -> (side, side) uint8, 1 = foreground."""
