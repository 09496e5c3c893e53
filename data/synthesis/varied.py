"""The recipe `varied`: pairs of many sizes, blurs, exposures and cameras, for the network of the strategy `learned`.

`photographic` shows photographs of one size and a blur of 1 to 7 pixels. What people fuse is small and large, a little
and far out of focus, noisy, gray, of unequal exposure and not quite aligned, with thin things and flat ground in it.
"""

from collections.abc import Sequence

import cv2
import numpy as np

from data.imaging.boundaries import align_boundaries
from data.imaging.pixels import quantize
from data.synthesis.camera import (
    EDGE_SIGMA,
    GAMMA_RANGE,
    Development,
    draw_aperture,
    soften,
    stitch,
    two_planes,
    two_ramps,
    visible_label,
)
from data.synthesis.pairs import SyntheticPair, flip_and_turn, reduce, to_size
from data.synthesis.regions import SHAPES, draw_region, grow_region
from data.synthesis.stack_renderer import Layer, compose

REDUCTION_RANGE = (0.3, 1.0)
"""By how much a photograph is reduced: small ones are continued by their mirror image."""

RADIUS_RANGE = (0.5, 20.0)
"""Radius of defocus, in pixels."""

SOFTNESS_RANGE = (0.0, 1.2)
"""Softness of lens and sensor: standard deviation in pixels."""

NOISE_RANGE = (0.0, 9.0)
"""Standard deviation of noise, in gray levels."""

JPEG_QUALITY_RANGE = (50, 100)
"""Quality of compression, both ends included."""

LOSSLESS_SHARE = 0.25
"""Share of the scenes that are not compressed."""

GRAY_SHARE = 0.15
"""Share of the scenes that are gray."""

FLAT_SHARE = 0.2
"""Share of the scenes whose background has no detail."""

SPECKLED_SHARE = 0.6
"""Share of these on which specks and hairs lie."""

UNEQUAL_SHARE, UNEQUAL_RANGE = 0.3, (0.92, 1.08)
"""Share of the scenes whose far photograph has another exposure, channel by channel, and by how much; the rest differ
by up to a hundredth."""

MOVED_SHARE, MOVED = 0.25, 0.6
"""Share of the scenes that are not quite aligned, and the standard deviation of the shift, in pixels."""

VISIBLE = (1.0, 1 / 255)
"""Window (pixels) and difference of errors that decide the label, see `data.synthesis.camera.visible_label`."""

LEAST_GAIN = 3.0
"""What moving the boundary of a label must gain, see `data.imaging.boundaries.LEAST_GAIN`; less than in fusion, since
labels are refined before noise is added."""


def varied(image, mask, level, levels, size, crop, rng) -> SyntheticPair:
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
    if rng.random() < FLAT_SHARE:
        ground = _without_detail(image, rng)
        if rng.random() < SPECKLED_SHARE:
            ground = _speckle(ground, rng)
        image = np.where(mask[..., None] > 0, image, ground)
    softness = rng.uniform(*SOFTNESS_RANGE)
    low, high = np.log(RADIUS_RANGE)
    # In a soft photograph a small defocus cannot be seen: the range moves up with the softness.
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
        views = [view ** (1 / gamma) for view in (near, far, light)]
        label = visible_label(label, *views, *VISIBLE)
        label = align_boundaries([quantize(255 * view) for view in views[:2]], label, LEAST_GAIN)
    develop = Development(gamma, rng, NOISE_RANGE, JPEG_QUALITY_RANGE, LOSSLESS_SHARE)
    if rng.random() < MOVED_SHARE:
        far = _move(far, rng)
    exposure = rng.uniform(*UNEQUAL_RANGE, 3) if rng.random() < UNEQUAL_SHARE else rng.uniform(0.99, 1.01)
    return SyntheticPair(develop(near), develop(far, exposure), label, quantize(develop.expose(light)))


