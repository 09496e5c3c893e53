"""The depth map of a stack: which frame each pixel is sharpest in, more finely than by whole frames.

Beside the sharpest frame, the scores of its two neighbors in the stack are kept. A parabola through the three has its
lowest point where the pixel would be sharpest of all.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from model.fusion.focus_measure import CONTRAST_NOISE, FocusMeasure, contrast


@dataclass(frozen=True)
class DepthMap:
    """Depth in frames of the stack.

    Attributes:
        frames: (H, W) float32, 0 for the first frame up to N - 1 for the last; 2.3 lies between the third and the
            fourth, nearer to the third.
        confidence: (H, W) float32 in [0, 1], the share of the pixel's contrast that is not noise: near 0 on flat
            ground, whose depth is unknown.
    """

    frames: np.ndarray
    confidence: np.ndarray


class DepthTrace:
    """Keeps the scores of the sharpest frame and of its neighbors, frame by frame, in the order of the stack.

    Args:
        score: (H, W) float32, of the first frame: the lower, the sharper.
        shown: (H, W) float32, its contrast, which is changed from then on.
    """

    def __init__(self, score: np.ndarray, shown: np.ndarray):
        self.shown = shown
        self._previous, self._lowest = score, score.copy()
        self._before, self._after = np.full_like(score, np.nan), np.full_like(score, np.nan)

    def add(self, index: int, wins: np.ndarray, leader: np.ndarray, score: np.ndarray, shown: np.ndarray) -> None:
        """Adds the next frame.

        Args:
            index: Of the frame.
            wins: (H, W) bool, where it is the sharpest now.
            leader: (H, W) uint8, the sharpest of each pixel now.
            score: (H, W) float32, of the frame.
            shown: (H, W) float32, its contrast.
        """
        np.copyto(self._after, score, where=leader == index - 1)
        np.copyto(self._after, np.nan, where=wins)
        np.copyto(self._before, self._previous, where=wins)
        np.copyto(self._lowest, score, where=wins)
        np.copyto(self.shown, shown, where=wins)
        self._previous = score

    def depth_map(self, leader: np.ndarray, decision_map: np.ndarray, numbers: Sequence[int]) -> DepthMap:
        """Computes the depth of each pixel.

        Args:
            leader: (h, w) uint8, the sharpest frame of each pixel as it was found here.
            decision_map: (H, W) uint8, as it was decided in the end, of the same or a larger size. Where it names
                another frame, the depth is that frame's.
            numbers: Which frame of the stack each index stands for.
        """
        curvature = self._before - 2 * self._lowest + self._after
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.clip((self._before - self._after) / (2 * curvature), -0.5, 0.5)
        shift[~(curvature > 0)] = 0  # also where a neighbor is missing
        size = decision_map.shape[1::-1]
        found = cv2.resize(leader, size, interpolation=cv2.INTER_NEAREST) == decision_map
        frames = np.asarray(numbers, np.float32)[decision_map]
        frames += np.where(found, cv2.resize(shift, size, interpolation=cv2.INTER_LINEAR), 0)
        return DepthMap(frames, cv2.resize(_confidence(self.shown), size, interpolation=cv2.INTER_LINEAR))


def depth_of_two(fused: np.ndarray, decision_map: np.ndarray, numbers: Sequence[int]) -> DepthMap:
    """Computes the depth of each pixel of two fused frames, which have no neighbors to refine it.

    Args:
        fused: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        decision_map: (H, W) uint8.
        numbers: Which frame of the stack each index stands for.
    """
    shown = contrast(fused, FocusMeasure().contrast_sigma)
    return DepthMap(np.asarray(numbers, np.float32)[decision_map], _confidence(shown))


def _confidence(shown: np.ndarray) -> np.ndarray:
    return shown / (shown + np.float32(CONTRAST_NOISE))
