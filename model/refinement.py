"""From the maps of two or more sources to one image: the strategy `refined`, which is ours.

The paper judges each photograph alone and decides between two whole candidates. Here the photographs are compared at
each pixel: the source with the lowest logit of "out of focus" is taken. In a flat region, where one photograph tells
nothing, the small difference between two still does. Logits are smoothed first, and regions too small to be seen as
such are given to what surrounds them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from scipy import ndimage

SMOOTHING = 2.0
"""Standard deviation in pixels of the Gaussian that smooths the logits."""

SMALLEST_REGION = 0.002
"""Regions below this share of the image are given to what surrounds them."""

CERTAIN = 1e-6
"""Probabilities are kept this far from 0 and 1, where the logit has no bound."""


@dataclass(frozen=True)
class RefinedDecision:
    """The result of the strategy `refined`.

    Attributes:
        labels: (H, W) uint8, the index of the source that each pixel is taken from.
        fused: The result, of the sources' shape and type.
    """

    labels: np.ndarray
    fused: np.ndarray

    def summary(self) -> dict[str, Any]:
        """The share of the pixels that each source gives, as far as the last that gives any, for a report."""
        shares = np.bincount(self.labels.ravel()) / self.labels.size
        return {"strategy": "refined", "shares": [round(float(share), 4) for share in shares]}


def compare(unfocused: Iterable[np.ndarray], smoothing: float = SMOOTHING) -> np.ndarray:
    """Finds the sharpest source of each pixel; holds two maps at a time, however many there are.

    Args:
        unfocused: Maps (H, W) float32, the probability that a source's pixel is out of focus.
        smoothing: Standard deviation in pixels of the Gaussian over the logits; 0 leaves them as they are.

    Returns:
        (H, W) uint8, the index of the sharpest; of equals the first.
    """
    labels = lowest = None
    for index, probability in enumerate(unfocused):
        blur = _logit(probability)
        if smoothing:
            blur = cv2.GaussianBlur(blur, (0, 0), smoothing)
        if labels is None:
            labels, lowest = np.zeros(blur.shape, np.uint8), blur
            continue
        sharper = blur < lowest
        labels[sharper] = index
        np.minimum(blur, lowest, out=lowest)
    return labels


def remove_islands(labels: np.ndarray, smallest: float = SMALLEST_REGION) -> np.ndarray:
    """Gives every small connected region the label of the nearest pixel that is in none.

    Args:
        labels: (H, W) uint8.
        smallest: Share of the image below which a region is small.

    Returns:
        The labels without islands and holes; as they are if all regions are small.
    """
    small = np.zeros(labels.shape, bool)
    for label in np.unique(labels):
        _, regions, statistics, _ = cv2.connectedComponentsWithStats((labels == label).view(np.uint8), connectivity=4)
        below = statistics[:, cv2.CC_STAT_AREA] < smallest * labels.size
        below[0] = False  # what has another label
        small |= below[regions]
    if small.all() or not small.any():
        return labels
    nearest = ndimage.distance_transform_edt(small, return_distances=False, return_indices=True)
    return labels[tuple(nearest)]


def compose(images: Iterable[np.ndarray], labels: np.ndarray) -> np.ndarray:
    """Takes each pixel from the source that its label names.

    Args:
        images: Sources, (H, W) or (H, W, 3), all of one shape and type.
        labels: (H, W) uint8.
    """
    fused = None
    for index, image in enumerate(images):
        if fused is None:
            fused = image.copy()
        else:
            np.copyto(fused, image, where=(labels == index).reshape(labels.shape + (1,) * (image.ndim - 2)))
    return fused


def _logit(probability):
    inside = np.clip(probability, CERTAIN, 1 - CERTAIN)
    return np.log(inside / (1 - inside))
