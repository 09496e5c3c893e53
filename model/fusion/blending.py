"""Boundary blending of the strategy `learned`, which is ours: where its network is unsure, two sources are mixed.

If a source is the sharper one with the probability p >= 1/2, taking it has an expected error of 1 - p times the
difference of both. Where that is more than a few gray levels, the mean of both by p is taken: no other mixture has a
lower expected squared error. Away from decision boundaries nothing is mixed, and each region keeps the grain of one
source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import expit

from data.pixels import per_level
from model.fusion.refined import compose, remove_small_regions


class Ranking:
    """The sharpest source of each pixel, its runner-up, and how sure that is; any number of sources.

    Args:
        shape: (H, W).

    Attributes:
        decision_map: (H, W) uint8, the index of the sharpest so far; 0 at first.
        runner_up: (H, W) uint8, the index of the source that came closest to it.
        confidence: (H, W) float32 in [0.5, 1], the probability that the sharpest is sharper than the runner-up.
    """

    def __init__(self, shape: tuple[int, int]):
        self.decision_map, self.runner_up = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self.confidence = np.ones(shape, np.float32)

    def add(self, index: int, logits: np.ndarray) -> np.ndarray:
        """Compares another source with the sharpest so far.

        Args:
            index: Of the source.
            logits: (H, W) float32, of "the sharpest so far is the blurred one".

        Returns:
            (H, W) bool, where the source is the sharpest now.
        """
        wins, confidence = logits > 0, np.abs(logits)
        expit(confidence, out=confidence)
        self.runner_up[wins] = self.decision_map[wins]
        self.decision_map[wins] = index
        closer = ~wins & (confidence < self.confidence)
        self.runner_up[closer] = index
        changed = wins | closer
        self.confidence[changed] = confidence[changed]
        return wins

    def remove_small_regions(self, smallest: float) -> None:
        """As `model.fusion.refined.remove_small_regions`; what changes has the confidence 1 from then on."""
        decision_map = remove_small_regions(self.decision_map, smallest)
        self.confidence[decision_map != self.decision_map] = 1
        self.decision_map = decision_map


@dataclass(frozen=True)
class BoundaryBlending:
    """The constants of the blending, and what they do; the defaults were chosen on VOC's validation part
    (docs/ablation.md).

    Attributes:
        smoothing: Standard deviation in pixels of the Gaussian over the network's logits.
        reach: How far from a decision boundary pixels may be mixed, in pixels.
        mistake: The expected error in gray levels from which they are; infinity mixes nothing.
    """

    smoothing: float = 1.0
    reach: int = 4
    mistake: float = 4.0

    def smooth(self, logits: np.ndarray) -> np.ndarray:
        """Smooths logits, (H, W) float32."""
        return cv2.GaussianBlur(logits, (0, 0), self.smoothing) if self.smoothing else logits

    def mix(self, images: Sequence[np.ndarray], ranking: Ranking) -> np.ndarray:
        """Takes each pixel from its sharpest source, and mixes it with the runner-up where that is unsure.

        Args:
            images: (H, W) or (H, W, 3), uint8 or uint16, all of one shape and type.
            ranking: Of these images.

        Returns:
            The fused image, of their shape and type.
        """
        fused = compose(images, ranking.decision_map)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * self.reach + 1, 2 * self.reach + 1))
        near_boundary = cv2.morphologyEx(ranking.decision_map, cv2.MORPH_GRADIENT, disc) > 0
        rows, columns = np.nonzero(near_boundary & (ranking.confidence < 1))
        confidence, runner_up = ranking.confidence[rows, columns][:, None], ranking.runner_up[rows, columns]
        channels = fused.size // ranking.decision_map.size
        first = fused[rows, columns].reshape(-1, channels).astype(np.float32)
        second = np.empty_like(first)
        for index in np.unique(runner_up):
            chosen = runner_up == index
            second[chosen] = images[index][rows[chosen], columns[chosen]].reshape(-1, channels)
        levels = np.sqrt(np.square(first - second).mean(-1, keepdims=True)) / per_level(fused.dtype)
        unsure = (1 - confidence) * levels > self.mistake
        mixed = np.where(unsure, second + confidence * (first - second), first)
        fused[rows, columns] = np.rint(mixed).astype(fused.dtype).reshape(-1, *fused.shape[2:])
        return fused
