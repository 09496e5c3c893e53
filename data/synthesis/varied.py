"""The recipe `varied`: pairs of many sizes, blurs, exposures and cameras, for the network of the strategy `learned`.

`photographic` makes photographs of one size with a blur of 1 to 7 pixels. The images that users fuse are small and
large, slightly and strongly defocused, noisy, gray, of unequal exposure and imperfectly aligned, with thin structures
and backgrounds without detail.
"""

import cv2
import numpy as np

from data.imaging.boundaries import align_boundaries
from data.imaging.pixels import quantize
from data.synthesis.camera import (
    EDGE_SIGMA,
    GAMMA_RANGE,
    Development,
    Kernel,
    draw_aperture,
    soften,
    stitch,
    two_planes,
    two_ramps,
    visible_label,
)
from data.synthesis.pairs import SyntheticPair, flip_and_turn, reduce, to_size
from data.synthesis.regions import SHAPES, draw_region, grow_region
from data.synthesis.stack_renderer import Layer, composite

REDUCTION_RANGE = (0.3, 1.0)
"""Scale factor by which a photograph is reduced first; small ones are padded by reflection."""

RADIUS_RANGE = (0.5, 20.0)
"""Pixels: radius of defocus."""

SOFTNESS_RANGE = (0.0, 1.2)
"""Pixels: standard deviation of the blur of lens and sensor, everywhere in the photograph."""

NOISE_RANGE = (0.0, 9.0)
"""Gray levels: standard deviation of noise."""

JPEG_QUALITY_RANGE = (50, 100)
"""JPEG quality, both ends included."""

LOSSLESS_SHARE = 0.25
"""Share of the scenes that are not compressed."""

GRAY_SHARE = 0.15
"""Share of the scenes that are gray."""

FLAT_BACKGROUND_SHARE = 0.2
"""Share of the scenes whose background has no detail."""

SPECKLED_SHARE = 0.6
"""Share of these backgrounds that have specks and hairs."""

UNEQUAL_SHARE = 0.3
"""Share of the scenes whose photographs differ in exposure, channel by channel; the rest differ by at most 0.01."""

UNEQUAL_EXPOSURE_RANGE = (0.92, 1.08)
"""Exposure of the far photograph relative to the near one in these scenes."""

MISALIGNED_SHARE = 0.25
"""Share of the scenes that are slightly misaligned."""

MISALIGNMENT_SIGMA = 0.6
"""Pixels: standard deviation of their shift, and of the change in width by scaling."""

FINE_LABEL_SIGMA, FINE_LABEL_ERROR = 1.0, 1 / 255
"""The parameters `sigma` (pixels) and `least` of `visible_label`; finer than in the recipe `photographic`."""

LABEL_LEAST_GAIN = 3.0
"""The parameter `least_gain` of `data.imaging.boundaries.align_boundaries`; less than in fusion, since labels are
refined before noise is added."""


def varied(
    image: np.ndarray, mask: np.ndarray, level: int, levels: int, size: int, crop: bool, rng: np.random.Generator
) -> SyntheticPair:
    """Makes a pair; see `data.synthesis.recipes.synthesize`."""
    image, mask = reduce(image, mask, 0, rng, REDUCTION_RANGE)
    image, mask = to_size(image, mask, size, crop, rng)
    image, mask = flip_and_turn(image, mask, rng)
    foreground = rng.random()
    if foreground < 0.3:
        image, mask = draw_region(image, rng)
    elif foreground < 0.55:
        mask = grow_region(image, rng)
    if rng.random() < GRAY_SHARE:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2)
    if rng.random() < FLAT_BACKGROUND_SHARE:
        background = _flat_background(image, rng)
        if rng.random() < SPECKLED_SHARE:
            background = _speckle(background, rng)
        image = np.where(mask[..., None] > 0, image, background)
    softness = rng.uniform(*SOFTNESS_RANGE)
    low, high = np.log(RADIUS_RANGE)
    # A small defocus is invisible in a soft photograph: the range moves up with the softness.
    radius = float(np.exp(low + (high - low) * (level - 1 + rng.random()) / levels)) + softness / 2
    kernel, gamma = draw_aperture(rng), np.float32(rng.uniform(*GAMMA_RANGE))
    light = (image.astype(np.float32) / 255) ** gamma
    geometry = rng.random()
    if geometry < 0.3:
        light, near, far, label = layers_at_depths(light, mask, radius, kernel, rng)
    else:
        simulate = two_ramps if geometry < 0.5 else stitch if geometry < 0.7 else two_planes
        near, far, label = simulate(light, mask, radius, kernel, rng)
    near, far, light = (soften(view, softness) for view in (near, far, light))
    if not 0.5 <= geometry < 0.7:  # the mask of a stitched scene is exact
        seen_near, seen_far, sharp = (view ** (1 / gamma) for view in (near, far, light))
        label = visible_label(label, seen_near, seen_far, sharp, FINE_LABEL_SIGMA, FINE_LABEL_ERROR)
        label = align_boundaries([quantize(255 * view) for view in (seen_near, seen_far)], label, LABEL_LEAST_GAIN)
    develop = Development(gamma, rng, NOISE_RANGE, JPEG_QUALITY_RANGE, LOSSLESS_SHARE)
    if rng.random() < MISALIGNED_SHARE:
        far = _misalign(far, rng)
    exposure = rng.uniform(*UNEQUAL_EXPOSURE_RANGE, 3) if rng.random() < UNEQUAL_SHARE else rng.uniform(0.99, 1.01)
    return SyntheticPair(develop(near), develop(far, exposure), label, quantize(develop.expose(light)))


