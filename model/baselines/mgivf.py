"""MGIVF, also called MGFF: details of a multi-scale decomposition by guided filters, with the other image as guide,
weighted by their strength.

Source: Bavirisetti et al., "Multi-scale guided image and video fusion: a fast and efficient approach", Circuits,
Systems, and Signal Processing 38(12), 2019. Checked: the published Lytro images, pixel by pixel after the same JPEG
compression, on 17 of 20 pairs. The others have white areas without detail in both sources, where the weights are 0/0:
one half here; the published images are black there.
"""

import numpy as np

from model.baselines.channels import mix, per_channel
from model.baselines.guided import guided_filter


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by guided filters on four levels, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    fused = np.zeros(near.shape)
    for _ in range(4):
        smooth_near = guided_filter(near, far, radius=9, epsilon=1000.0)
        smooth_far = guided_filter(far, near, radius=9, epsilon=1000.0)
        details = near - smooth_near, far - smooth_far
        strength = np.abs(details[0]), np.abs(details[1])
        total = strength[0] + strength[1]
        weight = np.divide(strength[0], total, out=np.full(near.shape, 0.5), where=total > 0)
        fused += mix(*details, weight)
        near, far = smooth_near, smooth_far
    return fused + (near + far) / 2
