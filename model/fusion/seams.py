"""Steps of brightness at the seams of a decision map, and which of them the scene does not hide."""

from collections.abc import Mapping

import cv2
import numpy as np

STEP = 2.0
"""Gray levels that sources must differ by at a seam, after a Gaussian of `STEP_SIGMA` pixels, to count as a step."""

STEP_SIGMA = 2.0

HIDDEN, HIDDEN_WHERE_SMOOTH = 14.0, 5.0
"""A step shows if it is larger than this many times the gradient around it, in gray levels a pixel; where no source has
detail, a smaller one does: it tears what is out of focus in all of them."""

SMOOTH = 2.0
"""Gray levels a pixel: the gradient around a place without detail."""

REACH, FURTHER_REACH = 14, 16
"""Pixels from a step within which coefficients are chosen, and within which the rest fades over more octaves."""


def brightness_steps(
    sources: Mapping[int, np.ndarray], labels: np.ndarray, unit: np.float32
) -> tuple[np.ndarray, np.ndarray]:
    """Finds where sources differ in brightness at seams.

    Args:
        sources: The sources that meet, by index: (h, w) or (h, w, C), uint8 or uint16.
        labels: (h, w), the index of the source of each pixel.
        unit: A gray level in the sources' range.

    Returns:
        How near each pixel is to any such step, and to those that would show; shares in [0, 1], (h, w) float32 each.
    """
    seams = []
    for axis in (0, 1):
        before, after = _neighbors(labels, axis)
        rows, columns = np.nonzero(before != after)
        seams.append(((rows, columns), (rows + (axis == 0), columns + (axis == 1))))
    channels = next(iter(sources.values())).size // labels.size
    values = [[np.empty((len(place[0]), channels), np.float32) for place in sides] for sides in seams]
    slope = np.zeros(labels.shape, np.float32)
    for index, source in sources.items():
        image = source.astype(np.float32) / unit
        np.maximum(slope, _slope(image), out=slope)
        smooth = cv2.GaussianBlur(image, (0, 0), STEP_SIGMA)
        for sides, levels in zip(seams, values, strict=True):
            rows, columns = sides[0]  # both sources at one pixel: what the scene does from pixel to pixel is no step
            for place, level in zip(sides, levels, strict=True):
                taken = labels[place] == index
                level[taken] = smooth[rows[taken], columns[taken]].reshape(-1, channels)
    step = np.zeros(labels.shape, np.float32)
    for sides, (here, there) in zip(seams, values, strict=True):
        height = np.abs(here - there).mean(-1)
        for place in sides:
            step[place] = np.maximum(step[place], height)
    around = cv2.GaussianBlur(slope, (0, 0), 3)
    shows = step > np.where(around < SMOOTH, np.float32(HIDDEN_WHERE_SMOOTH), np.float32(HIDDEN)) * around
    return _near(step > STEP, REACH), _near((step > STEP) & shows, FURTHER_REACH)


def _neighbors(labels: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])


def _slope(image: np.ndarray) -> np.ndarray:
    """Returns the gradient of gray levels, averaged over about two pixels."""
    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image, (0, 0), 0.8)
    along_x, along_y = (cv2.Sobel(gray, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return cv2.GaussianBlur(cv2.magnitude(along_x, along_y), (0, 0), 2)


def _near(where: np.ndarray, reach: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.GaussianBlur(cv2.dilate(where.view(np.uint8), disc).astype(np.float32), (0, 0), reach / 3)
