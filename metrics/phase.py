"""Zhao's Q_P: similarity of the features that phase congruency finds in the sources and in the fused image."""

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache, partial, reduce
from math import log

import numpy as np
from scipy.fft import fft2, ifft2

from metrics.checks import require_comparable
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.threads import in_threads
from metrics.windows import filter_valid, gaussian_window, local_moments, sum_over_bands

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

_WINDOW = 11
"""Side in pixels of the windows in which features are compared."""

_FEATURE = 0.1
"""Phase congruency above which a pixel is a feature."""

_ROWS = 64
"""Rows that are looked at together."""

_SMALL, _KEPT = 2_000_000, 4
"""Pixels below which images are transformed side by side, in double precision and with filters that are kept, and of
how many sizes. Larger ones need a lot of memory: 3 GB for 24 megapixels in single precision."""


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
        maps = [*(one[number] for one in found), strongest[number]]
        planes = [np.pad(plane, _WINDOW // 2) for plane in (*maps, *masks, mask, fused_map)]
        product *= float(sum_over_bands(_sum_correlations, planes, _WINDOW)[0]) / mask.sum()
    return float(product)


def _sum_correlations(rows: Sequence[np.ndarray]) -> list[float]:
    """Adds up the largest correlation of the masked maps with the fused one around each pixel, given the maps, their
    masks and the fused map."""
    *both, fused = rows
    count, inner = len(both) // 2, np.s_[_WINDOW // 2 : -(_WINDOW // 2), _WINDOW // 2 : -(_WINDOW // 2)]
    maps = zip(both[:count], both[count:], strict=True)
    best = np.maximum.reduce([np.where(where[inner], _correlation(one * where, fused), 0) for one, where in maps])
    return [best.sum(dtype=np.float64)]


def _correlation(source: np.ndarray, fused: np.ndarray) -> np.ndarray:
    local_mean = partial(filter_valid, window=gaussian_window(_WINDOW, 1.5))
    _, variance, _, fused_variance, covariance = local_moments(source, fused, local_mean)
    return (covariance + _EPSILON) / (np.sqrt(np.abs(variance * fused_variance)) + _EPSILON)


def _features(image: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Computes phase congruency, and the maximum and minimum moment of its covariance over orientations."""
    gray = to_gray(image).astype(_precision(image.shape[:2]))
    bands, directions = (_kept_filters if gray.size < _SMALL else _filters)(gray.shape)
    levels = _noise_of_filters(gray.shape)
    workers = 1 if gray.size < _SMALL else os.cpu_count() or 1  # several images are transformed at once
    transform, sums = fft2(gray, workers=workers), np.zeros((5, *gray.shape), gray.dtype)
    for number, (direction, level) in enumerate(zip(directions, levels, strict=True)):
        responses = [ifft2(transform * (band * direction), overwrite_x=True, workers=workers) for band in bands]
        noise = _noise(level, np.abs(responses[0]))
        for start in range(0, len(gray), _ROWS):
            rows = slice(start, start + _ROWS)
            sums[:, rows] += _orientation([one[rows] for one in responses], noise, number * np.pi / _ORIENTATIONS)
    del bands, transform, responses  # before more memory is needed
    energies, amplitudes, xx, yy, xy = sums
    xx, yy, xy = xx / (_ORIENTATIONS / 2), yy / (_ORIENTATIONS / 2), xy / _ORIENTATIONS
    spread = np.sqrt(xy**2 + (xx - yy) ** 2) + _EPSILON
    return energies / (amplitudes + _EPSILON), (yy + xx + spread) / 2, (yy + xx - spread) / 2


def _precision(shape: tuple[int, ...]) -> type[np.floating]:
    """Returns the type of number that images of this shape are transformed with."""
    return np.float64 if np.prod(shape) < _SMALL else np.float32


def _orientation(responses: Sequence[np.ndarray], noise: float, angle: float) -> tuple[np.ndarray, ...]:
    """Computes energy and amplitude of the filters of one angle, and the moments of their phase congruency."""
    sizes = [np.abs(response) for response in responses]
    amplitude = reduce(np.add, sizes)
    energy = np.maximum(_energy(responses) - noise, 0)
    width = amplitude / (np.maximum.reduce(sizes) + _EPSILON) / _SCALES
    energy /= 1 + np.exp((_CUTOFF - width) * _GAIN)
    congruency = np.divide(energy, amplitude, out=np.zeros_like(energy), where=amplitude > 0)
    along_x, along_y = congruency * np.cos(angle), congruency * np.sin(angle)
    return energy, amplitude, along_x**2, along_y**2, along_x * along_y


def _energy(responses: Sequence[np.ndarray]) -> np.ndarray:
    """Sums the amplitudes, each times cosine minus absolute sine of its deviation from the mean phase."""
    total = reduce(np.add, responses)
    size = np.abs(total)
    across = np.zeros_like(size)  # absolute sines, times the amplitude of the mean phase
    for response in responses:
        across += np.abs(response.imag * total.real - response.real * total.imag)
    return (size * size - across) / (size + _EPSILON)


def _noise(of_filters: tuple[float, float, float], finest: np.ndarray) -> float:
    """Estimates the energy of the noise from the median response at the finest scale."""
    energy, squares, products = of_filters
    power = -np.median(finest**2) / np.log(0.5) / energy
    tau = np.sqrt(power * squares + 2 * power * products)
    return (tau * np.sqrt(np.pi / 2) + _NOISE_SIGMAS * np.sqrt((2 - np.pi / 2) * tau**2)) / _NOISE_DIVISOR


@lru_cache(_KEPT)
def _noise_of_filters(shape: tuple[int, ...]) -> tuple[tuple[float, float, float], ...]:
    """Returns for each orientation the energy of the finest filter, and the sums of the squares and of the products of
    the real parts of all kernels: by Parseval's theorem those of the even parts of the filters."""
    bands, directions = (_kept_filters if np.prod(shape) < _SMALL else _filters)(shape)
    found = []
    for direction in directions:
        squares, total = 0.0, np.zeros(shape, direction.dtype)
        for band in bands:
            one = band * direction
            even = (one + np.roll(one[::-1, ::-1], 1, axis=(0, 1))) / 2
            squares += _square_sum(even)
            total += even
        found.append((_square_sum(bands[0] * direction), squares, (_square_sum(total) - squares) / 2))
    return tuple(found)


def _square_sum(values: np.ndarray) -> float:
    return float(np.square(values).sum(dtype=np.float64))


def _filters(shape: tuple[int, ...]) -> tuple[list[np.ndarray], Iterator[np.ndarray]]:
    """Builds the radial parts of the filters and, one by one, the angular ones, with the frequency 0 in the corner."""
    y, x = np.meshgrid(*(_frequencies(side).astype(_precision(shape)) for side in shape), indexing="ij")
    radius = np.hypot(x, y)
    radius[shape[0] // 2, shape[1] // 2] = 1  # avoids log(0); this value is not used
    radius, theta = np.fft.ifftshift(radius), np.fft.ifftshift(np.arctan2(-y, x))
    rows, columns = (((np.arange(side) - side // 2) / side).astype(radius.dtype) for side in shape)
    low_pass = np.fft.fftshift(1 / (1 + (np.hypot(rows[:, None], columns) / 0.45) ** 30))
    bands = []
    for scale in range(_SCALES):
        wavelength = _SHORTEST * _FACTOR**scale
        band = np.exp(-(np.log(radius * wavelength) ** 2) / (2 * log(_BANDWIDTH) ** 2)) * low_pass
        band[0, 0] = 0
        bands.append(band)
    return bands, (_direction(theta, number) for number in range(_ORIENTATIONS))


@lru_cache(_KEPT)
def _kept_filters(shape: tuple[int, ...]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    bands, directions = _filters(shape)
    return bands, list(directions)


def _direction(theta: np.ndarray, number: int) -> np.ndarray:
    """Builds the angular part of the filters of an orientation."""
    away = theta - number * np.pi / _ORIENTATIONS
    away = np.abs(np.arctan2(np.sin(away), np.cos(away)))
    return np.exp(-(away**2) / (2 * (np.pi / _ORIENTATIONS / _ANGULAR) ** 2))


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
