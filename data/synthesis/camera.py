"""The camera of the recipe `photographic`: two photographs of a sharp scene, focused on different parts.

The lens is simulated in linear light, before sensor and file (noise, sharpening, JPEG), since a network trained on
blurred and stitched JPEGs learns that "no compression noise" means "blurred".
"""

from collections.abc import Callable

import cv2
import numpy as np

from data.imaging.pixels import quantize
from data.synthesis.blur import convolve, disc_kernel, gaussian_kernel, polygon_kernel
from data.synthesis.depth_of_field import defocus_by_depth
from data.synthesis.regions import draw_region, grow_region

RADIUS_RANGE = (1.0, 7.0)
"""Pixels: radius of defocus."""

SOFTNESS_RANGE = (0.0, 1.0)
"""Pixels: standard deviation of the blur of lens and sensor, everywhere in the photograph."""

GAMMA_RANGE = (1.0, 2.2)
"""Exponent from pixel values to linear light."""

NOISE_RANGE = (0.0, 5.0)
"""Gray levels: standard deviation of noise."""

SHARPENING_RANGE = (0.0, 0.8)
"""Strength of unsharp masking."""

EXPOSURE_RANGE = (0.96, 1.04)
"""Brightness of the far photograph, in proportion to the near one."""

JPEG_QUALITY_RANGE = (55, 99)
"""JPEG quality, both ends included."""

EDGE_SIGMA = 0.7
"""Pixels: standard deviation of the smoothing of a foreground's edge."""

LABEL_SIGMA = 1.5
"""Pixels: standard deviation of the window in which both photographs are compared with the sharp scene."""

LABEL_ERROR = 1.5 / 255
"""Difference of their errors (root mean square of values in [0, 1]) above which the comparison decides the label."""

RAMP_SHARE = 0.25
"""Share of the scenes whose depth changes gradually across the image."""

DRAWN_SHARE = 0.3
"""Share of the scenes whose foreground is a drawn shape."""

GROWN_SHARE = 0.3
"""Share of the scenes whose foreground is a region bounded by image edges; the rest use the mask."""

Kernel = Callable[[float], np.ndarray]
"""Maps a radius of defocus in pixels to a point spread, (K, K) float32, sum 1."""

Views = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Near and far photograph, (H, W, 3) float32, linear light in [0, 1], and label, (H, W), 1 where near is defocused."""


def simulate_pair(
    image: np.ndarray, mask: np.ndarray, level: int, levels: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Photographs a scene twice.

    Args:
        image: (N, N, 3) uint8 RGB, sharp.
        mask: (N, N) uint8, 1 = foreground.
        level: Level of defocus, 1 to `levels`; the levels divide the range of radii evenly on a log scale.
        levels: Number of levels.
        rng: Random generator.

    Returns:
        The near and the far photograph, the label (1 where the near one is out of focus) and the scene without defocus
        and noise: (N, N, 3) uint8 RGB, (N, N) uint8.
    """
    softness = rng.uniform(*SOFTNESS_RANGE)
    low, high = np.log(RADIUS_RANGE)
    # A small defocus is invisible in a soft photograph: the range moves up with the softness.
    radius = float(np.exp(low + (high - low) * (level - 1 + rng.random()) / levels)) + softness
    kernel = draw_aperture(rng)
    gamma = np.float32(rng.uniform(*GAMMA_RANGE))
    foreground = rng.random()
    if foreground < DRAWN_SHARE:
        image, mask = draw_region(image, rng)
    elif foreground < DRAWN_SHARE + GROWN_SHARE:
        mask = grow_region(image, rng)
    light = (image.astype(np.float32) / 255) ** gamma
    simulate = two_ramps if rng.random() < RAMP_SHARE else two_planes
    near, far, label = simulate(light, mask, radius, kernel, rng)
    near, far, light = (soften(view, softness) for view in (near, far, light))
    seen_near, seen_far, sharp = (view ** (1 / gamma) for view in (near, far, light))
    label = visible_label(label, seen_near, seen_far, sharp)
    develop = Development(gamma, rng)
    return develop(near), develop(far, rng.uniform(*EXPOSURE_RANGE)), label, quantize(develop.expose(light))


