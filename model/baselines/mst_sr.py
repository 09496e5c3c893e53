"""MST-SR: Laplacian pyramids; details by Li's rule, the base by sparse representation.

Source: Liu, Liu & Wang, "A general framework for image fusion based on multi-scale transform and sparse
representation", Information Fusion 24, 2015, in its LP-SR form with four levels. The dictionary is our own
(`dictionaries.py`).
"""

from functools import partial

import cv2
import numpy as np

from model.baselines.channels import per_channel
from model.baselines.selection import select_by_li
from model.baselines.sparse_coding.codes import SIDE, fuse_by_patches, select_by_norm
from model.baselines.sparse_coding.dictionaries import load_dictionaries

LEVELS = 4
"""Of the pyramid, fewer where its base would be smaller than two patches."""


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by Laplacian pyramids and sparse codes of their base, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    return _fuse_level(near, far, LEVELS)


def _fuse_level(near, far, levels):
    if levels == 0 or min(near.shape) < 2 * SIDE:
        select = partial(select_by_norm, dictionary=load_dictionaries()["generic"])
        return fuse_by_patches(near, far, select, step=2)
    size = near.shape[::-1]
    lower = [cv2.pyrDown(image) for image in (near, far)]
    details = (image - cv2.pyrUp(small, dstsize=size) for image, small in zip((near, far), lower, strict=True))
    return select_by_li(*details) + cv2.pyrUp(_fuse_level(*lower, levels - 1), dstsize=size)
