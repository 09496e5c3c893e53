"""GD: the stronger gradient of the two luminances, integrated; and its contrast equalized.

Source: Paul, Sevcenco & Agathoklis, "Multi-exposure and multi-focus image fusion in gradient domain", Journal of
Circuits, Systems, and Computers 25(10), 2016.
"""

import cv2
import numpy as np
from scipy.fft import dctn, idctn

from model.baselines.channels import check, from_levels, to_levels

TILES = 8
CLIP = 1.1
"""OpenCV's clip limit, in multiples of an even histogram's count: of 1 to 8 nearest to the published Lytro images,
which differ by 3.5 gray levels at most in the mean of a picture."""

TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
OFFSET = np.array([16.0, 128.0, 128.0])
"""BT.601, studio range: Y from 16 to 235."""


def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images in YCbCr; a gray image is its own luminance. The luminance is rounded to 8 bits before its
    contrast is equalized, also for 16-bit images.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    check(near, far)
    if near.ndim == 2:
        luminance = _fuse_luminance(*(to_levels(image) * 219 / 255 + 16 for image in (near, far)))
        return from_levels((luminance - 16) * 255 / 219, near.dtype)
    one, other = (to_levels(image) @ TO_YCBCR.T + OFFSET for image in (near, far))
    luminance = _fuse_luminance(one[..., 0], other[..., 0])
    chroma = [_fuse_chroma(one[..., channel], other[..., channel]) for channel in (1, 2)]
    ycbcr = np.stack([luminance, *chroma], axis=-1)
    return from_levels((ycbcr - OFFSET) @ np.linalg.inv(TO_YCBCR).T, near.dtype)


def _fuse_luminance(near, far):
    (near_x, near_y), (far_x, far_y) = _gradient(near), _gradient(far)
    stronger = np.hypot(near_x, near_y) >= np.hypot(far_x, far_y)
    restored = _integrate(np.where(stronger, near_x, far_x), np.where(stronger, near_y, far_y))
    spread = np.ptp(restored)
    if spread <= 1:
        # Nothing to stretch: the logarithm below would not be positive.
        return (near + far) / 2
    gamma = np.log(219) / np.log(spread)
    stretched = 255 * ((restored - restored.min()) / spread) ** gamma
    equalize = cv2.createCLAHE(CLIP, (TILES, TILES))
    return equalize.apply(np.rint(stretched).astype(np.uint8)) * (219 / 255) + 16


def _gradient(image):
    """Forward differences along x and y, 0 at the last column and row."""
    return (np.diff(image, axis=axis, append=image.take([-1], axis)) for axis in (1, 0))


def _integrate(along_x, along_y):
    """The image whose gradient is nearest to the given one (Poisson's equation with Neumann's border), up to a
    constant."""
    height, width = along_x.shape
    divergence = np.diff(along_x, axis=1, prepend=0) + np.diff(along_y, axis=0, prepend=0)
    cosines = [2 * np.cos(np.pi * np.arange(side) / side) for side in (height, width)]
    eigenvalues = cosines[0][:, None] + cosines[1] - 4
    eigenvalues[0, 0] = 1
    spectrum = dctn(divergence, type=2, norm="ortho") / eigenvalues
    spectrum[0, 0] = 0
    return idctn(spectrum, type=2, norm="ortho")


def _fuse_chroma(near, far):
    """The average, weighted by the distance from gray."""
    strength = np.abs(near - 128), np.abs(far - 128)
    total = strength[0] + strength[1]
    mixed = strength[0] * near + strength[1] * far
    return np.divide(mixed, total, out=np.full(near.shape, 128.0), where=total > 0)
