"""Assignment of PyTorch's tensors to Keras layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.datasets.torch_weights import NORMALIZATION
from data.runtime.errors import InputError

if TYPE_CHECKING:  # loads TensorFlow
    import keras


def assign(path: Path, tensors: Mapping[str, np.ndarray], layer: "keras.Layer", source: str) -> None:
    """Sets the weights of a convolution, a dense layer or a batch normalization to those of a PyTorch module.

    Args:
        path: The file of the tensors, for messages.
        tensors: Arrays by name.
        layer: A built Keras layer.
        source: The module's name in PyTorch.

    Raises:
        InputError: A tensor is missing or has another shape.
    """
    names = NORMALIZATION if hasattr(layer, "moving_mean") else ("weight", "bias")[: len(layer.weights)]
    values = []
    for name, variable in zip(names, layer.weights, strict=True):
        value = tensors.get(f"{source}.{name}")
        if value is None:
            raise InputError(f"{path} has no tensor {source}.{name}: it is of another network.")
        if value.ndim == 4:
            value = value.transpose(2, 3, 1, 0)  # (out, in, h, w) to (h, w, in, out)
        elif value.ndim == 2:
            value = value.T
        if value.shape != tuple(variable.shape):
            raise InputError(f"{source}.{name} in {path} cannot be used: it has the shape {value.shape}.")
        values.append(value)
    layer.set_weights(values)
