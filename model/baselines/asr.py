"""ASR: patches are coded by a dictionary for their orientation; the code with the larger norm is chosen.

Source: Liu & Wang, "Simultaneous image fusion and denoising with adaptive sparse representation", IET Image Processing
9(5), 2015; without denoising, and with the mean of the chosen patch, as in the published images. The dictionaries are
our own (`dictionaries.py`).
"""

import numpy as np

from model.baselines.channels import per_channel
from model.baselines.sparse_coding.codes import Patches, fuse_by_patches, select_by_norm
from model.baselines.sparse_coding.dictionaries import load_dictionaries
from model.baselines.sparse_coding.orientation import GENERIC, dominant_orientation


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by sparse codes of their patches, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    return fuse_by_patches(near, far, _select, step=1)


def _select(near: Patches, far: Patches) -> np.ndarray:
    near_varies_more = near[0].var(1) > far[0].var(1)
    whole = (patches + means[:, None] for patches, means in (near, far))
    orientations = dominant_orientation(np.where(near_varies_more[:, None], *whole))
    dictionaries = load_dictionaries()
    fused = np.empty_like(near[0])
    for index in np.unique(orientations):
        dictionary = dictionaries["generic"] if index == GENERIC else dictionaries["orientations"][index]
        members = orientations == index
        one, other = ((patches[members], means[members]) for patches, means in (near, far))
        fused[members] = select_by_norm(one, other, dictionary)
    return fused
