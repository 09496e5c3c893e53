"""Synthesis of training pairs: one sharp photograph and its mask become two photographs, each out of focus elsewhere.

Two recipes. `paper` is that of Wang, Jin et al. 2022: repeated Gaussian blur, stitched by the mask. `photographic`
(ours) imitates a camera: shapes of real defocus, light added in linear intensity, soft transitions, and noise and JPEG
compression *after* the defocus, since a network trained on stitched JPEGs learns that "no compression noise" means
"blurred".
"""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from data.blur import GAUSSIAN_WINDOW, convolve, disc_kernel, gaussian_kernel, repeated_gaussian

LEVELS = (1, 2, 3, 4, 5)
"""Degrees of blur; each scene gives one pair of each."""

RADIUS_RANGE = (1.0, 7.0)
REDUCTION_RANGE = (0.4, 1.0)
SOFTNESS_RANGE = (0.0, 1.0)
GAMMA_RANGE = (1.0, 2.2)
NOISE_RANGE = (0.0, 5.0)
JPEG_QUALITY_RANGE = (55, 99)
EDGE_SIGMA = 0.7
"""`photographic`: radius of defocus in pixels, reduction before anything else, softness of the lens and the sensor
(standard deviation in pixels), exponent of linear light, standard deviation of noise in grey levels, JPEG quality,
softness of the mask's edge in pixels."""


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


def _photographic(image, mask, level, settings, rng) -> SyntheticPair:
    image, mask = _reduce(image, mask, settings, rng)
    image, mask = _to_size(image, mask, settings, rng)
    image, mask = _flip_and_turn(image, mask, rng)
    softness = rng.uniform(*SOFTNESS_RANGE)
    kernel = _defocus_kernel(level, softness, rng)
    gamma = rng.uniform(*GAMMA_RANGE)
    light = (image.astype(np.float32) / 255) ** np.float32(gamma)
    near, far, sharp = (_soften(view, softness) for view in (*_defocus(light, mask, kernel), light))
    gain, offset = rng.uniform(0.8, 1.2), rng.uniform(-15, 15)
    noise = rng.uniform(*NOISE_RANGE) if rng.random() < 0.7 else 0.0
    quality = int(rng.integers(JPEG_QUALITY_RANGE[0], JPEG_QUALITY_RANGE[1] + 1))

    def expose(linear):
        return (linear ** np.float32(1 / gamma) * 255 - 127.5) * np.float32(gain) + np.float32(127.5 + offset)

    def photograph(linear):
        exposed = expose(linear) + rng.normal(0, noise, linear.shape).astype(np.float32)
        return _through_jpeg(_to_uint8(exposed), quality)

    return SyntheticPair(photograph(near), photograph(far), 1 - mask, _to_uint8(expose(sharp)))


RECIPES: dict[str, Callable[..., SyntheticPair]] = {"paper": _paper, "photographic": _photographic}


def _defocus(light, mask, kernel):
    """Blurs the background behind a sharp foreground, and the foreground before a sharp background; linear light in
    and out.

    A background out of focus is hidden by the sharp edge before it: only background light is averaged. A foreground
    out of focus spreads over its edge, and what shines through there is the background, continued under the edge from
    its surroundings.
    """
    matte = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE_SIGMA)[..., None]
    hole = np.float32(1) - matte
    spread = convolve(hole, kernel)[..., None]
    background = convolve(light * hole, kernel) / np.maximum(spread, 1e-3)
    near = matte * light + hole * background
    spread_matte = np.float32(1) - spread
    behind = np.where(matte > 0.5, background, light)
    far = convolve(light * matte, kernel) + (1 - spread_matte) * behind
    return np.clip(near, 0, 1), np.clip(far, 0, 1)


def _soften(light, softness):
    """Softens what is in focus and what is not, as the lens, the colour filter and the enlargement of a camera do."""
    return light if softness < 0.2 else cv2.GaussianBlur(light, (0, 0), softness)


def _defocus_kernel(level, softness, rng):
    """A disc (three of four) or a Gaussian of equal spread; the levels cut the radius range evenly on a log scale."""
    low, high = np.log(RADIUS_RANGE)
    radius = float(np.exp(low + (high - low) * (level - 1 + rng.random()) / len(LEVELS)))
    # In a soft photograph a small defocus cannot be seen: the range moves up with the softness.
    radius += softness
    # A disc of radius r has a standard deviation of r / 2 along each axis.
    return disc_kernel(radius) if rng.random() < 0.75 else gaussian_kernel(radius / 2)


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


def _through_jpeg(image, quality):
    """Compresses and decompresses, with chroma at full or half resolution as the encoder does by default."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.ascontiguousarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1])


def _to_uint8(values):
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