def _without_detail(image, rng):
    """A surface whose color changes slowly, (N, N, 3) uint8."""
    corners = image.mean((0, 1)) + rng.normal(0, 25, (2, 2, 3))
    return quantize(cv2.resize(corners.astype(np.float32), image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _speckle(ground, rng):
    """Strews dots and hairs, dark or light, over a surface, (N, N, 3) uint8."""
    size, bits = ground.shape[0], 4
    cover = np.zeros((size, size), np.float32)
    for _ in range(int(np.exp(rng.uniform(np.log(3), np.log(60))))):
        drawn = np.zeros((size, size), np.uint8)
        start, turn = rng.uniform(0, size, 2), rng.uniform(0, 2 * np.pi)
        if rng.random() < 0.6:
            radius = np.exp(rng.uniform(np.log(0.4), np.log(4)))
            cv2.circle(drawn, _fixed(start, bits), _fixed(radius, bits), 255, -1, cv2.LINE_AA, bits)
        else:
            end = start + rng.uniform(4, size / 3) * np.array([np.cos(turn), np.sin(turn)])
            cv2.line(drawn, _fixed(start, bits), _fixed(end, bits), 255, int(rng.integers(1, 4)), cv2.LINE_AA, bits)
        cover = np.maximum(cover, drawn * np.float32(rng.uniform(0.1, 1) / 255))
    color = ground.mean((0, 1)) + rng.choice([-1, 1]) * rng.uniform(40, 160) + rng.normal(0, 15, 3)
    return quantize(ground + cover[..., None] * (np.clip(color, 0, 255) - ground))


def _fixed(values, bits):
    """Numbers as OpenCV draws them: whole ones, of which the last `bits` bits are the fraction."""
    return np.rint(np.multiply(values, 1 << bits)).astype(int).tolist()


def _move(view, rng):
    """Shifts and scales by what alignment may leave."""
    height, width = view.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 0, 1 + rng.normal(0, MOVED / width))
    matrix[:, 2] += rng.normal(0, MOVED, 2)
    moved = cv2.warpAffine(view, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
    return np.clip(moved, 0, 1)


def layers_at_depths(light, mask, radius, kernel, rng) -> Sequence[np.ndarray]:
    """Photographs one to three things before a ground, each at its own depth; what is hidden stays hidden.

    Returns:
        The sharp scene, the near and the far photograph, linear light, and the label.
    """
    depth = _ramp(mask.shape, rng) if rng.random() < 0.3 else rng.uniform(0, 0.3)
    layers = [Layer(light, np.ones(mask.shape, np.float32), depth)]
    for depth in np.sort(rng.uniform(0.15, 1, int(rng.integers(1, 4)))):
        shape = mask if rng.random() < 0.3 else SHAPES[int(rng.integers(len(SHAPES)))](mask.shape[0], rng)
        matte = cv2.GaussianBlur(shape.astype(np.float32), (0, 0), EDGE_SIGMA)
        surface = np.roll(np.rot90(light, int(rng.integers(1, 4))), int(rng.integers(mask.shape[0])), axis=0)
        layers.append(Layer(np.clip(surface * rng.uniform(0.4, 1.6, 3).astype(np.float32), 0, 1), matte, float(depth)))
    focuses = rng.uniform(0.5, 1.0), rng.uniform(0.0, 0.4)
    aperture = radius / (focuses[0] - focuses[1])
    takes = (0, 0), *((focus, aperture) for focus in focuses)
    # Convolution by Fourier leaves traces below zero in the dark.
    sharp, near, far = (np.clip(compose(layers, *take, kernel), 0, 1) for take in takes)
    depth = np.broadcast_to(np.float32(layers[0].inverse_depth), mask.shape)
    for layer in layers[1:]:
        depth = np.where(layer.matte > 0.5, layer.inverse_depth, depth)
    label = np.abs(depth - focuses[0]) > np.abs(depth - focuses[1])
    return sharp, near, far, label.astype(np.uint8)


def _ramp(shape, rng):
    """Inverse depth of a ground that recedes, (H, W) float32."""
    angle = rng.uniform(-np.pi, np.pi)
    y, x = (np.linspace(-0.5, 0.5, side, dtype=np.float32) for side in shape)
    along = np.cos(angle) * y[:, None] + np.sin(angle) * x
    return (0.4 + 0.5 * along).astype(np.float32)
