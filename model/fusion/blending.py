"""Seams of the strategy `learned`, which is ours: where its network is in doubt at an outline, two sources are mixed.

If a source is the sharper one with the probability p >= 1/2, taking it has an expected error of 1 - p times the
difference of both. Where that is more than a few grey levels, the mean of both by p is taken: no other mixture has a
lower expected squared error. Away from outlines nothing is mixed, and each region keeps the grain of one source.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.special import expit

from data.pixels import per_level
from model.fusion.refined import compose, remove_islands


class Ranking:
    """The sharpest source of each pixel, the likeliest other, and how sure that is; any number of sources.

    Args:
        shape: (H, W).

    Attributes:
        labels: (H, W) uint8, the index of the sharpest so far; 0 at first.
        rivals: (H, W) uint8, the index of the other.
        shares: (H, W) float32 in [0.5, 1], the probability that `labels` is the sharper of the two.
    """

    def __init__(self, shape: tuple[int, int]):
        self.labels, self.rivals = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
        self.shares = np.ones(shape, np.float32)

    def challenge(self, index: int, logits: np.ndarray) -> np.ndarray:
        """Lets another source compete.

        Args:
            index: Of the source.
            logits: (H, W) float32, of "the sharpest so far is the blurred one".

        Returns:
            (H, W) bool, where the source is the sharpest now.
        """
        wins, shares = logits > 0, np.abs(logits)
        expit(shares, out=shares)
        self.rivals[wins] = self.labels[wins]
        self.labels[wins] = index
        closer = ~wins & (shares < self.shares)
        self.rivals[closer] = index
        changed = wins | closer
        self.shares[changed] = shares[changed]
        return wins

    def remove_islands(self, smallest: float) -> None:
        """Gives small regions to what surrounds them, as `model.fusion.refined.remove_islands`, without a doubt."""
        labels = remove_islands(self.labels, smallest)
        self.shares[labels != self.labels] = 1
        self.labels = labels


@dataclass(frozen=True)
class Seam:
    """The constants of seams, and what they do. The defaults were chosen on VOC's validation part (docs/ablation.md).

    Attributes:
        smoothing: Standard deviation in pixels of the Gaussian over the network's logits.
        reach: How far from an outline pixels may be mixed, in pixels.
        mistake: The expected error in grey levels from which they are; infinity mixes nothing.
    """

    smoothing: float = 1.0
    reach: int = 4
    mistake: float = 4.0

    def smooth(self, logits: np.ndarray) -> np.ndarray:
        """Smooths logits, (H, W) float32."""
        return cv2.GaussianBlur(logits, (0, 0), self.smoothing) if self.smoothing else logits

    def mix(self, images: Sequence[np.ndarray], ranking: Ranking) -> np.ndarray:
        """Takes each pixel from its sharpest source, and mixes two where that is in doubt.

        Args:
            images: (H, W) or (H, W, 3), uint8 or uint16, all of one shape and type.
            ranking: Of these images.

        Returns:
            The fused image, of their shape and type.
        """
        fused = compose(images, ranking.labels)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * self.reach + 1, 2 * self.reach + 1))
        outlines = cv2.morphologyEx(ranking.labels, cv2.MORPH_GRADIENT, disc) > 0
        rows, columns = np.nonzero(outlines & (ranking.shares < 1))
        shares, rivals = ranking.shares[rows, columns][:, None], ranking.rivals[rows, columns]
        channels = fused.size // ranking.labels.size
        first = fused[rows, columns].reshape(-1, channels).astype(np.float32)
        second = np.empty_like(first)
        for index in np.unique(rivals):
            chosen = rivals == index
            second[chosen] = images[index][rows[chosen], columns[chosen]].reshape(-1, channels)
        levels = np.sqrt(np.square(first - second).mean(-1, keepdims=True)) / per_level(fused.dtype)
        mixed = np.where((1 - shares) * levels > self.mistake, second + shares * (first - second), first)
        fused[rows, columns] = np.rint(mixed).astype(fused.dtype).reshape(-1, *fused.shape[2:])
        return fused
