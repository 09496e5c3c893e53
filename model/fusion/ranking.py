"""Which source of a stack is the sharpest at each pixel, which comes second, and how sure that is.

It is found source by source, so that the memory does not grow with the stack.
"""

from collections.abc import Sequence
from copy import copy

import cv2
import numpy as np
from scipy.special import expit

from data.imaging.composition import index_type
from data.imaging.pixels import copy_pixels
from model.fusion.focus_measure import remove_small_regions


class Ranking:
    """The sharpest source of each pixel, its runner-up, and how sure that is; any number of sources.

    Args:
        shape: (H, W).
        count: How many sources there will be.

    Attributes:
        decision_map: (H, W), the index of the sharpest so far; 0 at first. uint8, or uint16 for more than 256 sources.
        runner_up: The same type, the index of the source that came closest to it.
        confidence: (H, W) float32 in [0.5, 1], the probability that the sharpest is sharper than the runner-up.
    """

    def __init__(self, shape: tuple[int, int], count: int = 2):
        self.decision_map, self.runner_up = np.zeros((2, *shape), index_type(count))
        self.confidence = np.ones(shape, np.float32)

    def add(self, index: int, logits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Compares another source with the sharpest so far.

        Args:
            index: Of the source.
            logits: (H, W) float32, of "the sharpest so far is the blurred one".

        Returns:
            Where the source is the sharpest now, and where it is the runner-up now, each (H, W) bool.
        """
        wins, confidence = logits > 0, np.abs(logits)
        expit(confidence, out=confidence)
        copy_pixels(self.runner_up, self.decision_map, wins)
        np.copyto(self.decision_map, index, where=wins)
        unset = self.runner_up == self.decision_map  # no runner-up yet
        closer = ~wins & (unset | (confidence < self.confidence))
        np.copyto(self.runner_up, index, where=closer)
        copy_pixels(self.confidence, confidence, wins | closer)
        return wins, closer

    def decide_again(self, logits: np.ndarray, where: np.ndarray) -> None:
        """Decides between the sharpest and its runner-up again, by another comparison.

        Args:
            logits: (H, W) float32, of "the sharpest is the blurred one".
            where: (H, W) bool, pixels that are decided again; others stay as they are.
        """
        wins = where & (logits > 0)
        self.decision_map[wins], self.runner_up[wins] = self.runner_up[wins], self.decision_map[wins]
        self.confidence[where] = expit(np.abs(logits[where]))

    def exchange(self, where: np.ndarray) -> None:
        """Takes the other source of two where `where`, (H, W) bool, is true, with the confidence 1."""
        self.runner_up[where] = self.decision_map[where]
        self.decision_map[where] = 1 - self.decision_map[where]
        self.confidence[where] = 1

    def remove_small_regions(self, smallest: float, shown: np.ndarray | None = None) -> None:
        """Removes small regions (see `focus_measure.remove_small_regions`); pixels that change get the confidence 1."""
        decision_map = remove_small_regions(self.decision_map, smallest, shown)
        self.confidence[decision_map != self.decision_map] = 1
        self.decision_map = decision_map

    def enlarge(self, shape: Sequence[int]) -> "Ranking":
        """Returns the ranking enlarged to (H, W)."""
        larger = copy(self)
        size = (shape[1], shape[0])
        larger.decision_map = cv2.resize(self.decision_map, size, interpolation=cv2.INTER_NEAREST)
        larger.runner_up = cv2.resize(self.runner_up, size, interpolation=cv2.INTER_NEAREST)
        larger.confidence = cv2.resize(self.confidence, size, interpolation=cv2.INTER_LINEAR)
        return larger
