"""Renders focus stacks of a layered scene through a thin lens, with the sharp scene as ground truth.

Each layer is blurred together with its matte by the disc of its circle of confusion, and the layers are composited from
back to front in linear light, so that defocused foreground spreads over the background, and occluded parts stay
occluded. `Capture` describes motion, focus breathing, exposure and noise of the camera.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.pixels import quantize
from data.synthesis.blur import convolve, disc_kernel
from data.synthesis.depth_of_field import GAMMA

SOFTNESS = 0.5
"""Pixels: standard deviation of the blur of lens and sensor, in every frame and in the truth."""

PAIR_FOCUSES = (0.88, 0.15)
"""Inverse depths in focus in the two frames of a pair; longer stacks cover the depth evenly."""

VIGNETTING_CHANGE = 0.5
"""Relative change of vignetting from the first to the last frame: the lens moves as it focuses."""

COLOR_FLICKER = 0.25
"""Flicker of single channels, relative to that of the exposure."""

RADII = np.concatenate([np.arange(0, 5, 0.5), 5 * 1.1 ** np.arange(40)]).astype(np.float32)
"""Pixels: radii of blur that are computed for receding surfaces; in between, results are interpolated."""


@dataclass(frozen=True)
class Capture:
    """Camera settings of a stack.

    Lengths are in pixels of an image of 480 rows and are scaled with the image.

    Attributes:
        frames: Number of frames, focused from the nearest depth to the farthest in even steps of inverse depth.
        widest: Diameter of the circle of confusion of the nearest depth if the farthest is in focus.
        breathing: Relative magnification from one frame to the next.
        drift: Standard deviation of the camera's shift from one frame to the next, along each axis.
        turn: Standard deviation of its rotation from one frame to the next, in degrees.
        flicker: Relative standard deviation of the exposure from frame to frame.
        tones: Standard deviation of the exponent of a tone curve from frame to frame; 0: all frames have the same.
        vignetting: Relative loss of light in the corners.
        noise: Standard deviation of noise, in gray levels.
        jpeg: JPEG quality; None: lossless.
    """

    frames: int = 8
    widest: float = 24.0
    breathing: float = 0.0
    drift: float = 0.0
    turn: float = 0.0
    flicker: float = 0.0
    tones: float = 0.0
    vignetting: float = 0.0
    noise: float = 0.0
    jpeg: int | None = None

    @property
    def middle(self) -> int:
        """Index of the frame whose geometry and exposure the truth has."""
        return self.frames // 2

    def still(self) -> "Capture":
        """Returns the same capture without motion, flicker, tone curves and vignetting: frames differ only in focus
        and noise."""
        return replace(self, breathing=0.0, drift=0.0, turn=0.0, flicker=0.0, tones=0.0, vignetting=0.0)

    def focuses(self) -> tuple[float, ...] | np.ndarray:
        """Returns the inverse depth in focus in each frame, 1 = nearest, 0 = farthest."""
        return PAIR_FOCUSES if self.frames == 2 else 1 - (np.arange(self.frames) + 0.5) / self.frames

    def margin(self, height: int, width: int) -> int:
        """Returns the number of pixels around an image that blur or motion may bring into it."""
        scale, steps = height / 480, self.frames - self.middle
        moved = self.breathing * steps + np.radians(4 * self.turn) * steps**0.5
        return ceil(self.widest * scale + moved * max(height, width) / 2 + 4 * self.drift * scale * steps**0.5) + 4


@dataclass(frozen=True)
class Layer:
    """A surface at a depth.

    Attributes:
        color: (H, W, 3) float32, linear light, also where the matte is 0; what is above 1 is clipped in a picture.
        matte: (H, W) float32, the fraction of each pixel that the surface covers, or hides where it is translucent.
        inverse_depth: From 0, farthest, to 1, nearest; one number, or (H, W) for a receding surface.
    """

    color: np.ndarray
    matte: np.ndarray
    inverse_depth: float | np.ndarray


def render_frames(
    layers: Sequence[Layer], capture: Capture, margin: int, rng: np.random.Generator
) -> Iterator[np.ndarray]:
    """Renders the frames one by one.

    Args:
        layers: Layers from back to front, all of the size of the image plus `margin` on each side.
        capture: Camera settings.
        margin: See `Capture.margin`.
        rng: Random generator.

    Yields:
        A frame, (H, W, 3) uint8 RGB, before compression.
    """
    scale = (layers[0].matte.shape[0] - 2 * margin) / 480
    steps = rng.normal(0, (capture.drift * scale, capture.drift * scale, capture.turn), (capture.frames, 3))
    moves = np.cumsum(steps, axis=0)
    gains = 1 + capture.flicker * (
        rng.normal(size=(capture.frames, 1)) + COLOR_FLICKER * rng.normal(size=(capture.frames, 3))
    )
    curves = np.exp(rng.normal(0, capture.tones, capture.frames)) if capture.tones else np.ones(capture.frames)
    for number, focus in enumerate(capture.focuses()):
        away = number - capture.middle
        light = composite(layers, focus, capture.widest * scale / 2)
        light = _move(light, 1 + capture.breathing * away, *(moves[number] - moves[capture.middle]))
        exposure = gains[number] / gains[capture.middle] * _vignette(light.shape, capture, away, margin)
        values = _develop(light * exposure, margin, curves[number] / curves[capture.middle])
        yield quantize(values + rng.normal(0, capture.noise, values.shape))


def render_truth(layers: Sequence[Layer], capture: Capture, margin: int) -> np.ndarray:
    """Renders the scene sharp everywhere, in the geometry and exposure of the middle frame, without noise.

    Args:
        layers: Layers from back to front, see `render_frames`.
        capture: Camera settings.
        margin: See `Capture.margin`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    light = composite(layers, 0, 0)
    return quantize(_develop(light * _vignette(light.shape, capture, 0, margin), margin))


