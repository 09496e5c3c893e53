"""DWT: wavelet coefficients of larger activity.

Source: Naidu & Raol, "Pixel-level image fusion using wavelets and principal component analysis", Defence Science
Journal 58(3), 2008. Haar, four levels, periodized; approximations averaged, details by Li's rule.
"""

from functools import partial

import numpy as np
import pywt

from model.baselines.channels import per_channel
from model.baselines.selection import select_by_li

LEVELS = 4


def fuse(near: np.ndarray, far: np.ndarray, wavelet: str = "haar") -> np.ndarray:
    """Fuses two images, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
        wavelet: A name that PyWavelets knows.
    """
    return per_channel(partial(_fuse_channel, wavelet=wavelet))(near, far)


def _fuse_channel(near, far, wavelet):
    levels = min(LEVELS, max(1, int(np.log2(max(2, min(near.shape))))))
    one, other = (pywt.wavedec2(image, wavelet, "periodization", levels) for image in (near, far))
    bands = [(one[0] + other[0]) / 2]
    for details in zip(one[1:], other[1:], strict=True):
        bands.append(tuple(select_by_li(*band) for band in zip(*details, strict=True)))
    height, width = near.shape
    return pywt.waverec2(bands, wavelet, "periodization")[:height, :width]