def stitch(
    light: np.ndarray, mask: np.ndarray, radius: float, kernel: Kernel, rng: np.random.Generator | None = None
) -> Views:
    """Blurs the whole scene and stitches it by the mask, as the paper does.

    Args:
        light: (H, W, 3) float32, linear light in [0, 1].
        mask: (H, W) uint8, 1 = foreground.
        radius: Radius of defocus in pixels.
        kernel: Maps a radius to a point spread.
        rng: Not used; all geometries have the same arguments.
    """
    blurred = np.clip(convolve(light, kernel(radius)), 0, 1)
    foreground = mask[..., None] > 0
    return np.where(foreground, light, blurred), np.where(foreground, blurred, light), 1 - mask


def two_planes(
    light: np.ndarray, mask: np.ndarray, radius: float, kernel: Kernel, rng: np.random.Generator | None = None
) -> Views:
    """Blurs the background behind a sharp foreground, and the foreground before a sharp background; see `stitch`.

    A defocused background is occluded by the sharp edge in front of it: only background light is averaged. A defocused
    foreground spreads over its edge, and the background that shows through is extrapolated from its surroundings.
    """
    spread_function = kernel(radius)
    matte = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), EDGE_SIGMA)[..., None]
    hole = np.float32(1) - matte
    spread = convolve(hole, spread_function)[..., None]
    background = convolve(light * hole, spread_function) / np.maximum(spread, 1e-3)
    near = matte * light + hole * background
    behind = np.where(matte > 0.5, background, light)
    far = convolve(light * matte, spread_function) + spread * behind
    return np.clip(near, 0, 1), np.clip(far, 0, 1), 1 - mask


def two_ramps(light: np.ndarray, mask: np.ndarray, radius: float, kernel: Kernel, rng: np.random.Generator) -> Views:
    """Photographs a receding ground with the foreground standing on it at one depth; see `stitch`.

    Blur grows gradually, and between the two planes of focus both photographs are slightly blurred.
    """
    size = mask.shape[0]
    angle = rng.normal(0, 0.5) if rng.random() < 0.8 else rng.uniform(-np.pi, np.pi)
    y, x = np.mgrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    ground = 0.5 + np.cos(angle) * y + np.sin(angle) * x
    inverse_depth = np.where(mask > 0, rng.uniform(0.5, 1), ground).astype(np.float32)
    focuses = rng.uniform(0.6, 1.0), rng.uniform(0.0, 0.4)
    aperture = radius / (focuses[0] - focuses[1])
    near, far = (defocus_by_depth(light, inverse_depth, focus, aperture, kernel=kernel, layers=12) for focus in focuses)
    return near, far, (np.abs(inverse_depth - focuses[0]) > np.abs(inverse_depth - focuses[1])).astype(np.uint8)


def draw_aperture(rng: np.random.Generator) -> Kernel:
    """Draws a round aperture (half of all), a polygon of five to eight blades, or the Gaussian of a poor lens; all have
    the same spread at the same radius."""
    kind = rng.random()
    if kind < 0.5:
        return disc_kernel
    if kind < 0.75:
        blades, turn = int(rng.integers(5, 9)), rng.uniform(0, 2 * np.pi)
        return lambda radius: polygon_kernel(radius, blades, turn)
    # A disc of radius r has a standard deviation of r / 2 along each axis.
    return lambda radius: gaussian_kernel(radius / 2)


def soften(light: np.ndarray, softness: float) -> np.ndarray:
    """Blurs the whole photograph slightly, as lens, color filter and demosaicing do; `softness` is sigma in pixels."""
    return light if softness < 0.2 else cv2.GaussianBlur(light, (0, 0), softness)


