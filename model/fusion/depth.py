"""The depth map of a stack: which frame each pixel is sharpest in, more finely than by whole frames."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from model.fusion.focus_measure import CONTRAST_NOISE, FocusMeasure, contrast
from model.fusion.volume import FocusVolume


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


def find_depth(
    fused: np.ndarray, decision_map: np.ndarray, numbers: Sequence[int], volume: FocusVolume | None = None
) -> DepthMap:
    """Computes the depth of each pixel.

    Args:
        fused: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        decision_map: (H, W), the index of the frame of each pixel.
        numbers: Which frame of the stack each index stands for.
        volume: Of the frames, of that size or smaller: refines the depth between frames. None for two frames, which
            have no neighbors.
    """
    frames = np.asarray(numbers, np.float32)[decision_map]
    if volume is not None:
        size = volume.sharpest.shape[::-1]
        leader = cv2.resize(decision_map, size, interpolation=cv2.INTER_NEAREST)
        frames += cv2.resize(volume.peak_shift(leader), decision_map.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    shown = contrast(fused, FocusMeasure().contrast_sigma)
    return DepthMap(frames, shown / (shown + np.float32(CONTRAST_NOISE)))
