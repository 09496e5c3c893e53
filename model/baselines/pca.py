"""PCA: a weighted average, with one weight per image from the covariance of both.

Source: Naidu & Raol, "Pixel-level image fusion using wavelets and principal component analysis", Defence Science
Journal 58(3), 2008.
"""

import numpy as np

from model.baselines.channels import per_channel


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Averages two images, each channel by the weights of its first principal component.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    near_weight, far_weight = weights(near, far)
    return near_weight * near + far_weight * far


def weights(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Returns the weights of two channels, (2,): the first eigenvector of their covariance, sum 1; halves if both are
    flat."""
    values, vectors = np.linalg.eigh(np.cov(near.ravel(), far.ravel()))
    first = vectors[:, np.argmax(values)]
    return first / first.sum() if values.max() > 0 and abs(first.sum()) > 1e-12 else np.array([0.5, 0.5])
