"""Multi-band blending of a stack: at decision boundaries sources fade into each other, coarse detail more slowly.

Source: Burt & Adelson, "A multiresolution spline with application to image mosaics", ACM Transactions on Graphics 2(4),
1983. Each source is split into bands, each band is weighted by the decision map as blurred at the band's scale, and all
are added. As that is linear in the sources, each adds its share of the result by itself, window by window, and only
where a boundary is near: every other pixel is that of a source, to the bit.
"""

from collections.abc import Iterable

import cv2
import numpy as np

from data.imaging.blocks import mixed_blocks, within
from data.imaging.pixels import copy_pixels, quantize

BANDS = 1
"""Pyramid levels in the blending of stacks and strokes; chosen on drawn stacks (docs/stacks.md)."""

SIDE = 256
"""Side of the windows, in pixels."""


def blend(images: Iterable[np.ndarray], decision_map: np.ndarray, levels: int) -> np.ndarray:
    """Fuses a stack by its decision map.

    Args:
        images: Sources in order, (H, W) or (H, W, 3), uint8 or uint16, all of one shape and type; each is read
            once.
        decision_map: (H, W) uint8, the index of the source of each pixel.
        levels: How often the images are halved: pixels farther than about 2 ** (levels + 1) from a boundary are those
            of a source.

    Returns:
        The fused image, of their shape and type.
    """
    context = 2 ** (levels + 2)  # beyond the reach of the pyramid's filters, and on the grid of its last level
    windows = list(mixed_blocks(decision_map, SIDE, context))
    sums: dict[int, np.ndarray] = {}
    fused = np.empty(0, np.uint8)
    for index, image in enumerate(images):
        if index == 0:
            fused = np.empty(image.shape, image.dtype)
        mask = decision_map == index
        copy_pixels(fused, image, mask)
        for number, (inside, around) in enumerate(windows):
            part = mask[around]
            if part.any():
                part_share = share(image[around], part, levels)[within(inside, around)]
                sums[number] = sums[number] + part_share if number in sums else part_share
    for number, (inside, _) in enumerate(windows):
        fused[inside] = quantize(sums[number], fused.dtype)
    return fused


def share(image: np.ndarray, mask: np.ndarray, levels: int) -> np.ndarray:
    """Computes what one source adds to the result: its bands, weighted by its mask at each scale.

    Args:
        image: (H, W) or (H, W, 3), of any type.
        mask: (H, W), bool or shares in [0, 1].
        levels: As for `blend`.

    Returns:
        float32 of the image's shape.
    """
    image, mask = image.astype(np.float32), mask.astype(np.float32)
    if levels == 0 or min(mask.shape) == 1:
        return image * mask.reshape(mask.shape + (1,) * (image.ndim - 2))
    size = mask.shape[1], mask.shape[0]
    coarse = cv2.pyrDown(image)
    detail = image - cv2.pyrUp(coarse, dstsize=size)
    detail *= mask.reshape(mask.shape + (1,) * (image.ndim - 2))
    return detail + cv2.pyrUp(share(coarse, cv2.pyrDown(mask), levels - 1), dstsize=size)
