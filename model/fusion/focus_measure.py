"""How sharp each pixel of a source is, from the network's logits and the contrast, and which source is the sharpest.

The score is the network's logit of "out of focus", at full and at half resolution, less the logarithm of the contrast
around the pixel: where the network is sure it decides, and where it is not, in a flat region or at a boundary, the
sharper of two versions of the same thing is the one with more contrast. Small regions are then given to what surrounds
them. `python -m model.measurements sweep` measures all of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy import ndimage

from data.imaging.composition import compose, index_type
from data.imaging.pixels import per_level, to_gray

CONTRAST_NOISE = 100.0
"""Added to the contrast, in squared gray levels of a Sobel gradient, so that noise of about a gray level counts for
nothing."""

VISIBLE_CONTRAST = 50.0**2
"""Contrast from which a small region of a stack shows something, a speck or a hair, and stays; chosen on drawn stacks.
In a pair, small regions are noise, and all are removed."""


@dataclass(frozen=True)
class FocusMeasure:
    """The constants of the strategy, and what they do. The defaults were chosen on VOC's validation part.

    Attributes:
        smoothing: Standard deviation in pixels of the Gaussian over the logits.
        coarse_weight: What the logit at half resolution counts, against 1 at full resolution.
        contrast_weight: What the logarithm of the contrast counts.
        contrast_sigma: Standard deviation in pixels of the window in which contrast is measured.
        smallest: Share of the image below which a region is given to what surrounds it; see `remove_small_regions`.
    """

    smoothing: float = 0.7
    coarse_weight: float = 0.5
    contrast_weight: float = 5.0
    contrast_sigma: float = 2.0
    smallest: float = 0.001

    def score(self, image: np.ndarray, fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """Scores one source: the lower, the sharper.

        Args:
            image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
            fine: (H, W) float32, the logit of "out of focus".
            coarse: The same, found at a lower resolution.

        Returns:
            (H, W) float32.
        """
        return self.combine(contrast(image, self.contrast_sigma), fine, coarse)

    def combine(self, shown: np.ndarray, fine: np.ndarray, coarse: np.ndarray) -> np.ndarray:
        """Scores an image whose `contrast` is known; see `score`."""
        score = fine + np.float32(self.coarse_weight) * coarse
        if self.smoothing:
            score = cv2.GaussianBlur(score, (0, 0), self.smoothing)
        if self.contrast_weight:
            score -= np.float32(self.contrast_weight) * np.log(shown + np.float32(CONTRAST_NOISE))
        return score

    def decide(self, images: Sequence[np.ndarray], scores: Iterable[np.ndarray]) -> np.ndarray:
        """Finds the sharpest source of each pixel; holds two scores at a time, however many there are.

        Args:
            images: The sources.
            scores: Of each source in turn, (H, W) float32.

        Returns:
            (H, W) uint8, the index of the sharpest; of equals the first.
        """
        decision_map, shown = lowest(scores), None
        if len(images) > 2:
            shown = compose((contrast(image, self.contrast_sigma) for image in images), decision_map)
        return remove_small_regions(decision_map, self.smallest, shown)


def contrast(image: np.ndarray, sigma: float) -> np.ndarray:
    """Computes the squared Sobel gradient of the gray values, averaged by a Gaussian.

    Args:
        image: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        sigma: Standard deviation of the Gaussian, in pixels.

    Returns:
        (H, W) float32, in squared gray levels of 0..255.
    """
    gray = to_gray(image) / per_level(image.dtype)
    along_x, along_y = cv2.Sobel(gray, cv2.CV_32F, 1, 0), cv2.Sobel(gray, cv2.CV_32F, 0, 1)
    return cv2.GaussianBlur(along_x * along_x + along_y * along_y, (0, 0), sigma)


def lowest(scores: Iterable[np.ndarray]) -> np.ndarray:
    """Returns the index of the lowest of several scores at each pixel, (H, W) uint8, or uint16 where there are more
    than 256; of equals the first."""
    scores = iter(scores)
    best = next(scores)
    decision_map = np.zeros(best.shape, np.uint8)
    for index, score in enumerate(scores, start=1):
        decision_map = decision_map.astype(index_type(index + 1), copy=False)
        decision_map[score < best] = index
        best = np.minimum(score, best)
    return decision_map


def remove_small_regions(decision_map: np.ndarray, smallest: float, shown: np.ndarray | None = None) -> np.ndarray:
    """Gives every small connected region to the source of the nearest pixel that is in none.

    Args:
        decision_map: (H, W) uint8.
        smallest: Share of the image below which a region is small.
        shown: (H, W) float32, the `contrast` of the source that each pixel is taken from: a region that reaches
            `VISIBLE_CONTRAST` somewhere stays, however small. None keeps none.

    Returns:
        The map without such regions; as it is if all regions are such.
    """
    empty = np.zeros(decision_map.shape, bool)
    for source in np.unique(decision_map):
        _, regions, statistics, _ = cv2.connectedComponentsWithStats(
            (decision_map == source).view(np.uint8), connectivity=4
        )
        small = statistics[:, cv2.CC_STAT_AREA] < smallest * decision_map.size
        small[0] = False  # what is taken from another source
        if shown is not None:
            small[np.unique(regions[shown >= VISIBLE_CONTRAST])] = False
        empty |= small[regions]
    if empty.all() or not empty.any():
        return decision_map
    filled = decision_map.copy()
    # The nearest filled pixel lies at most one pixel outside of the empty window.
    rows, columns = (np.flatnonzero(empty.any(axis)) for axis in (1, 0))
    window = tuple(slice(max(0, found[0] - 1), found[-1] + 2) for found in (rows, columns))
    nearest = ndimage.distance_transform_edt(empty[window], return_distances=False, return_indices=True)
    filled[window] = decision_map[window][tuple(nearest)]
    return filled
