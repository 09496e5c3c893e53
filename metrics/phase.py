"""Zhao's Q_P: similarity of the features that phase congruency finds in the sources and in the fused image."""

from collections.abc import Sequence
from functools import lru_cache, partial, reduce
from itertools import combinations

import numpy as np

from metrics.checks import require_comparable
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.threads import in_threads
from metrics.windows import filter_same, gaussian_window, local_moments

_SCALES, _ORIENTATIONS = 4, 6
"""Numbers of scales and orientations of the log-Gabor filters."""

_SHORTEST, _FACTOR = 3.0, 2.1
"""Shortest wavelength of a filter in pixels, and factor between those of successive scales."""

_BANDWIDTH, _ANGULAR = 0.55, 1.2
"""Ratio of a filter's bandwidth to its center frequency, and ratio of the angle between filters to their angular
standard deviation."""

_NOISE_SIGMAS, _NOISE_DIVISOR = 2.0, 1.7
"""Standard deviations of the noise energy that are subtracted besides its mean, and divisor of this estimate, which is
too large."""

_CUTOFF, _GAIN = 0.5, 10.0
"""Center and slope of the sigmoid that weights the spread of frequencies."""

_EPSILON = 1e-4
"""Constant that keeps quotients finite."""

_FEATURE = 0.1
"""Phase congruency above which a pixel is a feature."""

_SMALL, _KEPT = 2_000_000, 4
"""Pixels below which images are looked at side by side and their filters are kept, and of how many sizes."""


