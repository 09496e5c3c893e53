"""DWT: the wavelet coefficients of larger activity.

Source of the decomposition: Naidu & Raol, "Pixel-level image fusion using wavelets and principal component analysis",
Defence Science Journal 58(3), 2008; here Haar, four levels, periodized, the approximations averaged. Details are taken
by the rule of Li et al., not theirs (`selection.py`).
"""

import numpy as np
import pywt

from model.baselines.channels import per_channel
from model.baselines.selection import select_by_li

LEVELS = 4
"""Levels of the decomposition; fewer if an image is less than 16 pixels high or wide."""


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by their Haar wavelets, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    levels = min(LEVELS, max(1, int(np.log2(max(2, min(near.shape))))))
    near_bands, far_bands = (pywt.wavedec2(image, "haar", "periodization", levels) for image in (near, far))
    bands = [(near_bands[0] + far_bands[0]) / 2]
    for details in zip(near_bands[1:], far_bands[1:], strict=True):
        bands.append(tuple(select_by_li(*band) for band in zip(*details, strict=True)))
    height, width = near.shape
    return pywt.waverec2(bands, "haar", "periodization")[:height, :width]
