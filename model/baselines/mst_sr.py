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
"""Levels of the pyramid; fewer if its base would be smaller than two patches."""


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by Laplacian pyramids and sparse codes of their base, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    return _fuse_level(near, far, LEVELS)


def _fuse_level(near: np.ndarray, far: np.ndarray, levels: int) -> np.ndarray:
    if levels == 0 or min(near.shape) < 2 * SIDE:
        select = partial(select_by_norm, dictionary=load_dictionaries()["generic"])
        return fuse_by_patches(near, far, select, step=2)
    size = near.shape[::-1]
    lower_near, lower_far = cv2.pyrDown(near), cv2.pyrDown(far)
    details = select_by_li(near - cv2.pyrUp(lower_near, dstsize=size), far - cv2.pyrUp(lower_far, dstsize=size))
    return details + cv2.pyrUp(_fuse_level(lower_near, lower_far, levels - 1), dstsize=size)
