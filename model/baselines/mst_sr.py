"""MST-SR: Laplacian pyramids; details by Li's rule, the base by sparse representation.

Source: Liu, Liu & Wang, "A general framework for image fusion based on multi-scale transform and sparse
representation", Information Fusion 24, 2015, in its LP-SR form with four levels. The dictionary is our
own (`dictionaries.py`).
"""

import cv2
import numpy as np

from model.baselines.channels import per_channel
from model.baselines.selection import select_by_li
from model.baselines.sparse_coding.codes import SIDE, encode, from_patches, to_patches
from model.baselines.sparse_coding.dictionaries import load_dictionaries

LEVELS = 4
STEP = 2


def _fuse_channel(near, far):
    return _fuse_level(near, far, LEVELS)


fuse = per_channel(_fuse_channel)
"""Fuses two images, each channel by itself; see `channels.Method`."""


def _fuse_level(near, far, levels):
    if levels == 0 or min(near.shape) < 2 * SIDE:
        return fuse_sparsely(near, far)
    size = near.shape[::-1]
    lower = [cv2.pyrDown(image) for image in (near, far)]
    details = (image - cv2.pyrUp(small, dstsize=size) for image, small in zip((near, far), lower, strict=True))
    return select_by_li(*details) + cv2.pyrUp(_fuse_level(*lower, levels - 1), dstsize=size)


def fuse_sparsely(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by the L1 norms of their patches' codes; the winner brings its mean.

    Args:
        near: (H, W) float64 in gray levels.
        far: The same.
    """
    average = (near + far) / 2
    if min(near.shape) < SIDE:
        return average
    dictionary = load_dictionaries()["generic"]
    (one, one_means), (other, other_means) = (to_patches(image, STEP) for image in (near, far))
    one, other = encode(one, dictionary), encode(other, dictionary)
    takes_far = one.norms < other.norms
    means = np.where(takes_far, other_means, one_means)
    chosen = np.where(takes_far[:, None], other.approximations, one.approximations)
    return from_patches(chosen + means[:, None], average, STEP)
