"""MSVD: one level of a multi-resolution singular value decomposition.

Source: Naidu, "Image fusion technique using multi-resolution singular value decomposition", Defence Science Journal
61(5), 2011. Each 2x2 block is a column of four; the left singular vectors turn it into one approximation, which is
averaged, and three details, of which the larger one is chosen.
"""

import numpy as np

from model.baselines.channels import per_channel


@per_channel
def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
    """Fuses two images by the singular vectors of their 2x2 blocks, each channel by itself.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
    """
    height, width = near.shape
    blocks = [to_blocks(np.pad(image / 255, ((0, height % 2), (0, width % 2)), "edge")) for image in (near, far)]
    # The signs of the vectors matter, because those of both images are averaged; LAPACK decides them. This form
    # reproduces the published images pixel by pixel, on lytro-01 among others.
    vectors = [np.linalg.svd(block.T, full_matrices=False)[2].T for block in blocks]
    near, far = (base.T @ block for base, block in zip(vectors, blocks, strict=True))
    fused = np.where(np.abs(near) >= np.abs(far), near, far)
    fused[0] = (near[0] + far[0]) / 2
    restored = (vectors[0] + vectors[1]) / 2 @ fused
    return 255 * from_blocks(restored, (height + 1) // 2)[:height, :width]


def to_blocks(image: np.ndarray) -> np.ndarray:
    """Converts an image to columns of its 2x2 blocks, (2m, 2n) to (4, mn), both in column-major order."""
    rows, columns = image.shape[0] // 2, image.shape[1] // 2
    return image.reshape(rows, 2, columns, 2).transpose(3, 1, 2, 0).reshape(4, -1)


def from_blocks(blocks: np.ndarray, rows: int) -> np.ndarray:
    """Inverts `to_blocks`, (4, mn) to (2m, 2n), where `rows` is m."""
    columns = blocks.shape[1] // rows
    return blocks.reshape(2, 2, columns, rows).transpose(3, 1, 2, 0).reshape(2 * rows, 2 * columns)
