"""Simulated depth of field, from one sharp image and its depth: photographs with a known ground truth."""

from collections.abc import Callable

import cv2
import numpy as np

from data.imaging.pixels import quantize
from data.synthesis.blur import convolve, disc_kernel

GAMMA = 2.2
"""Exponent from values of an image file in [0, 1] to linear light."""

INVISIBLE_RADIUS = 0.3
"""Pixels: blur of a smaller radius cannot be seen and is not computed."""


def photograph_by_depth(image: np.ndarray, inverse_depth: np.ndarray, focus: float, aperture: float) -> np.ndarray:
    """Applies `defocus_by_depth` to the values of an image file, with gamma 2.2; (H, W, 3) uint8 RGB in and out."""
    light = (image.astype(np.float32) / 255) ** np.float32(GAMMA)
    blurred = defocus_by_depth(light, inverse_depth, focus, aperture)
    return np.rint(255 * blurred ** np.float32(1 / GAMMA)).astype(np.uint8)


def defocus_by_depth(
    light: np.ndarray,
    inverse_depth: np.ndarray,
    focus: float,
    aperture: float,
    *,
    kernel: Callable[[float], np.ndarray] = disc_kernel,
    layers: int = 24,
) -> np.ndarray:
    """Renders a scene through a lens of wide aperture, focused at one depth.

    The scene is cut into layers of nearly equal inverse depth, which are composited from far to near, each blurred by
    its circle of confusion, colors and outlines alike, so that defocused foreground spreads over the background.

    Args:
        light: (H, W, 3) float32, linear light in [0, 1], sharp everywhere.
        inverse_depth: (H, W) float, proportional to 1 / depth (such as a disparity).
        focus: The inverse depth that is sharp.
        aperture: Radius of the circle of confusion in pixels for an inverse depth that differs by 1 from `focus`; it
            grows in proportion.
        kernel: Maps a radius in pixels to a point spread.
        layers: Number of layers.

    Returns:
        The photograph, (H, W, 3) float32, linear light in [0, 1].
    """
    low, high = float(inverse_depth.min()), float(inverse_depth.max())
    bounds = np.linspace(low, high, layers + 1)
    layer_of = np.clip(np.digitize(inverse_depth, bounds) - 1, 0, layers - 1)
    color = np.zeros_like(light)
    coverage = np.zeros((*inverse_depth.shape, 1), np.float32)
    for number in range(layers):
        layer = (layer_of == number).astype(np.float32)
        if not layer.any():
            continue
        radius = aperture * abs((bounds[number] + bounds[number + 1]) / 2 - focus)
        matte, shade = layer[..., None], light * layer[..., None]
        if radius >= INVISIBLE_RADIUS:
            spread = kernel(radius)
            matte, shade = convolve(layer, spread)[..., None], convolve(shade, spread)
        color = color * (1 - matte) + shade
        coverage = coverage * (1 - matte) + matte
    # Blurred outlines uncover background that the sharp image does not show: there the coverage is below 1, and the
    # color is scaled up.
    color /= np.maximum(coverage, np.float32(1e-3))
    return np.clip(color, 0, 1)


