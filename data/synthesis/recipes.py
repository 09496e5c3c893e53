"""Recipes of training pairs: each makes two photographs, out of focus in different parts, from one sharp photograph.

- `paper` is that of Wang, Jin et al. 2022: repeated Gaussian blur, stitched by the mask.
- `photographic` (ours) simulates a camera; see `data/synthesis/camera.py`.
- `varied` (ours) simulates many cameras, with finer labels, for the network of the strategy `learned`; see
  `data/synthesis/varied.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data.synthesis.blur import GAUSSIAN_WINDOW, repeated_gaussian
from data.synthesis.camera import simulate_pair
from data.synthesis.pairs import SyntheticPair, flip_and_turn, reduce, to_size
from data.synthesis.varied import varied

LEVELS = (1, 2, 3, 4, 5)
"""Levels of blur; each scene gives one pair per level."""


@dataclass(frozen=True)
class SynthesisSettings:
    """How pairs are made.

    Attributes:
        recipe: A name in `RECIPES`.
        size: Side of the square pairs, in pixels.
        crop: False resizes the whole photograph to `size` (the paper); True crops a random square without resizing.
        blur_window: Side of the Gaussian window of the recipe `paper`.
    """

    recipe: str = "paper"
    size: int = 224
    crop: bool = False
    blur_window: int = GAUSSIAN_WINDOW

    def __post_init__(self) -> None:
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
        level: Level of blur, 1 to 5.
        settings: Recipe and geometry.
        rng: Random generator; the same state gives the same pair.
    """
    return RECIPES[settings.recipe](image, mask, level, settings, rng)


def _paper(
    image: np.ndarray, mask: np.ndarray, level: int, settings: SynthesisSettings, rng: np.random.Generator
) -> SyntheticPair:
    image, mask = to_size(image, mask, settings.size, settings.crop, rng)
    blurred = repeated_gaussian(image.astype(np.float32), level, settings.blur_window)
    blurred = np.rint(blurred).astype(np.uint8)
    foreground = mask[..., None].astype(bool)
    return SyntheticPair(
        near=np.where(foreground, image, blurred),
        far=np.where(foreground, blurred, image),
        label=1 - mask,
        reference=image,
    )


def _photographic(
    image: np.ndarray, mask: np.ndarray, level: int, settings: SynthesisSettings, rng: np.random.Generator
) -> SyntheticPair:
    image, mask = reduce(image, mask, settings.size, rng)
    image, mask = to_size(image, mask, settings.size, settings.crop, rng)
    image, mask = flip_and_turn(image, mask, rng)
    return SyntheticPair(*simulate_pair(image, mask, level, len(LEVELS), rng))


def _varied(
    image: np.ndarray, mask: np.ndarray, level: int, settings: SynthesisSettings, rng: np.random.Generator
) -> SyntheticPair:
    return varied(image, mask, level, len(LEVELS), settings.size, settings.crop, rng)


Recipe = Callable[[np.ndarray, np.ndarray, int, SynthesisSettings, np.random.Generator], SyntheticPair]
"""(image, mask, level, settings, rng) -> pair, as `synthesize`."""

RECIPES: dict[str, Recipe] = {
    "paper": _paper,
    "photographic": _photographic,
    "varied": _varied,
}
"""Recipes by name."""
