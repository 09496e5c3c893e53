"""Views of a scene from a little to the left and right, from its fused image and its depth map.

For looking at: a rocking animation, and a pair of pictures for both eyes. The depth is known in steps of the stack and
only where there is detail; in between it is filled smoothly, and what was hidden is stretched from what is beside it.
"""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from data.imaging.pixels import to_uint8
from data.io.files import atomic_path
from data.io.image_io import write_image
from model.fusion.depth import DepthMap

PARALLAX = 0.008
"""Largest motion of the nearest and of the farthest frame between the middle and an outermost view, as a share of the
longer side."""

VIEWS, MILLISECONDS = 24, 60
"""Views of an animation, and how long each is shown."""

ANIMATED_SIDE, STEREO_SIDE = 1000, 4000
"""Longest side of an animation, and of the picture for each eye, in pixels: they are for looking at."""

QUALITY = 85
"""WebP quality of an animation."""

SETTLED = 1e-2
"""Confidence below which a pixel takes the depth of what surrounds it."""

STEPS = 5
"""Steps in which the origin of a shifted pixel is found."""


def write_rocking(path: Path, fused: np.ndarray, depth: DepthMap) -> None:
    """Writes an animated WebP that rocks from left to right and back without end.

    Args:
        path: Its file.
        fused: (H, W, 3) RGB or (H, W) gray, uint8 or uint16 in its whole range.
        depth: Of the same size; the first frame is taken as the nearest.
    """
    image, filled = _reduced(fused, depth, ANIMATED_SIDE)
    angles = 2 * np.pi * np.arange(VIEWS) / VIEWS
    first, *others = (Image.fromarray(view) for view in views(image, filled, np.sin(angles)))
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        first.save(
            file, "WEBP", save_all=True, append_images=others, duration=MILLISECONDS, loop=0, quality=QUALITY, method=4
        )


def write_stereo(path: Path, fused: np.ndarray, depth: DepthMap) -> None:
    """Writes what the left eye sees beside what the right eye sees, for looking straight ahead; arguments as
    `write_rocking`."""
    write_image(path, np.hstack(list(views(*_reduced(fused, depth, STEREO_SIDE), (-1.0, 1.0)))))


def _reduced(fused: np.ndarray, depth: DepthMap, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns the image, uint8, and the nearness of its pixels, both with no side longer than that."""
    image, nearness = to_uint8(fused), fill(depth)
    scale = longest / max(image.shape[:2])
    if scale >= 1:
        return image, nearness
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    image, nearness = (cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in (image, nearness))
    return image, nearness


def views(image: np.ndarray, nearness: np.ndarray, places: "tuple[float, ...] | np.ndarray") -> Iterator[np.ndarray]:
    """Yields a scene as it is seen from places between the outermost on the left, -1, and on the right, 1.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8.
        nearness: (H, W) float32, 1 for what is nearest, -1 for what is farthest.
        places: Of the views.

    Yields:
        (H, w, 3) uint8: without the columns at both sides that some view does not show.
    """
    image = image if image.ndim == 3 else np.dstack([image] * 3)
    height, width = nearness.shape
    reach = PARALLAX * max(height, width)
    columns, rows = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    margin = min(int(np.ceil(reach)), (width - 1) // 2)
    for place in places:
        # What is near moves against the eye. Where it was before is not known: it is approached from where it is now.
        origin = columns
        for _ in range(STEPS):
            shift = cv2.remap(nearness, origin, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
            origin = columns + np.float32(place * reach) * shift
        view = cv2.remap(image, origin, rows, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        yield np.ascontiguousarray(view[:, margin : width - margin])


def fill(depth: DepthMap) -> np.ndarray:
    """Returns the nearness of each pixel, 1 for the first of the frames that are seen to -1 for the last, (H, W)
    float32; where the depth is unsure, that of what surrounds it."""
    weight = depth.confidence * depth.confidence
    levels = [(cv2.medianBlur(depth.frames, 5) * weight, weight)]
    while min(levels[-1][0].shape) > 2:
        levels.append(tuple(map(cv2.pyrDown, levels[-1])))
    values, weights = levels.pop()
    filled = values / np.maximum(weights, np.finfo(np.float32).tiny)
    for values, weights in reversed(levels):
        around = cv2.pyrUp(filled, dstsize=values.shape[::-1])
        filled = (values + SETTLED * around) / (weights + SETTLED)
    sigma = max(1.0, max(filled.shape) / 150)  # no edge of the depth tears a thing apart
    filled = cv2.GaussianBlur(filled, (0, 0), sigma)
    low, high = float(filled.min()), float(filled.max())
    return np.float32(1) - 2 * (filled - low) / max(high - low, 1e-6)