def render_scene(height: int = 360, width: int = 480) -> tuple[np.ndarray, np.ndarray]:
    """Renders patterned balls on a tiled floor in front of a wall, with the true depth.

    Args:
        height: Height of the image in pixels.
        width: Width of the image in pixels.

    Returns:
        The image, (height, width, 3) uint8 RGB, sharp everywhere, and its inverse depth, (height, width) float32, in
        units of the scene.
    """
    scale = 2  # rendered twice as large and reduced, against aliasing
    rows, columns = np.mgrid[0 : height * scale, 0 : width * scale].astype(np.float32)
    x = (columns - width * scale / 2) / (height * scale)
    y = (height * scale * 0.38 - rows) / (height * scale)
    texture = _texture(np.random.default_rng(0))
    distance = np.full(x.shape, 9.0, np.float32)
    albedo = _wall(x * distance, y * distance, texture)
    floor = np.where(y < -1e-3, -1 / np.minimum(y, -1e-3), np.inf).astype(np.float32)
    on_floor = floor < distance
    albedo[on_floor] = _floor(x * np.minimum(floor, 9), np.minimum(floor, 9), texture)[on_floor]
    distance = np.minimum(distance, floor)
    for center_x, center_z, radius, hue in ((-0.6, 2.3, 0.5, 5), (0.7, 2.5, 0.4, 100), (0.9, 6.6, 1.3, 55)):
        hit, depth, normal = _ball(x, y, center_x, radius - 1, center_z, radius)
        nearer = hit & (depth < distance)
        albedo[nearer] = _ball_colors(normal, hue, texture)[nearer]
        distance = np.where(nearer, depth, distance)
    image = cv2.resize(albedo, (width, height), interpolation=cv2.INTER_AREA)
    return quantize(image), (1 / distance[::scale, ::scale]).astype(np.float32)


def _texture(rng: np.random.Generator) -> np.ndarray:
    """Draws noise on all scales, (512, 512) float32 around 1."""
    total = np.zeros((512, 512), np.float32)
    for octave in range(2, 9):
        grain = rng.standard_normal((2**octave, 2**octave)).astype(np.float32)
        total += cv2.resize(grain, (512, 512), interpolation=cv2.INTER_CUBIC) * 0.055
    return 1 + total


def _sample(texture: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Interpolates a repeating texture at coordinates in units of its side."""
    side = texture.shape[0]
    x, y = (np.mod(values * side, side).astype(np.float32) for values in (u, v))
    return cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)


def _wall(x: np.ndarray, y: np.ndarray, texture: np.ndarray) -> np.ndarray:
    mortar = (np.mod(y * 2, 1) < 0.08) | (np.mod(x + np.floor(y * 2) * 0.5, 1) < 0.04)
    brick = np.where(mortar[..., None], (196, 190, 180), (158, 86, 66)).astype(np.float32)
    return brick * _sample(texture, x / 6, y / 6)[..., None]


def _floor(x: np.ndarray, z: np.ndarray, texture: np.ndarray) -> np.ndarray:
    odd = (np.floor(x * 2) + np.floor(z * 2)) % 2 == 1
    tile = np.where(odd[..., None], (72, 84, 96), (214, 208, 192)).astype(np.float32)
    return tile * _sample(texture, x / 3, z / 3)[..., None]


def _ball(
    x: np.ndarray, y: np.ndarray, center_x: float, center_y: float, center_z: float, radius: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Intersects the rays (x, y, 1) with a ball: whether they hit, the distance along z, and the surface normal."""
    square = x * x + y * y + 1
    half = x * center_x + y * center_y + center_z
    inside = half * half - square * (center_x**2 + center_y**2 + center_z**2 - radius**2)
    depth = (half - np.sqrt(np.maximum(inside, 0))) / square
    normal = np.stack([x * depth - center_x, y * depth - center_y, depth - center_z], -1) / radius
    return inside > 0, depth, normal


def _ball_colors(normal: np.ndarray, hue: int, texture: np.ndarray) -> np.ndarray:
    longitude, latitude = np.arctan2(normal[..., 0], -normal[..., 2]), np.arcsin(np.clip(normal[..., 1], -1, 1))
    stripes = np.mod(longitude * 4 + latitude * 2, 1) < 0.5
    colors = [
        cv2.cvtColor(np.array([[[h, 170, v]]], np.uint8), cv2.COLOR_HSV2RGB)[0, 0]
        for h, v in ((hue, 215), (hue + 15, 120))
    ]
    light = 0.55 + 0.45 * np.clip(normal @ np.array([-0.5, 0.75, -0.45]), 0, 1)
    surface = np.where(stripes[..., None], colors[0], colors[1]).astype(np.float32)
    return surface * (light * _sample(texture, longitude / 5, latitude / 5))[..., None]
