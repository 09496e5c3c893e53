"""Foregrounds without a mask: drawn ones (thin things, blobs, polygons), whose outlines are exact to the pixel, and
parts of the photograph itself, which end where its edges are."""

import cv2
import numpy as np


def draw_region(image: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Puts a drawn shape before a photograph; the shape shows another part of the same photograph.

    Outlines of VOC's masks are a few pixels off and hardly ever thin. Here wires, stalks and leaves are exact.

    Args:
        image: (N, N, 3) uint8 RGB.
        rng: Source of all that is random.

    Returns:
        The photograph with the shape in it, and the shape, (N, N) uint8, 1 = foreground.
    """
    size = image.shape[0]
    shape = SHAPES[int(rng.integers(len(SHAPES)))](size, rng)
    surface = np.roll(np.rot90(image, int(rng.integers(1, 4))), int(rng.integers(size)), axis=int(rng.integers(2)))
    # A surface of another brightness stands out from what is behind it, as most things do.
    surface = np.clip(surface * rng.uniform(0.6, 1.4) + rng.uniform(-40, 40), 0, 255)
    return np.where(shape[..., None] > 0, surface, image).astype(np.uint8), shape


def grow_region(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Takes a part of the photograph as foreground: a watershed from random points, of which the half on one side are
    the foreground, so that its outline follows edges of the image as far as there are some.

    Args:
        image: (N, N, 3) uint8 RGB.
        rng: Source of all that is random.

    Returns:
        (N, N) uint8, 1 = foreground.
    """
    size = image.shape[0]
    points = rng.integers(1, size - 1, (int(rng.integers(6, 40)), 2))
    markers = np.zeros((size, size), np.int32)
    markers[points[:, 0], points[:, 1]] = np.arange(1, len(points) + 1)
    basins = cv2.watershed(cv2.GaussianBlur(image, (0, 0), 1), markers).astype(np.float32)
    # Watershed marks the lines between basins, and the frame, by -1.
    basins[0], basins[-1], basins[:, 0], basins[:, -1] = basins[1], basins[-2], basins[:, 1], basins[:, -2]
    basins = np.where(basins < 0, cv2.dilate(basins, np.ones((3, 3), np.uint8)), basins).astype(int)
    angle = rng.uniform(-np.pi, np.pi)
    along = points @ (np.cos(angle), np.sin(angle))
    near = np.concatenate([[False], along > np.quantile(along, rng.uniform(0.3, 0.7))])
    return near[basins].astype(np.uint8)


def _strokes(size, rng):
    """A few thin, bent lines across the picture."""
    region = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(2, 7))):
        ends = rng.uniform(-0.1, 1.1, (2, 2)) * size
        middle = ends.mean(0) + rng.normal(0, 0.15, 2) * size
        t = np.linspace(0, 1, 24)[:, None]
        curve = (1 - t) ** 2 * ends[0] + 2 * t * (1 - t) * middle + t**2 * ends[1]
        thickness = int(np.exp(rng.uniform(np.log(1), np.log(size / 12))))
        cv2.polylines(region, [np.rint(curve).astype(np.int32)], False, 1, max(thickness, 1))
    return region


def _blobs(size, rng):
    """The hills of smooth noise."""
    cells = int(rng.integers(3, 9))
    hills = cv2.resize(rng.standard_normal((cells, cells)), (size, size), interpolation=cv2.INTER_CUBIC)
    return (hills > np.quantile(hills, rng.uniform(0.4, 0.8))).astype(np.uint8)


def _polygons(size, rng):
    """One to four filled polygons."""
    region = np.zeros((size, size), np.uint8)
    for _ in range(int(rng.integers(1, 5))):
        center, reach = rng.uniform(0, size, 2), rng.uniform(0.08, 0.35) * size
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        corners = center + reach * rng.uniform(0.5, 1, (len(angles), 1)) * np.stack([np.cos(angles), np.sin(angles)], 1)
        cv2.fillPoly(region, [np.rint(corners).astype(np.int32)], 1)
    return region


SHAPES = (_strokes, _blobs, _polygons)
"""What draws a shape: (side of the picture, random source) -> (side, side) uint8, 1 = foreground."""
