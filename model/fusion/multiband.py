"""Composition of a stack by its decision map, without seams that show.

Source: Burt & Adelson, "A multiresolution spline with application to image mosaics", ACM Transactions on Graphics 2(4),
1983: each source is split into bands, each band is weighted by the decision map as blurred at the band's scale, and all
are added. Two things are ours, both near seams where the sources differ in brightness: of the two finest bands the
strongest coefficient of the sources nearby is taken, so that hairs and crossing things stay whole where one source a
pixel cannot show them; and where a step between sources is not hidden by an edge of the scene, the rest fades over
more octaves. Every pixel that is not near a seam is that of a source, to the bit.
"""

from collections.abc import Iterable, Mapping

import cv2
import numpy as np

from data.imaging.blocks import mixed_blocks, within
from data.imaging.pixels import copy_pixels, per_level, quantize
from data.runtime.parallel import in_order

BANDS = 1
"""Pyramid levels in the blending of strokes."""

FINE_BANDS, FURTHER_BANDS = 2, 3
"""Pyramid levels at all seams of a stack, and further ones where a step would show."""

STEP = 2.0
"""Gray levels that sources must differ by at a seam, after a Gaussian of `STEP_SIGMA` pixels, to count as a step."""

STEP_SIGMA = 2.0

HIDDEN = 14.0
"""A step shows if it is larger than this many times the gradient around it, in gray levels a pixel."""

REACH, FURTHER_REACH = 14, 16
"""Pixels from a step within which coefficients are chosen, and within which the rest fades over more octaves."""

_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Of the channels, as a matrix."""

SIDE = 512
"""Side of the windows, in pixels."""

CONTEXT = 2 ** (FINE_BANDS + FURTHER_BANDS + 2)
"""Pixels around them: beyond the reach of the pyramid's filters, and on the grid of its last level."""


def blend(
    images: Iterable[np.ndarray], decision_map: np.ndarray, plain: np.ndarray | None = None, *, choose: bool = True
) -> np.ndarray:
    """Fuses a stack by its decision map.

    Args:
        images: Sources in order, (H, W) or (H, W, 3), uint8 or uint16, all of one shape and type; each is read
            once.
        decision_map: (H, W), the index of the source of each pixel.
        plain: (H, W) bool, where no coefficients are chosen and no further octaves are blended: the rims of blown
            lights are no detail. None: nowhere.
        choose: Whether coefficients are chosen at all: in noisy sources the strongest is that with the most noise.

    Returns:
        The fused image, of their shape and type.
    """
    windows = list(mixed_blocks(decision_map, SIDE, CONTEXT))
    parts: list[dict[int, np.ndarray]] = [{} for _ in windows]
    fused = np.empty(0, np.uint8)
    for index, image in enumerate(images):
        if index == 0:
            fused = np.empty(image.shape, image.dtype)
        mask = decision_map == index
        copy_pixels(fused, image, mask)
        for part, (_, around) in zip(parts, windows, strict=True):
            if mask[around].any():
                part[index] = image[around].copy()

    def mix(number: int) -> np.ndarray:
        inside, around = windows[number]
        mixed = _mix(parts[number], decision_map[around], None if plain is None else plain[around], choose)
        parts[number] = {}
        return quantize(mixed[within(inside, around)], fused.dtype)

    for (inside, _), mixed in zip(windows, in_order(mix, range(len(windows))), strict=True):
        fused[inside] = mixed
    return fused


