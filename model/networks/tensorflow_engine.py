"""The networks run by TensorFlow, on GPUs where there are any."""

from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from model.networks.comparer import load_comparer
from model.networks.inference import make_predictor
from model.networks.weights import load_network


class TensorFlowEngine:
    """See `model.networks.engine.Engine`; arguments as `load_engine`."""

    def __init__(self, weights: Path | str, comparer: Path | str | None = None):
        self._focus = make_predictor(load_network(weights))
        if comparer:
            self._compare = compile_comparer(load_comparer(weights, comparer))

    def focus(self, images: np.ndarray) -> np.ndarray:
        """See `Engine.focus`."""
        return self._focus(tf.constant(images)).numpy()

    def compare(self, photographs: np.ndarray, focus: np.ndarray) -> np.ndarray:
        """See `Engine.compare`."""
        return self._compare(tf.constant(photographs), tf.constant(focus)).numpy()


def compile_comparer(comparer: keras.Model) -> Callable[[np.ndarray, np.ndarray], tf.Tensor]:
    """Compiles a network of `build_comparer` for inference, once for all sizes; its logits are (N, H, W)."""
    signature = [tf.TensorSpec([None, None, None, channels]) for channels in (6, 2)]
    return tf.function(lambda *inputs: comparer(inputs, training=False)[..., 0], input_signature=signature)