def composite(
    layers: Sequence[Layer], focus: float, aperture: float, kernel: Callable[[float], np.ndarray] = disc_kernel
) -> np.ndarray:
    """Composites the layers, each blurred by its circle of confusion.

    Args:
        layers: Layers from back to front.
        focus: The inverse depth in focus.
        aperture: Radius of the circle of confusion in pixels for an inverse depth that differs by 1 from `focus`.
        kernel: Maps a radius in pixels to a point spread.

    Returns:
        (H, W, 3) float32, linear light.
    """
    picture = np.zeros_like(layers[0].color)
    for layer in layers:
        part = _surroundings(layer.matte, ceil(aperture) + 2)
        matte = layer.matte[part][..., None]
        if not matte.size:
            continue  # outside the image
        depth = layer.inverse_depth
        radius = aperture * np.abs((depth[part] if isinstance(depth, np.ndarray) else depth) - focus)
        blurred = _blur(np.concatenate([layer.color[part] * matte, matte], axis=2), radius, kernel)
        picture[part] = picture[part] * (1 - blurred[..., 3:]) + blurred[..., :3]
    return cv2.GaussianBlur(picture, (0, 0), SOFTNESS)


def _surroundings(matte: np.ndarray, reach: int) -> Window:
    """Returns the part of the image that a layer can reach when it is blurred."""
    found = [np.flatnonzero(matte.any(axis)) for axis in (1, 0)]
    if not found[0].size:
        return slice(0, 0), slice(0, 0)
    rows, columns = (slice(max(places[0] - reach, 0), places[-1] + reach + 1) for places in found)
    return rows, columns


def _blur(image: np.ndarray, radius: float | np.ndarray, kernel: Callable[[float], np.ndarray]) -> np.ndarray:
    """Blurs by one radius, or by one for each pixel, (H, W)."""
    if not isinstance(radius, np.ndarray):
        return convolve(image, kernel(radius))
    level = np.interp(radius, RADII, np.arange(RADII.size)).astype(np.float32)
    total = np.zeros_like(image)
    for number in range(int(level.min()), ceil(level.max()) + 1):
        share = np.maximum(1 - np.abs(level - number), 0)[..., None]
        if share.any():
            total += share * convolve(image, kernel(RADII[number]))
    return total


def _move(light: np.ndarray, scale: float, across: float, down: float, turn: float) -> np.ndarray:
    """Scales and rotates about the center, and shifts."""
    if (scale, across, down, turn) == (1, 0, 0, 0):
        return light
    height, width = light.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), turn, scale)
    matrix[:, 2] += across, down
    moved = cv2.warpAffine(light, matrix, (width, height), flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)
    return np.maximum(moved, 0)


def _vignette(shape: tuple[int, ...], capture: Capture, away: int, margin: int) -> np.ndarray:
    """Computes the relative light at each pixel, (H, W, 1); it falls with the squared distance from the center."""
    height, width = shape[:2]
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) * side / 2 for side in (height, width))
    square = (y[:, None] ** 2 + x**2) / ((height / 2 - margin) ** 2 + (width / 2 - margin) ** 2)
    strength = capture.vignetting * (1 + VIGNETTING_CHANGE * away / max(capture.frames - 1, 1))
    return np.maximum(1 - strength * square, 0)[..., None]


def _develop(light: np.ndarray, margin: int, exponent: float = 1.0) -> np.ndarray:
    """Crops the margin and converts linear light to gray levels, whose tone curve has an exponent."""
    return 255 * np.clip(light[margin:-margin, margin:-margin], 0, 1) ** np.float32(exponent / GAMMA)
