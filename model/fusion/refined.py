"""From the maps of two or more sources to one image: the strategy `refined`, which is ours.

The paper judges each photograph alone and decides between two whole candidates. Here each pixel of each source gets a
score, and the source with the lowest is taken. The score is the network's logit of "out of focus", at full and at half
resolution, less the logarithm of the contrast around the pixel: where the network is sure it decides, and where it is
not, in a flat region or at a boundary, the sharper of two versions of the same thing is the one with more contrast.
Small regions, of a stack those in which nothing is to be seen, are then given to what surrounds them. `python -m
model.measurements sweep` measures all of it.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from scipy import ndimage

from data.imaging.boundaries import align_boundaries
from data.imaging.pixels import per_level, put, to_gray
from data.registration.prepared import PreparedFrames

if TYPE_CHECKING:  # one loads TensorFlow, which scores do not need, the other imports this module
    from model.fusion.depth import DepthMap
    from model.fusion.predictor import FocusPredictor
    from model.networks.engine import Engine

NOISE = 100.0
"""Added to the contrast, in squared gray levels of a Sobel gradient: noise of about a gray level counts for nothing."""

VISIBLE = 50.0**2
"""Contrast from which a small region of a stack shows something, a speck or a hair, and stays; chosen on drawn stacks.
In a pair, small regions are noise: there all go."""


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
        """As `score`, of an image whose `contrast` is known."""
        score = fine + np.float32(self.coarse_weight) * coarse
        if self.smoothing:
            score = cv2.GaussianBlur(score, (0, 0), self.smoothing)
        if self.contrast_weight:
            score -= np.float32(self.contrast_weight) * np.log(shown + np.float32(NOISE))
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


@dataclass(frozen=True)
class MapDecision:
    """The result of the strategy `refined` or `learned`.

    Attributes:
        decision_map: (H, W) uint8, the index of the source that each pixel is taken from.
        fused: The result, of the sources' shape and type.
        strategy: Its name.
        find_depth: Of `learned`, finds the depth of each pixel in the stack.
    """

    decision_map: np.ndarray
    fused: np.ndarray
    strategy: str = "refined"
    find_depth: "Callable[[], DepthMap] | None" = None

    @property
    def depth(self) -> "DepthMap | None":
        """The depth of each pixel in the stack, of `learned` alone."""
        return self.find_depth and self.find_depth()

    def summary(self) -> dict[str, Any]:
        """The share of the pixels that each source gives, as far as the last that gives any, for a report."""
        shares = np.bincount(self.decision_map.ravel()) / self.decision_map.size
        return {"strategy": self.strategy, "shares": [round(float(share), 4) for share in shares]}


def load(predictor: "FocusPredictor", engine: "Engine") -> "RefinedStrategy":
    """Makes the strategy."""
    return RefinedStrategy(predictor)


class RefinedStrategy:
    """Takes each pixel from the source with the lowest score, and moves the decision boundaries between two.

    Args:
        predictor: Looks at each source.
        measure: Scores what it saw.
    """

    def __init__(self, predictor: "FocusPredictor", measure: FocusMeasure | None = None):
        self._predictor = predictor
        self._measure = measure or FocusMeasure()

    def scores(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        """Scores each image in turn: the lower, the sharper; (H, W) float32."""
        return self._predictor.maps(images, self._score)

    def decide(self, images: PreparedFrames) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        decision_map = self._measure.decide(images, self._known_scores(images))
        if len(images) == 2 and min(decision_map.shape) > 1:
            decision_map = align_boundaries(images, decision_map)
        images.restrict(decision_map)
        return MapDecision(decision_map, compose(images, decision_map))

    def _known_scores(self, images):
        """The scores, the highest where an image shows nothing."""
        for index, score in enumerate(self.scores(images)):
            covered = images.covered(index)
            yield score if covered is None else np.where(covered, score, np.float32(np.inf))

    def _score(self, images):
        looks = zip(images, self._predictor.two_scales(images), strict=True)
        return (self._measure.score(image, *both) for image, both in looks)


def contrast(image: np.ndarray, sigma: float) -> np.ndarray:
    """The squared Sobel gradient of the gray values, averaged by a Gaussian.

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
    """The index of the lowest of several scores at each pixel, (H, W) uint8; of equals the first."""
    decision_map = best = None
    for index, score in enumerate(scores):
        if decision_map is None:
            decision_map, best = np.zeros(score.shape, np.uint8), score
            continue
        decision_map[score < best] = index
        best = np.minimum(score, best)
    return decision_map


def remove_small_regions(decision_map: np.ndarray, smallest: float, shown: np.ndarray | None = None) -> np.ndarray:
    """Gives every small connected region to the source of the nearest pixel that is in none.

    Args:
        decision_map: (H, W) uint8.
        smallest: Share of the image below which a region is small.
        shown: (H, W) float32, the `contrast` of the source that each pixel is taken from: a region that reaches
            `VISIBLE` somewhere stays, however small. None keeps none.

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
            small[np.unique(regions[shown >= VISIBLE])] = False
        empty |= small[regions]
    if empty.all() or not empty.any():
        return decision_map
    filled = decision_map.copy()
    # What is nearest lies at most one pixel outside of all that is empty.
    rows, columns = (np.flatnonzero(empty.any(axis)) for axis in (1, 0))
    window = tuple(slice(max(0, found[0] - 1), found[-1] + 2) for found in (rows, columns))
    nearest = ndimage.distance_transform_edt(empty[window], return_distances=False, return_indices=True)
    filled[window] = decision_map[window][tuple(nearest)]
    return filled


def compose(images: Iterable[np.ndarray], decision_map: np.ndarray) -> np.ndarray:
    """Takes each pixel from the source that the decision map names.

    Args:
        images: Sources, (H, W) or (H, W, 3), all of one shape and type.
        decision_map: (H, W) uint8.
    """
    return compose_each(images, [decision_map])[0]


def compose_each(images: Iterable[np.ndarray], decision_maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """An image by each decision map, as `compose`; each source is looked at once."""
    fused: list[np.ndarray] = []
    for index, image in enumerate(images):
        fused = fused or [image.copy() for _ in decision_maps]
        for one, decision_map in zip(fused, decision_maps, strict=True):
            put(one, image, decision_map == index)
    return fused