def phase_congruency_quality(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes how well the fused image keeps the edges and corners of the sources, as found by phase congruency.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape.

    Returns:
        The product of the correlations of phase congruency and of its maximum and minimum moments: at most 1, near 1
        where all features are kept; larger is better. NaN (undefined) where the sources have no feature.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Zhao, Laganiere & Liu, "Performance assessment of combinative pixel-level image fusion based on an absolute
    feature measurement", International Journal of Innovative Computing, Information and Control 3(6A), 2007; phase
    congruency: Kovesi, "Image features from phase congruency", Videre 1(3), 1999; constants as in Z. Liu's
    implementation.
    """
    require_comparable(sources, fused)
    images = [*sources, fused]
    found = in_threads(_features, images) if images[0].size < _SMALL else [_features(image) for image in images]
    result = found.pop()
    masks = [congruency > _FEATURE for congruency, _, _ in found]
    # The strongest of the sources at each pixel; the last of equal ones.
    leader = len(found) - 1 - np.argmax([congruency for congruency, _, _ in found[::-1]], 0)[None]
    strongest = [np.take_along_axis(np.stack(maps), leader, 0)[0] for maps in zip(*found, strict=True)]
    mask = strongest[0] > _FEATURE
    if not mask.any():
        return float("nan")
    product = 1.0
    for number, fused_map in enumerate(result):
        maps = [*((one[number], where) for one, where in zip(found, masks, strict=True)), (strongest[number], mask)]
        best = np.maximum.reduce([_correlation(values * where, fused_map, where) for values, where in maps])
        product *= best.sum() / mask.sum()
    return float(product)


def _correlation(source: np.ndarray, fused: np.ndarray, where: np.ndarray) -> np.ndarray:
    local_mean = partial(filter_same, window=gaussian_window(11, 1.5))
    _, variance, _, fused_variance, covariance = local_moments(source, fused, local_mean)
    return np.where(where, (covariance + _EPSILON) / (np.sqrt(np.abs(variance * fused_variance)) + _EPSILON), 0)


def _features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes phase congruency, and the maximum and minimum moment of its covariance over orientations."""
    gray = to_gray(image).astype(np.float64)
    transform = np.fft.fft2(gray)
    bands, directions = (_kept_filters if gray.size < _SMALL else _filters)(gray.shape)
    noise = _noise_of_filters(gray.shape)
    energies, amplitudes, xx, yy, xy = np.zeros((5, *gray.shape))
    for number, direction in enumerate(directions):
        angle = number * np.pi / _ORIENTATIONS
        filters = [band * direction for band in bands]
        responses = [np.fft.ifft2(transform * one) for one in filters]
        sizes = [np.abs(response) for response in responses]
        amplitude = reduce(np.add, sizes)
        energy = np.maximum(_energy(responses) - _noise(noise[number], sizes[0]), 0)
        width = amplitude / (np.maximum.reduce(sizes) + _EPSILON) / _SCALES
        energy /= 1 + np.exp((_CUTOFF - width) * _GAIN)
        energies, amplitudes = energies + energy, amplitudes + amplitude
        congruency = np.divide(energy, amplitude, out=np.zeros_like(energy), where=amplitude > 0)
        along_x, along_y = congruency * np.cos(angle), congruency * np.sin(angle)
        xx, yy, xy = xx + along_x**2, yy + along_y**2, xy + along_x * along_y
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = np.sqrt(xy**2 + (xx - yy) ** 2) + _EPSILON
    return energies / (amplitudes + _EPSILON), (yy + xx + spread) / 2, (yy + xx - spread) / 2


def _energy(responses: Sequence[np.ndarray]) -> np.ndarray:
    """Sums the amplitudes, each times cosine minus absolute sine of its deviation from the mean phase."""
    total = reduce(np.add, responses)
    mean = total / (np.abs(total) + _EPSILON)
    products = [response * mean.conj() for response in responses]
    return reduce(np.add, [product.real - np.abs(product.imag) for product in products])


def _noise(of_filters: tuple[float, float, float], finest: np.ndarray) -> float:
    """Estimates the energy of the noise from the median response at the finest scale."""
    energy, squares, products = of_filters
    power = -np.median(finest**2) / np.log(0.5) / energy
    tau = np.sqrt(power * squares + 2 * power * products)
    return (tau * np.sqrt(np.pi / 2) + _NOISE_SIGMAS * np.sqrt((2 - np.pi / 2) * tau**2)) / _NOISE_DIVISOR


@lru_cache(_KEPT)
def _noise_of_filters(shape: tuple[int, ...]) -> tuple[tuple[float, float, float], ...]:
    """Returns for each orientation the energy of the finest filter, and the sums of the squares and of the products of
    all kernels."""
    bands, directions = (_kept_filters if np.prod(shape) < _SMALL else _filters)(shape)
    found = []
    for direction in directions:
        filters = [band * direction for band in bands]
        kernels = [np.fft.ifft2(one).real * np.sqrt(one.size) for one in filters]
        squares = sum(float(np.sum(kernel**2)) for kernel in kernels)
        products = sum(float(np.sum(one * other)) for one, other in combinations(kernels, 2))
        found.append((float(np.sum(filters[0] ** 2)), squares, products))
    return tuple(found)


def _filters(shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Builds the radial and the angular parts of the filters, with the frequency 0 in the corner."""
    y, x = np.meshgrid(*(_frequencies(side) for side in shape), indexing="ij")
    radius = np.hypot(x, y)
    radius[shape[0] // 2, shape[1] // 2] = 1  # avoids log(0); this value is not used
    radius, theta = np.fft.ifftshift(radius), np.fft.ifftshift(np.arctan2(-y, x))
    rows, columns = ((np.arange(side) - side // 2) / side for side in shape)
    low_pass = np.fft.fftshift(1 / (1 + (np.hypot(rows[:, None], columns) / 0.45) ** 30))
    bands = []
    for scale in range(_SCALES):
        wavelength = _SHORTEST * _FACTOR**scale
        band = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * np.log(_BANDWIDTH) ** 2)) * low_pass
        band[0, 0] = 0
        bands.append(band)
    deviation = np.pi / _ORIENTATIONS / _ANGULAR
    directions = []
    for number in range(_ORIENTATIONS):
        away = theta - number * np.pi / _ORIENTATIONS
        away = np.abs(np.arctan2(np.sin(away), np.cos(away)))
        directions.append(np.exp(-(away**2) / (2 * deviation**2)))
    return bands, directions


_kept_filters = lru_cache(_KEPT)(_filters)


def _frequencies(side: int) -> np.ndarray:
    """Returns the frequencies of an axis from -1/2, with 0 in the middle; an odd axis reaches 1/2, as in Kovesi's
    code."""
    return np.arange(-(side // 2), side - side // 2) / (side - side % 2)


METRICS = (
    Metric(
        "q_p",
        "Q_P",
        "features by phase congruency",
        "Zhao, Laganiere & Liu 2007",
        variants=("liu",),
        range=(-1.0, 1.0),
        score=lambda plane, _: phase_congruency_quality(plane.sources, plane.fused),
        latex="$Q_{P}$",
    ),
)
"""The metrics of this family."""
