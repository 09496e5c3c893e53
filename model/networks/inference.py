"""The graph of inference: batch normalization folded into the convolutions, the last map only, any image size without
retracing."""

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from model.networks.network import build_network


def fold_batch_norm(network: keras.Model) -> keras.Model:
    """Builds the same network without batch normalization, its effect in inference moved into kernels and biases.

    Args:
        network: Made by `build_network`, with or without batch normalization and skips inside its encoders.

    Returns:
        A network whose maps are those of `network` in inference mode, up to rounding.
    """
    names = {layer.name for layer in network.layers}
    folded = build_network(network.name, batch_norm=False, encoder_skips="encoder1_skip" in names)
    for layer in folded.layers:
        if not layer.weights:
            continue
        source = network.get_layer(layer.name)
        kernel = source.kernel.numpy()
        bias = source.bias.numpy() if source.use_bias else np.zeros(layer.bias.shape, np.float32)
        if f"{layer.name}_bn" in names:
            kernel, bias = _fold(kernel, bias, source, network.get_layer(f"{layer.name}_bn"))
        layer.set_weights([kernel, bias])
    return folded


def _fold(kernel, bias, layer, norm):
    gamma, beta, mean, variance = (array.astype(np.float64) for array in norm.get_weights())
    scale = gamma / np.sqrt(variance + norm.epsilon)
    # A deconvolution's kernel is (height, width, out, in), a convolution's (height, width, in, out).
    along_output = scale[:, None] if isinstance(layer, keras.layers.Conv2DTranspose) else scale
    return kernel * along_output, beta + (bias - mean) * scale


def make_predictor(network: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compiles a network for inference, once for all sizes.

    Args:
        network: Made by `build_network`.

    Returns:
        A function: (N, H, W, 3) float32 RGB in [0, 255], H and W multiples of 32 -> (N, H, W) float32, the logit of
        "out of focus", log(p / (1 - p)). It tells apart what a probability rounds to 1.
    """
    folded = fold_batch_norm(network)
    last_map = keras.Model(folded.input, folded.get_layer(f"{folded.output_names[-1]}_logits").output)

    # XLA would compile anew for every image size.
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])], jit_compile=False)
    def predict(images):
        logits = last_map(images, training=False)
        return tf.cast(logits[..., 1] - logits[..., 0], tf.float32)  # also in a process that trains in float16

    return predict
