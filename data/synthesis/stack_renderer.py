"""Focus stacks of a scene made of layers, seen through a thin lens, with the sharp scene as truth.

Each layer is blurred together with its matte by the disc of its circle of confusion, and the layers are laid over each
other from back to front in linear light, so that what is near and out of focus spreads over what is behind it, and
what is hidden stays hidden. How a camera moves, breathes and develops is an option of `Capture`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np

from data.imaging.pixels import quantize
from data.synthesis.blur import convolve, disc_kernel
from data.synthesis.depth_of_field import GAMMA

SOFTNESS = 0.5
"""Standard deviation in pixels of the softness that lens and sensor give every frame, and the truth."""

PAIR_FOCUSES = (0.88, 0.15)
"""Inverse depths that the two frames of a pair are focused on; longer stacks cover the depth evenly."""

VIGNETTING_CHANGE = 0.5
"""By how much of itself vignetting differs between the first and the last frame: the lens moves as it focuses."""

COLOR_FLICKER = 0.25
"""Flicker of single channels, in proportion to that of the exposure."""

RADII = np.concatenate([np.arange(0, 5, 0.5), 5 * 1.1 ** np.arange(40)]).astype(np.float32)
"""Radii of blur in pixels that are computed; between two of them a surface that recedes is interpolated."""


@dataclass(frozen=True)
class Capture:
    """How a stack is taken.

    Lengths are in pixels of a picture of 480 rows and grow with the picture.

    Attributes:
        frames: Photographs, focused from the nearest depth to the farthest in even steps of inverse depth.
        widest: Diameter of the circle of confusion of the nearest thing where the farthest is in focus.
        breathing: Growth of the picture from one frame to the next, as a fraction.
        drift: Standard deviation of the camera's shift from one frame to the next, along each axis.
        turn: The same of its rotation, in degrees.
        flicker: Standard deviation of the exposure from frame to frame, as a fraction.
        vignetting: Light that the corners lack, as a fraction.
        noise: Standard deviation of noise, in gray levels.
        jpeg: Quality of compression; None keeps every bit.
    """

    frames: int = 8
    widest: float = 24.0
    breathing: float = 0.0
    drift: float = 0.0
    turn: float = 0.0
    flicker: float = 0.0
    vignetting: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None

    @property
    def middle(self) -> int:
        """The frame in whose geometry and exposure the truth is."""
        return self.frames // 2

    def still(self) -> "Capture":
        """The same from a tripod in steady light: frames that differ in nothing but focus and noise."""
        return replace(self, breathing=0.0, drift=0.0, turn=0.0, flicker=0.0, vignetting=0.0)

    def focuses(self) -> Sequence[float]:
        """Inverse depth that is sharp in each frame, 1 = nearest, 0 = farthest."""
        return PAIR_FOCUSES if self.frames == 2 else 1 - (np.arange(self.frames) + 0.5) / self.frames

    def margin(self, height: int, width: int) -> int:
        """Pixels around a picture that blur or motion may bring into it."""
        scale, steps = height / 480, self.frames - self.middle
        moved = self.breathing * steps + np.radians(4 * self.turn) * steps**0.5
        return ceil(self.widest * scale + moved * max(height, width) / 2 + 4 * self.drift * scale * steps**0.5) + 4


@dataclass(frozen=True)
class Layer:
    """A surface and where it is.

    Attributes:
        color: (H, W, 3) float32, linear light in [0, 1], also where the matte hides it.
        matte: (H, W) float32, the fraction of each pixel that it covers.
        inverse_depth: From 0, farthest, to 1, nearest; one number, or (H, W) for a surface that recedes.
    """

    color: np.ndarray
    matte: np.ndarray
    inverse_depth: float | np.ndarray


def render_frames(layers: Sequence[Layer], capture: Capture, margin: int, rng: np.random.Generator) -> Iterator:
    """Takes the photographs one by one.

    Args:
        layers: Back to front, all of one size: that of the picture and `margin` on each side.
        capture: How the stack is taken.
        margin: As `Capture.margin`.
        rng: Source of all that is random.

    Yields:
        (H, W, 3) uint8 RGB; before compression, which the file does.
    """
    scale = (layers[0].matte.shape[0] - 2 * margin) / 480
    steps = rng.normal(0, (capture.drift * scale, capture.drift * scale, capture.turn), (capture.frames, 3))
    moves = np.cumsum(steps, axis=0)
    gains = 1 + capture.flicker * (
        rng.normal(size=(capture.frames, 1)) + COLOR_FLICKER * rng.normal(size=(capture.frames, 3))
    )
    for number, focus in enumerate(capture.focuses()):
        away = number - capture.middle
        light = compose(layers, focus, capture.widest * scale / 2)
        light = _move(light, 1 + capture.breathing * away, *(moves[number] - moves[capture.middle]))
        exposure = gains[number] / gains[capture.middle] * _vignette(light.shape, capture, away, margin)
        values = _develop(light * exposure, margin)
        yield quantize(values + rng.normal(0, capture.noise, values.shape))


def render_truth(layers: Sequence[Layer], capture: Capture, margin: int) -> np.ndarray:
    """The scene as a pinhole shows it, in the geometry and exposure of the middle frame, without noise.

    Args:
        layers: As for `render_frames`.
        capture: How the stack is taken.
        margin: As `Capture.margin`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    light = compose(layers, 0, 0)
    return quantize(_develop(light * _vignette(light.shape, capture, 0, margin), margin))


