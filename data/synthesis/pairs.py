"""Parts shared by the recipes: the synthetic pair, and cropping, resizing and flipping of photographs."""

from dataclasses import dataclass

import cv2
import numpy as np

REDUCTION_RANGE = (0.4, 1.0)
"""Scale factor by which a photograph is reduced first."""


@dataclass(frozen=True)
class SyntheticPair:
    """Two photographs of one scene with their ground truth.

    Attributes:
        near: (H, W, 3) uint8 RGB; the foreground is sharp.
        far: (H, W, 3) uint8 RGB; the background is sharp.
        label: (H, W) uint8; 1 where `near` is out of focus (the background). `far`'s label is 1 - label.
        reference: (H, W, 3) uint8 RGB; sharp everywhere.
    """

    near: np.ndarray
    far: np.ndarray
    label: np.ndarray
    reference: np.ndarray


def reduce(
    image: np.ndarray,
    mask: np.ndarray,
    size: int,
    rng: np.random.Generator,
    factors: tuple[float, float] = REDUCTION_RANGE,
) -> tuple[np.ndarray, np.ndarray]:
    """Reduces a photograph and its mask by a random factor, but not below `size`; that removes its own compression
    noise and softness."""
    shorter = min(mask.shape)
    lowest = min(max(factors[0], (size + 1) / shorter), factors[1])
    factor = rng.uniform(lowest, factors[1])
    return _resize(image, mask, round(mask.shape[0] * factor), round(mask.shape[1] * factor))


def to_size(
    image: np.ndarray, mask: np.ndarray, size: int, crop: bool, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a photograph and its mask as a square of side `size`: a random crop, or the whole, resized."""
    return _random_crop(image, mask, size, rng) if crop else _resize(image, mask, size, size)


def _random_crop(
    image: np.ndarray, mask: np.ndarray, size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Crops a square: the first of eight draws with 5 to 95 % foreground, else the last."""
    lack = [max(0, size - side) for side in mask.shape]
    if any(lack):
        width = [(n // 2, n - n // 2) for n in lack]
        image, mask = np.pad(image, [*width, (0, 0)], "symmetric"), np.pad(mask, width, "symmetric")
    for _ in range(8):
        top, left = (int(rng.integers(side - size + 1)) for side in mask.shape)
        window = np.s_[top : top + size, left : left + size]
        if 0.05 < mask[window].mean() < 0.95:
            break
    return np.ascontiguousarray(image[window]), np.ascontiguousarray(mask[window])


def _resize(image: np.ndarray, mask: np.ndarray, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    shrinks = height < mask.shape[0]
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return image, cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)


def flip_and_turn(image: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rotates a photograph and its mask by a random number of quarter turns, and mirrors half of them."""
    quarter_turns, flip = int(rng.integers(4)), bool(rng.integers(2))

    def turn(array: np.ndarray) -> np.ndarray:
        turned = np.rot90(array, quarter_turns)
        return np.ascontiguousarray(turned[:, ::-1] if flip else turned)

    return turn(image), turn(mask)