class Development:
    """A camera's processing from light to file, with parameters drawn once for both photographs; only noise differs.

    Args:
        gamma: Exponent from pixel values to linear light.
        rng: Random generator.
        noise: Range of the standard deviation of noise, in gray levels.
        quality: Range of JPEG quality, both ends included.
        lossless_share: Probability of no compression.
    """

    def __init__(
        self,
        gamma: np.float32,
        rng: np.random.Generator,
        noise: tuple[float, float] = NOISE_RANGE,
        quality: tuple[int, int] = JPEG_QUALITY_RANGE,
        lossless_share: float = 0.0,
    ):
        self.rng = rng
        self.exponent = np.float32(1 / gamma)
        self.gain, self.offset = np.float32(rng.uniform(0.8, 1.2)), np.float32(rng.uniform(-15, 15))
        self.noise = rng.uniform(*noise) if rng.random() < 0.7 else 0.0
        self.grain = rng.uniform(0.3, 0.7) if rng.random() < 0.5 else 0.0
        self.sharpening = np.float32(rng.uniform(*SHARPENING_RANGE)) if rng.random() < 0.5 else np.float32(0)
        self.quality: int | None = int(rng.integers(quality[0], quality[1] + 1))
        if lossless_share and rng.random() < lossless_share:
            self.quality = None

    def expose(self, light: np.ndarray, exposure: float | np.ndarray = 1.0) -> np.ndarray:
        """Converts linear light in [0, 1] to gray levels, (H, W, 3) float32; without noise and compression."""
        values = light**self.exponent * 255 * np.asarray(exposure, np.float32)
        values = (values - 127.5) * self.gain + (127.5 + self.offset)
        if self.sharpening:
            values += self.sharpening * (values - cv2.GaussianBlur(values, (0, 0), 1.0))
        return values

    def __call__(self, light: np.ndarray, exposure: float | np.ndarray = 1.0) -> np.ndarray:
        """Converts linear light in [0, 1] to the decoded image file, (H, W, 3) uint8."""
        noise = self.rng.normal(0, self.noise, light.shape).astype(np.float32)
        if self.grain and self.noise:  # demosaicing makes noise coarser, with the same strength
            noise = cv2.GaussianBlur(noise, (0, 0), self.grain)
            noise *= np.float32(self.noise / max(float(noise.std()), 1e-3))
        values = quantize(self.expose(light, exposure) + noise)
        return values if self.quality is None else through_jpeg(values, self.quality)


def visible_label(
    label: np.ndarray,
    near: np.ndarray,
    far: np.ndarray,
    sharp: np.ndarray,
    sigma: float = LABEL_SIGMA,
    least: float = LABEL_ERROR,
) -> np.ndarray:
    """Corrects a label by what is visible: the photograph with the larger error to the sharp scene is out of focus.

    The blur of a defocused foreground covers background that is in focus; there depth and visible sharpness disagree.
    Where both errors are nearly equal, depth decides.

    Args:
        label: (H, W), by depth, 1 where `near` is out of focus.
        near: (H, W, 3) float32 in [0, 1], pixel values (not linear light), without noise.
        far: The far photograph, likewise.
        sharp: The scene, sharp everywhere, likewise.
        sigma: Standard deviation in pixels of the window of comparison.
        least: Difference of root mean square errors above which they decide.

    Returns:
        The corrected label, (H, W) uint8.
    """
    errors = [cv2.GaussianBlur(np.square(view - sharp).mean(-1), (0, 0), sigma) for view in (near, far)]
    difference = errors[0] - errors[1]
    visible = np.abs(difference) > least**2
    return np.where(visible, difference > 0, label > 0).astype(np.uint8)


def through_jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    """Compresses and decompresses (H, W, 3) uint8 RGB, with chroma at half resolution, the encoder's default."""
    _, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR)), cv2.COLOR_BGR2RGB)