def compose(
    layers: Sequence[Layer], focus: float, aperture: float, kernel: Callable[[float], np.ndarray] = disc_kernel
) -> np.ndarray:
    """Lays the layers over each other, each blurred by its circle of confusion.

    Args:
        layers: Back to front.
        focus: The inverse depth that is sharp.
        aperture: Radius of the circle of confusion in pixels for an inverse depth that differs by 1 from `focus`.
        kernel: The point spread of a radius in pixels.

    Returns:
        (H, W, 3) float32, linear light.
    """
    picture = np.zeros_like(layers[0].color)
    for layer in layers:
        part = _surroundings(layer.matte, ceil(aperture) + 2)
        matte = layer.matte[part][..., None]
        if not matte.size:
            continue  # nothing of it is in the picture
        depth = layer.inverse_depth if np.isscalar(layer.inverse_depth) else layer.inverse_depth[part]
        radius = aperture * np.abs(depth - focus)
        blurred = _blur(np.concatenate([layer.color[part] * matte, matte], axis=2), radius, kernel)
        picture[part] = picture[part] * (1 - blurred[..., 3:]) + blurred[..., :3]
    return cv2.GaussianBlur(picture, (0, 0), SOFTNESS)


def _surroundings(matte, reach):
    """The part of the picture that a layer can reach."""
    rows, columns = (np.flatnonzero(matte.any(axis)) for axis in (1, 0))
    if not rows.size:
        return np.s_[:0, :0]
    return tuple(slice(max(found[0] - reach, 0), found[-1] + reach + 1) for found in (rows, columns))


def _blur(image, radius, kernel):
    """Blurs by a radius that is one number or differs from pixel to pixel, (H, W)."""
    if np.isscalar(radius):
        return convolve(image, kernel(radius))
    level = np.interp(radius, RADII, np.arange(RADII.size)).astype(np.float32)
    total = np.zeros_like(image)
    for number in range(int(level.min()), ceil(level.max()) + 1):
        share = np.maximum(1 - np.abs(level - number), 0)[..., None]
        if share.any():
            total += share * convolve(image, kernel(RADII[number]))
    return total


def _move(light, scale, across, down, turn):
    """Scales and turns about the center, and shifts."""
    if (scale, across, down, turn) == (1, 0, 0, 0):
        return light
    height, width = light.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, scale)
    matrix[:, 2] += across, down
    moved = cv2.warpAffine(light, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    return np.maximum(moved, 0)


def _vignette(shape, capture, away, margin):
    """What is left of the light at each pixel; it falls with the square of the distance from the center."""
    height, width = shape[:2]
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) * side / 2 for side in (height, width))
    square = (y[:, None] ** 2 + x**2) / ((height / 2 - margin) ** 2 + (width / 2 - margin) ** 2)
    strength = capture.vignetting * (1 + VIGNETTING_CHANGE * away / max(capture.frames - 1, 1))
    return np.maximum(1 - strength * square, 0)[..., None]


def _develop(light, margin):
    """Linear light with its margin to gray levels without."""
    return 255 * np.clip(_cut(light, margin), 0, 1) ** np.float32(1 / GAMMA)


def _cut(image, margin):
    return image[margin:-margin, margin:-margin]
