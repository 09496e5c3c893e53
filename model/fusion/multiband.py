"""Composition of a stack by its decision map, without seams that show.

Source: Burt & Adelson, "A multiresolution spline with application to image mosaics", ACM Transactions on Graphics 2(4),
1983: each source is split into bands, each band is weighted by the decision map as blurred at the band's scale, and all
are added. Two things are ours, both near seams where the sources differ in brightness: of the two finest bands the
strongest coefficient of the sources nearby is taken, so that hairs and crossing things stay whole where one source a
pixel cannot show them; and where a step between sources is not hidden by an edge of the scene, the rest fades over
more octaves. Every pixel that is not near a seam is that of a source, to the bit.
"""

from collections.abc import Mapping, Sequence
from functools import reduce

import cv2
import numpy as np

from data.imaging.blocks import Window, mixed_blocks, within
from data.imaging.pixels import copy_pixels, per_level, quantize
from data.runtime.parallel import in_order
from model.fusion.seams import REACH, brightness_steps

BANDS = 1
"""Pyramid levels in the blending of strokes."""

FINE_BANDS, FURTHER_BANDS = 2, 3
"""Pyramid levels at all seams of a stack, and further ones where a step would show."""

OVERSHOOT = 0.15
"""The result is bounded by the lowest and highest value that any source has within two pixels, and so much of their
distance: no halo is far brighter or darker than what is there. Chosen on real and rendered stacks: with 0 more is lost
of what frames show, from 0.3 on nothing is bounded."""

_NEARBY = np.ones((5, 5), np.uint8)
"""Pixels around one for that."""

_MEAN = np.full((1, 3), 1 / 3, np.float32)
"""Of the channels, as a matrix."""

SIDE = 512
"""Side of the windows, in pixels."""

PARTS_BYTES = 400_000_000
"""Memory for the parts of sources that meet at seams; where they need more, windows are blended in several turns."""

CONTEXT = 2 ** (FINE_BANDS + FURTHER_BANDS + 2)
"""Pixels around them: beyond the reach of the pyramid's filters, and on the grid of its last level."""


def blend(
    images: Sequence[np.ndarray], decision_map: np.ndarray, plain: np.ndarray | None = None, *, choose: bool = True
) -> np.ndarray:
    """Fuses a stack by its decision map.

    Args:
        images: Sources in order, (H, W) or (H, W, 3), uint8 or uint16, all of one shape and type; each is read
            once, and again where so many meet at seams that `PARTS_BYTES` do not hold them.
        decision_map: (H, W), the index of the source of each pixel.
        plain: (H, W) bool, where no coefficients are chosen and no further octaves are blended: the rims of blown
            lights are no detail. None: nowhere.
        choose: Whether coefficients are chosen at all: in noisy sources the strongest is that with the most noise.

    Returns:
        The fused image, of their shape and type.
    """
    windows = list(mixed_blocks(decision_map, SIDE, CONTEXT))
    first = images[0]
    fused = np.empty(first.shape, first.dtype)
    groups = _groups(windows, decision_map, first.nbytes / decision_map.size) or [([], set())]
    for number, (group, needed) in enumerate(groups):
        parts: list[dict[int, np.ndarray]] = [{} for _ in group]
        for index in range(len(images)):
            if number and index not in needed:
                continue
            image, mask = images[index], decision_map == index
            if number == 0:
                copy_pixels(fused, image, mask)
            for part, (_, around) in zip(parts, group, strict=True):
                if mask[around].any():
                    part[index] = image[around].copy()

        def mix(place: int, parts: list = parts, group: list = group) -> np.ndarray:
            inside, around = group[place]
            mixed = _mix(parts[place], decision_map[around], None if plain is None else plain[around], choose)
            parts[place] = {}
            return quantize(mixed[within(inside, around)], fused.dtype)

        for (inside, _), mixed in zip(group, in_order(mix, range(len(group))), strict=True):
            fused[inside] = mixed
    return fused


