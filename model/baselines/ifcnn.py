"""IFCNN: a network that takes the maximum of the features of both images and reconstructs an image from it.

Source: Zhang et al., "IFCNN: a general image fusion framework based on convolutional neural network", Information
Fusion 54, 2020. The network is rebuilt here; its weights are the authors' published file IFCNN-MAX.pth.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.datasets.torch_file import read_tensors
from data.imaging.pixels import to_rgb
from model.baselines.channels import Method, on_levels
from model.baselines.torch_layers import assign

if TYPE_CHECKING:  # loads TensorFlow, which other methods do not need
    import keras

MEAN = np.array([0.485, 0.456, 0.406], np.float32)
"""Means of ImageNet's RGB in [0, 1]."""

DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
"""Standard deviations of ImageNet's RGB in [0, 1]."""


def load(path: Path) -> Method:
    """Makes the method from the authors' file.

    Args:
        path: IFCNN-MAX.pth.

    Raises:
        InputError: The file is not that of this network.
    """
    network = build()
    tensors = read_tensors(path)
    for name in ("conv1", "conv4"):
        assign(path, tensors, network.get_layer(name), name)
    for name in ("conv2", "conv3"):
        assign(path, tensors, network.get_layer(name), f"{name}.conv")
        assign(path, tensors, network.get_layer(f"{name}_bn"), f"{name}.bn")

    @on_levels
    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Fuses two images by the network; gray images as RGB with equal channels, whose results are averaged.

        Args:
            near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
            far: The same shape and type.
        """
        inputs = [((to_rgb(image) / 255 - MEAN) / DEVIATION)[None] for image in (near, far)]
        output = np.asarray(network(inputs, training=False))[0]
        levels = 255 * (output * DEVIATION + MEAN)
        return levels if near.ndim == 3 else levels.mean(-1)

    return fuse


def build() -> "keras.Model":
    """Builds the network: two normalized images, (1, H, W, 3) float32, to one."""
    import keras
    from keras import layers

    def replicate(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
        for _ in range(width):  # repeats the outermost pixels
            x = keras.ops.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "symmetric")
        return x

    def convolve(
        filters: int, kernel: int, name: str, bias: bool = False
    ) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
        convolution = layers.Conv2D(filters, kernel, use_bias=bias, name=name)
        return lambda x: convolution(replicate(x, kernel // 2))

    def block(name: str) -> Callable[[keras.KerasTensor], keras.KerasTensor]:
        convolution, normalize = convolve(64, 3, name), layers.BatchNormalization(epsilon=1e-5, name=f"{name}_bn")
        return lambda x: keras.ops.relu(normalize(convolution(x)))

    images = [keras.Input((None, None, 3)) for _ in range(2)]
    first, second = convolve(64, 7, "conv1"), block("conv2")
    features = layers.Maximum()([second(first(image)) for image in images])
    output = convolve(3, 1, "conv4", bias=True)(block("conv3")(features))
    return keras.Model(images, output, name="ifcnn")
