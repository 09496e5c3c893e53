"""Synthesis of training pairs: one sharp photograph and its mask become two photographs, each out of focus elsewhere.

Three recipes. `paper` is that of Wang, Jin et al. 2022: repeated Gaussian blur, stitched by the mask. `photographic`
(ours) imitates a camera; see `data/synthesis/camera.py`. `outlines` (ours) is the same with stitched scenes among them
and finer labels, for the network of the strategy `learned`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from data.synthesis.blur import GAUSSIAN_WINDOW, repeated_gaussian
from data.synthesis.camera import simulate_pair

LEVELS = (1, 2, 3, 4, 5)
"""Degrees of blur; each scene gives one pair of each."""

REDUCTION_RANGE = (0.4, 1.0)
"""`photographic`: by how much a photograph is reduced before anything else."""

STITCHED_SHARE = 0.2
"""`outlines`: the share of stitched scenes."""

OUTLINES_VISIBLE = (1.0, 1 / 255)
"""`outlines`: window (pixels) and difference of errors that decide the label of the others, see `visible_label`."""

OUTLINES_GAIN = 3.0
"""`outlines`: what moving the boundary of their label must gain, see `data.boundaries.LEAST_GAIN`; less than in fusion,
since labels are refined before noise is added."""


@dataclass(frozen=True)
class SyntheticPair:
    """Two photographs of one scene and what is known of them.

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


@dataclass(frozen=True)
class SynthesisSettings:
    """How pairs are made.

    Attributes:
        recipe: A name in `RECIPES`.
        size: Side of the square pairs, in pixels.
        crop: False resizes the whole photograph to `size` (the paper); True cuts a random square at native resolution.
        blur_window: Side of the paper recipe's Gaussian window.
    """

    recipe: str = "paper"
    size: int = 224
    crop: bool = False
    blur_window: int = GAUSSIAN_WINDOW

    def __post_init__(self):
        if self.recipe not in RECIPES:
            raise ValueError(f"unknown recipe {self.recipe!r}; there are {', '.join(RECIPES)}.")
        if self.size < 32 or self.size % 32:
            raise ValueError(f"size must be a multiple of 32, received {self.size}.")
        if self.blur_window < 3 or self.blur_window % 2 == 0:
            raise ValueError(f"blur_window must be odd and at least 3, received {self.blur_window}.")


def synthesize(
    image: np.ndarray, mask: np.ndarray, level: int, settings: SynthesisSettings, rng: np.random.Generator
) -> SyntheticPair:
    """Makes one pair from a photograph and its foreground.

    Args:
        image: (H, W, 3) uint8 RGB, sharp.
        mask: (H, W) uint8, 1 = foreground.
        level: Degree of blur, 1 to 5.
        settings: Recipe and geometry.
        rng: Source of all that is random; the same state gives the same pair.
    """
    return RECIPES[settings.recipe](image, mask, level, settings, rng)


def _paper(image, mask, level, settings, rng) -> SyntheticPair:
    image, mask = _to_size(image, mask, settings, rng)
    blurred = repeated_gaussian(image.astype(np.float32), level, settings.blur_window)
    blurred = np.rint(blurred).astype(np.uint8)
    foreground = mask[..., None].astype(bool)
    return SyntheticPair(
        near=np.where(foreground, image, blurred),
        far=np.where(foreground, blurred, image),
        label=1 - mask,
        reference=image,
    )


def _photographic(image, mask, level, settings, rng, **camera) -> SyntheticPair:
    image, mask = _reduce(image, mask, settings, rng)
    image, mask = _to_size(image, mask, settings, rng)
    image, mask = _flip_and_turn(image, mask, rng)
    return SyntheticPair(*simulate_pair(image, mask, level, len(LEVELS), rng, **camera))


def _outlines(image, mask, level, settings, rng) -> SyntheticPair:
    camera = {"stitched_share": STITCHED_SHARE, "visible": OUTLINES_VISIBLE, "least_gain": OUTLINES_GAIN}
    return _photographic(image, mask, level, settings, rng, **camera)


RECIPES: dict[str, Callable[..., SyntheticPair]] = {
    "paper": _paper,
    "photographic": _photographic,
    "outlines": _outlines,
}


def _reduce(image, mask, settings, rng):
    """Reduces the photograph, which removes its own compression noise and softness, but not below the crop's size."""
    shorter = min(mask.shape)
    lowest = min(max(REDUCTION_RANGE[0], (settings.size + 1) / shorter), REDUCTION_RANGE[1])
    factor = rng.uniform(lowest, REDUCTION_RANGE[1])
    return _resize(image, mask, round(mask.shape[0] * factor), round(mask.shape[1] * factor))


def _to_size(image, mask, settings, rng):
    if not settings.crop:
        return _resize(image, mask, settings.size, settings.size)
    return _random_crop(image, mask, settings.size, rng)


def _random_crop(image, mask, size, rng):
    """Cuts a square; of eight draws the first that holds 5 to 95 % foreground, else the last."""
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


def _resize(image, mask, height, width):
    shrinks = height < mask.shape[0]
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return image, cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)


def _flip_and_turn(image, mask, rng):
    quarter_turns, flip = int(rng.integers(4)), bool(rng.integers(2))

    def turn(array):
        turned = np.rot90(array, quarter_turns)
        return np.ascontiguousarray(turned[:, ::-1] if flip else turned)

    return turn(image), turn(mask)
