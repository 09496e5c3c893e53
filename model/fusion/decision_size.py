"""The size at which large photographs are decided, and photographs at that size."""

from collections.abc import Sequence

import cv2
import numpy as np

DECISION_PIXELS = 1_500_000
"""Larger photographs are decided at the largest of the sizes 1/2, 1/4, ... that has no more pixels than this."""


def decision_scale(shape: tuple[int, int]) -> float:
    """Returns the scale at which photographs of a size, (H, W), are decided."""
    scale = 1.0
    while shape[0] * shape[1] * scale**2 > DECISION_PIXELS:
        scale /= 2
    return scale


def reduced_frames(images: Sequence[np.ndarray], scale: float) -> Sequence[np.ndarray]:
    """Returns frames at a smaller size, made when they are indexed."""
    return images if scale == 1 else _Reduced(images, scale)


class _Reduced(Sequence[np.ndarray]):
    def __init__(self, images: Sequence[np.ndarray], scale: float):
        self._images, self._scale = images, scale

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return reduce(self._images[range(len(self))[index]], self._scale)


def reduce(image: np.ndarray, scale: float) -> np.ndarray:
    """Returns an image, (H, W) or (H, W, 3), averaged to a smaller size."""
    if scale == 1:
        return image
    return cv2.resize(image, reduced_shape(image.shape, scale)[::-1], interpolation=cv2.INTER_AREA)


def reduced_shape(shape: Sequence[int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))
