"""ASR: patches coded by a dictionary for their direction; the larger code wins.

Source: Liu & Wang, "Simultaneous image fusion and denoising with adaptive sparse representation", IET Image Processing
9(5), 2015; without denoising, the winner bringing its mean as in the published images. The dictionaries are our own
(`dictionaries.py`).
"""

import numpy as np

from model.baselines.channels import per_channel
from model.baselines.sparse_coding.codes import SIDE, encode, from_patches, to_patches
from model.baselines.sparse_coding.dictionaries import load_dictionaries
from model.baselines.sparse_coding.orientation import GENERIC, ORIENTATIONS, orientation


def _fuse_channel(near, far):
    average = (near + far) / 2
    if min(near.shape) < SIDE:
        return average
    patches, means = zip(*(to_patches(image, 1) for image in (near, far)), strict=True)
    busier = patches[0].var(1) > patches[1].var(1)
    whole = [part + mean[:, None] for part, mean in zip(patches, means, strict=True)]
    sorts = orientation(np.where(busier[:, None], *whole))
    dictionaries = load_dictionaries()
    fused = np.empty_like(patches[0])
    for index in (GENERIC, *range(ORIENTATIONS)):
        members = np.flatnonzero(sorts == index)
        if not members.size:
            continue
        dictionary = dictionaries["generic"] if index == GENERIC else dictionaries["orientations"][index]
        one, other = (encode(part[members], dictionary) for part in patches)
        takes_far = one.norms < other.norms
        chosen = np.where(takes_far[:, None], other.approximations, one.approximations)
        fused[members] = chosen + np.where(takes_far, means[1][members], means[0][members])[:, None]
    return from_patches(fused, average, 1)


fuse = per_channel(_fuse_channel)
"""Fuses two images, each channel by itself; see `channels.Method`."""
