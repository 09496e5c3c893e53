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

from data.imaging.boundaries import near_boundaries
from data.imaging.composition import compose
from data.imaging.pixels import per_level
from model.fusion.ranking import Ranking


@dataclass(frozen=True)
class BoundaryBlending:
    """The constants of the blending, and what they do; the defaults were chosen on VOC's validation part
    (docs/ablation.md).

    Attributes:
        smoothing: Standard deviation in pixels of the Gaussian over the network's logits.
        reach: How far from a decision boundary pixels may be mixed, in pixels.
        error_threshold: The expected error in gray levels from which they are; infinity mixes nothing.
    """

    smoothing: float = 0.0
    reach: int = 4
    error_threshold: float = 8.0

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
        near = near_boundaries(ranking.decision_map, self.reach)
        rows, columns = np.nonzero(near & (ranking.confidence < 1))
        confidence, runner_up = ranking.confidence[rows, columns][:, None], ranking.runner_up[rows, columns]
        channels = fused.size // ranking.decision_map.size
        first = fused[rows, columns].reshape(-1, channels).astype(np.float32)
        second = np.empty_like(first)
        for index in np.unique(runner_up):
            chosen = runner_up == index
            second[chosen] = images[index][rows[chosen], columns[chosen]].reshape(-1, channels)
        levels = np.sqrt(np.square(first - second).mean(-1, keepdims=True)) / per_level(fused.dtype)
        unsure = (1 - confidence) * levels > self.error_threshold
        mixed = np.where(unsure, second + confidence * (first - second), first)
        fused[rows, columns] = np.rint(mixed).astype(fused.dtype).reshape(-1, *fused.shape[2:])
        return fused