def share(image: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """Computes what one source adds to the result: its bands, weighted by its mask at each scale.

    Args:
        image: (H, W) or (H, W, 3), of any type.
        mask: (H, W), bool or shares in [0, 1].
        levels: How often the image is halved.

    Returns:
        float32 of the image's shape.
    """
    image, mask = image.astype(np.float32), mask.astype(np.float32)
    if levels == 0 or min(mask.shape) == 1:
        return image * _each_channel(mask, image)
    size = mask.shape[1], mask.shape[0]
    coarse = cv2.pyrDown(image)
    detail = image - cv2.pyrUp(coarse, dstsize=size)
    detail *= _each_channel(mask, image)
    return detail + cv2.pyrUp(share(coarse, cv2.pyrDown(mask), levels - 1), dstsize=size)


def _mix(sources: Mapping[int, np.ndarray], labels: np.ndarray, plain: np.ndarray | None, choose: bool) -> np.ndarray:
    """Blends a window; returns float32 in the sources' range."""
    first = next(iter(sources.values()))
    if min(labels.shape) < 2**FINE_BANDS:
        return _add(sources, {index: labels == index for index in sources}, 0)
    unit = np.float32(per_level(first.dtype))
    images = {index: image.astype(np.float32) / unit for index, image in sources.items()}
    chosen, further = _steps(images, labels)
    if not choose:
        chosen[:] = 0
    if plain is not None and plain.any():
        free = 1 - cv2.GaussianBlur(cv2.dilate(plain.astype(np.float32), np.ones((5, 5), np.uint8)), (0, 0), 1.5)
        chosen, further = chosen * free, further * free
    return unit * _blend_level(images, {index: labels == index for index in images}, chosen, further, FINE_BANDS)


def _blend_level(
    images: Mapping[int, np.ndarray],
    masks: Mapping[int, np.ndarray],
    chosen: np.ndarray,
    further: np.ndarray,
    levels: int,
) -> np.ndarray:
    """Blends the finest of some bands and, beneath it, the others.

    Args:
        images: (h, w) or (h, w, C) float32 each, of one level of the pyramid.
        masks: (h, w) of each, shares in [0, 1].
        chosen: (h, w) float32 in [0, 1], how much the strongest coefficients count against the weighted ones.
        further: The same for `FURTHER_BANDS` against none beneath the last band.
        levels: How many bands follow.
    """
    size = chosen.shape[::-1]
    if levels == 0 or min(size) == 1:
        narrow, wide = (_add(images, masks, bands) for bands in (0, FURTHER_BANDS))
        return narrow + _each_channel(further, narrow) * (wide - narrow)
    reach = REACH * 2**levels // 2**FINE_BANDS
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    coarse = {index: cv2.pyrDown(image) for index, image in images.items()}
    weighted, strongest, most = np.zeros_like(images[min(images)]), np.zeros_like(images[min(images)]), None
    for index, image in images.items():
        mask = masks[index].astype(np.float32)
        band = image - cv2.pyrUp(coarse[index], dstsize=size)
        weighted += band * _each_channel(mask, band)
        squares = band * band
        energy = cv2.GaussianBlur(cv2.transform(squares, _MEAN) if squares.ndim == 3 else squares, (0, 0), 1)
        energy *= cv2.dilate((mask > 0.5).view(np.uint8), disc)
        if most is None:
            strongest, most = band, energy
        else:
            copy_pixels(strongest, band, energy > most)
            np.maximum(most, energy, out=most)
    detail = weighted + _each_channel(chosen, weighted) * (strongest - weighted)
    smaller = {index: cv2.pyrDown(mask.astype(np.float32)) for index, mask in masks.items()}
    rest = _blend_level(coarse, smaller, cv2.pyrDown(chosen), cv2.pyrDown(further), levels - 1)
    return detail + cv2.pyrUp(rest, dstsize=size)


def _add(images: Mapping[int, np.ndarray], masks: Mapping[int, np.ndarray], levels: int) -> np.ndarray:
    """Adds the shares of images; see `share`."""
    total = np.zeros(images[min(images)].shape, np.float32)
    for index, image in images.items():
        total += share(image, masks[index], levels)
    return total


def _steps(images: Mapping[int, np.ndarray], labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds where sources differ in brightness at seams: near any such step, and near those that would show; shares in
    [0, 1], (h, w) float32 each."""
    step = np.zeros(labels.shape, np.float32)
    smooth = {index: cv2.GaussianBlur(image, (0, 0), STEP_SIGMA) for index, image in images.items()}
    for axis in (0, 1):
        before, after = _neighbors(labels, axis)
        rows, columns = np.nonzero(before != after)
        here, there = (rows, columns), (rows + (axis == 0), columns + (axis == 1))
        levels = []
        for place in (here, there):
            first = np.empty((len(rows), smooth[labels[0, 0]].size // labels.size), np.float32)
            for index, image in smooth.items():
                taken = labels[place] == index
                first[taken] = image[rows[taken], columns[taken]].reshape(-1, first.shape[1])
            levels.append(first)
        height = np.abs(levels[0] - levels[1]).mean(-1)
        for place in (here, there):
            step[place] = np.maximum(step[place], height)
    slope = np.zeros(labels.shape, np.float32)
    for image in images.values():
        np.maximum(slope, _slope(image), out=slope)
    shows = step > HIDDEN * cv2.GaussianBlur(slope, (0, 0), 3)
    return _near(step > STEP, REACH), _near((step > STEP) & shows, FURTHER_REACH)


def _neighbors(labels: np.ndarray, axis: int) -> tuple[np.ndarray, np.ndarray]:
    return (labels[:-1], labels[1:]) if axis == 0 else (labels[:, :-1], labels[:, 1:])


def _slope(image: np.ndarray) -> np.ndarray:
    """Returns the gradient of gray levels, averaged over about two pixels."""
    gray = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) if image.ndim == 3 else image, (0, 0), 0.8)
    along_x, along_y = (cv2.Sobel(gray, cv2.CV_32F, *order, scale=1 / 8) for order in ((1, 0), (0, 1)))
    return cv2.GaussianBlur(cv2.magnitude(along_x, along_y), (0, 0), 2)


def _near(where: np.ndarray, reach: int) -> np.ndarray:
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    return cv2.GaussianBlur(cv2.dilate(where.view(np.uint8), disc).astype(np.float32), (0, 0), reach / 3)


def _each_channel(shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Gives (h, w) shares the axis of an image's channels, if it has one."""
    return shares.reshape(shares.shape + (1,) * (image.ndim - 2))