def _groups(
    windows: Sequence[tuple[Window, Window]], decision_map: np.ndarray, pixel_bytes: float
) -> list[tuple[list[tuple[Window, Window]], set[int]]]:
    """Groups windows such that the parts of sources in each group fit into `PARTS_BYTES`; with the sources of each."""
    groups: list[tuple[list[tuple[Window, Window]], set[int]]] = []
    held = 0.0
    for window in windows:
        around = decision_map[window[1]]
        present = set(np.unique(around).tolist())
        size = len(present) * around.size * pixel_bytes
        if not groups or held + size > PARTS_BYTES:
            groups.append(([], set()))
            held = 0.0
        groups[-1][0].append(window)
        groups[-1][1].update(present)
        held += size
    return groups


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
    """Blends a window; returns float32 in the sources' range. One source at a time is held as floating point."""
    first = next(iter(sources.values()))
    unit = np.float32(per_level(first.dtype))
    if min(labels.shape) < 2**FINE_BANDS:
        return reduce(np.add, (share(image, labels == index, 0) for index, image in sources.items()))
    chosen, further = brightness_steps(sources, labels, unit)
    if not choose:
        chosen[:] = 0
    if plain is not None and plain.any():
        free = 1 - cv2.GaussianBlur(cv2.dilate(plain.astype(np.float32), np.ones((5, 5), np.uint8)), (0, 0), 1.5)
        chosen, further = chosen * free, further * free
    levels = [_Level(number) for number in range(FINE_BANDS)]
    lowest, highest = np.full((2, *first.shape), np.inf, np.float32)
    highest *= -1
    narrow, wide = np.zeros((2, 1, 1) + (1,) * (first.ndim - 2), np.float32)  # what is beneath the bands
    for index, image in sources.items():
        fine, mask = image.astype(np.float32) / unit, (labels == index).astype(np.float32)
        np.minimum(lowest, cv2.erode(fine, _NEARBY), out=lowest)
        np.maximum(highest, cv2.dilate(fine, _NEARBY), out=highest)
        for level in levels:
            fine, mask = level.add(fine, mask)
        narrow = narrow + share(fine, mask, 0)
        wide = wide + share(fine, mask, FURTHER_BANDS)
    shares = [chosen]
    for _ in levels:
        shares.append(cv2.pyrDown(shares[-1]))
        further = cv2.pyrDown(further)
    mixed = narrow + _each_channel(further, narrow) * (wide - narrow)
    for level, strong in zip(levels[::-1], shares[-2::-1], strict=True):
        mixed = level.detail(strong) + cv2.pyrUp(mixed, dstsize=strong.shape[::-1])
    margin = OVERSHOOT * (highest - lowest)
    return unit * np.clip(mixed, lowest - margin, highest + margin)


class _Level:
    """One band of a window: the sources' coefficients weighted by their masks, and the strongest nearby.

    Args:
        number: 0 for the finest.
    """

    def __init__(self, number: int):
        reach = REACH // 2**number
        self._disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        self._weighted = self._strongest = self._most = np.zeros(0, np.float32)

    def add(self, fine: np.ndarray, mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Adds a source, (h, w) or (h, w, C) float32, with its mask; returns both at half the size."""
        coarse = cv2.pyrDown(fine)
        band = fine - cv2.pyrUp(coarse, dstsize=mask.shape[::-1])
        squares = band * band
        energy = cv2.GaussianBlur(cv2.transform(squares, _MEAN) if squares.ndim == 3 else squares, (0, 0), 1)
        energy *= cv2.dilate((mask > 0.5).view(np.uint8), self._disc)
        if not self._most.size:
            self._weighted = band * _each_channel(mask, band)
            self._strongest, self._most = band, energy
        else:
            self._weighted += band * _each_channel(mask, band)
            copy_pixels(self._strongest, band, energy > self._most)
            np.maximum(self._most, energy, out=self._most)
        return coarse, cv2.pyrDown(mask)

    def detail(self, chosen: np.ndarray) -> np.ndarray:
        """Returns the band; `chosen`, (h, w) float32 in [0, 1], is how much the strongest coefficients count."""
        return self._weighted + _each_channel(chosen, self._weighted) * (self._strongest - self._weighted)


def _each_channel(shares: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Gives (h, w) shares the axis of an image's channels, if it has one."""
    return shares.reshape(shares.shape + (1,) * (image.ndim - 2))
