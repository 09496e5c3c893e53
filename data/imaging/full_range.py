"""Frames of 10, 12 or 14 bits in 16: microscopes and scientific cameras use a part of the range only.

Networks and thresholds see such frames as nearly black. They are looked at with one factor for the whole stack, a power
of two, and the result is divided by it again: values that are copied come back as they were.
"""

from collections.abc import Sequence

import numpy as np

BITS = 16
"""Bits of a sample of the type whose range may be used in part."""


class FullRange(Sequence[np.ndarray]):
    """Frames whose values are multiplied.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint16.
        shift: Bits by which their values are shifted to the left.
    """

    def __init__(self, frames: Sequence[np.ndarray], shift: int):
        self._frames, self._shift = frames, shift

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override] # a slice would hold all of them
        return self._frames[index] << self._shift


def unused_bits(frames: Sequence[np.ndarray]) -> int:
    """Counts the highest bits that no frame of a stack uses; 0 for 8 bits, and for frames that are black.

    Frames are read until one uses all bits: of most stacks that is the first.
    """
    used = 0
    for index in range(len(frames)):
        frame = frames[index]
        if frame.dtype != np.uint16:
            return 0
        used = max(used, int(frame.max()).bit_length())
        if used == BITS:
            return 0
    return BITS - used if used else 0


def shift_back(image: np.ndarray, shift: int) -> np.ndarray:
    """Divides the values of an image by a power of two, rounded."""
    if not shift:
        return image
    rounded = (image.astype(np.uint32) + (1 << (shift - 1))) >> shift
    return np.minimum(rounded, (1 << (BITS - shift)) - 1).astype(image.dtype)
