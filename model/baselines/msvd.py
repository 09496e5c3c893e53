"""MSVD: one level of a multi-resolution singular value decomposition.

Source: Naidu, "Image fusion technique using multi-resolution singular value decomposition", Defence Science Journal
61(5), 2011. Each 2x2 block is a column of four; the left singular vectors turn it into one
approximation and three details.
"""

import numpy as np

from model.baselines.channels import per_channel


def _fuse_channel(near, far):
    height, width = near.shape
    blocks = [_to_blocks(np.pad(image / 255, ((0, height % 2), (0, width % 2)), "edge")) for image in (near, far)]
    # The signs of the vectors matter, because those of both images are averaged; LAPACK decides them. This form gives
    # the published ones on lytro-01 among others, and there the published images, pixel by pixel.
    vectors = [np.linalg.svd(block.T, full_matrices=False)[2].T for block in blocks]
    one, other = (base.T @ block for base, block in zip(vectors, blocks, strict=True))
    fused = np.where(np.abs(one) >= np.abs(other), one, other)
    fused[0] = (one[0] + other[0]) / 2
    restored = (vectors[0] + vectors[1]) / 2 @ fused
    return 255 * _from_blocks(restored, (height + 1) // 2)[:height, :width]


fuse = per_channel(_fuse_channel)
"""Fuses two images, each channel by itself; see `channels.Method`."""


def _to_blocks(image):
    """(2m, 2n) -> (4, mn): a column for each 2x2 block, column by column inside it and over the blocks."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    return image.reshape(rows, 2, columns, 2).transpose(3, 1, 2, 0).reshape(4, -1)


def _from_blocks(blocks, rows):
    columns = blocks.shape[1] // rows
    return blocks.reshape(2, 2, columns, rows).transpose(3, 1, 2, 0).reshape(2 * rows, 2 * columns)