def _flat_background(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws a surface whose color changes slowly, (N, N, 3) uint8."""
    corners = image.mean((0, 1)) + rng.normal(0, 25, (2, 2, 3))
    return quantize(cv2.resize(corners.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _speckle(background: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Draws dots and hairs, all dark or all light, on a surface, (N, N, 3) uint8."""
    size, bits = background.shape[0], 4
    cover = np.zeros((size, size), np.float32)
    for _ in range(int(np.exp(rng.uniform(np.log(3), np.log(60))))):
        drawn = np.zeros((size, size), np.uint8)
        start, turn = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.6:
            radius = np.exp(rng.uniform(np.log(0.4), np.log(4)))
            cv2.circle(drawn, _fixed_point(start, bits), round(radius * (1 << bits)), 255, -1, cv2.LINE_AA, bits)
        else:
            end = start + rng.uniform(4, size / 3) * np.array([np.cos(turn), np.sin(turn)])
            width = int(rng.integers(1, 4))
            cv2.line(drawn, _fixed_point(start, bits), _fixed_point(end, bits), 255, width, cv2.LINE_AA, bits)
        cover = np.maximum(cover, drawn * np.float32(rng.uniform(0.1, 1) / 255))
    color = background.mean((0, 1)) + rng.choice([-1, 1]) * rng.uniform(40, 160) + rng.normal(0, 15, 3)
    return quantize(background + cover[..., None] * (np.clip(color, 0, 255) - background))


def _fixed_point(point: np.ndarray, bits: int) -> list[int]:
    """Converts coordinates to the fixed point integers of OpenCV's drawing functions."""
    return np.rint(point * (1 << bits)).astype(int).tolist()


def _misalign(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shifts and scales a photograph by a typical error of alignment."""
    height, width = view.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1 + rng.normal(0, MISALIGNMENT_SIGMA / width))
    matrix[:, 2] += rng.normal(0, MISALIGNMENT_SIGMA, 2)
    moved = cv2.warpAffine(view, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(moved, 0, 1)


def layers_at_depths(
    light: np.ndarray, mask: np.ndarray, radius: float, kernel: Kernel, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Photographs one to three objects in front of a background, each at its own depth; arguments as `stitch`.

    Returns:
        The sharp scene, the near and the far photograph, linear light, and the label.
    """
    background = _ramp(mask.shape, rng) if rng.random() < 0.3 else rng.uniform(0, 0.3)
    layers = [Layer(light, np.ones(mask.shape, np.float32), background)]
    for object_depth in np.sort(rng.uniform(0.15, 1, int(rng.integers(1, 4)))):
        shape = mask if rng.random() < 0.3 else SHAPES[int(rng.integers(len(SHAPES)))](mask.shape[0], rng)
        matte = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), EDGE_SIGMA)
        surface = np.roll(np.rot90(light, int(rng.integers(1, 4))), int(rng.integers(mask.shape[0])), axis=0)
        color = np.clip(surface * rng.uniform(0.4, 1.6, 3).astype(np.float32), 0, 1)
        layers.append(Layer(color, matte, float(object_depth)))
    focuses = rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.4)
    aperture = radius / (focuses[0] - focuses[1])
    captures = ((0.0, 0.0), *((focus, aperture) for focus in focuses))
    # OpenCV convolves large kernels by Fourier transform, which leaves small negative values in dark regions.
    sharp, near, far = (np.clip(composite(layers, *capture, kernel), 0, 1) for capture in captures)
    depth = np.broadcast_to(np.asarray(layers[0].inverse_depth, np.float32), mask.shape)
    for layer in layers[1:]:
        depth = np.where(layer.matte > 0.5, layer.inverse_depth, depth)
    label = np.abs(depth - focuses[0]) > np.abs(depth - focuses[1])
    return sharp, near, far, label.astype(np.uint8)


def _ramp(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Draws the inverse depth of a receding ground, (H, W) float32."""
    angle = rng.uniform(-np.pi, np.pi)
    y, x = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in shape)
    along = np.cos(angle) * y[:, None] + np.sin(angle) * x
    return (0.4 + 0.5 * along).astype(np.float32)
