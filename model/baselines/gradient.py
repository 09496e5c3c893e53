"""GD: integrates the stronger gradient of both luminances and equalizes the contrast.

Source: Paul, Sevcenco & Agathoklis, "Multi-exposure and multi-focus image fusion in gradient domain", Journal of
Circuits, Systems, and Computers 25(10), 2016.
"""

import cv2
import numpy as np
from scipy.fft import dctn, idctn

from model.baselines.channels import on_levels

RGB_TO_YCBCR = np.array([[65.481, 128.553, 24.966], [-37.797, -74.203, 112.0], [112.0, -93.786, -18.214]]) / 255
"""RGB to YCbCr by BT.601, before `YCBCR_OFFSET` is added."""

YCBCR_OFFSET = np.array([16.0, 128.0, 128.0])
"""YCbCr of black: Y is from 16 to 235 (studio range), Cb and Cr are 128 for gray."""


@on_levels
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images in YCbCr by the stronger gradients of their luminance; a gray image is its own luminance.

    The luminance is rounded to 8 bits before its contrast is equalized, also for 16-bit images.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    if near.ndim == 2:
        luminance = _fuse_luminance(*(image * 219 / 255 + 16 for image in (near, far)))
        return (luminance - 16) * 255 / 219
    near, far = (image @ RGB_TO_YCBCR.T + YCBCR_OFFSET for image in (near, far))
    luminance = _fuse_luminance(near[..., 0], far[..., 0])
    ycbcr = np.dstack([luminance, _fuse_chroma(near[..., 1:], far[..., 1:])])
    return (ycbcr - YCBCR_OFFSET) @ np.linalg.inv(RGB_TO_YCBCR).T


def _fuse_luminance(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    (near_x, near_y), (far_x, far_y) = differences(near), differences(far)
    stronger = np.hypot(near_x, near_y) >= np.hypot(far_x, far_y)
    restored = integrate(np.where(stronger, near_x, far_x), np.where(stronger, near_y, far_y))
    spread = np.ptp(restored)
    if spread <= 1:
        # There is no contrast to stretch: the logarithm below would not be positive.
        return (near + far) / 2
    gamma = np.log(219) / np.log(spread)
    stretched = 255 * ((restored - restored.min()) / spread) ** gamma
    # Of clip limits from 1 to 8, 1.1 comes nearest to the published Lytro images: their means differ by at most 3.5
    # gray levels.
    equalize = cv2.createCLAHE(clipLimit=1.1, tileGridSize=(8, 8))
    return equalize.apply(np.rint(stretched).astype(np.uint8)) * (219 / 255) + 16


def differences(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Computes the gradient of an image, (H, W) float64: forward differences along x and y, 0 at the far border."""
    return np.diff(image, axis=1, append=image[:, -1:]), np.diff(image, axis=0, append=image[-1:])


def integrate(along_x: np.ndarray, along_y: np.ndarray) -> np.ndarray:
    """Computes the image whose `differences` are nearest to the given ones, up to a constant: solves Poisson's equation
    with Neumann boundaries; all (H, W) float64."""
    height, width = along_x.shape
    divergence = np.diff(along_x, axis=1, prepend=0) + np.diff(along_y, axis=0, prepend=0)
    cosines = [2 * np.cos(np.pi * np.arange(side) / side) for side in (height, width)]
    eigenvalues = cosines[0][:, None] + cosines[1] - 4
    eigenvalues[0, 0] = 1
    spectrum = dctn(divergence, type=2, norm="ortho") / eigenvalues
    spectrum[0, 0] = 0
    return idctn(spectrum, type=2, norm="ortho")


def _fuse_chroma(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Averages chroma, weighted by the distance from gray."""
    strength = np.abs(near - 128), np.abs(far - 128)
    total = strength[0] + strength[1]
    mixed = strength[0] * near + strength[1] * far
    return np.divide(mixed, total, out=np.full(near.shape, 128.0), where=total > 0)
