"""The network of inference: batch normalization folded into the convolutions, the last map only, any image size
without retracing."""

from collections.abc import Callable

import keras
import tensorflow as tf

from model.networks.folding import fold
from model.networks.network import build_network


def fold_batch_norm(network: keras.Model) -> keras.Model:
    """Builds the same network with batch normalization folded into kernels and biases.

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
        norm = network.get_layer(f"{layer.name}_bn").get_weights() if f"{layer.name}_bn" in names else None
        bias = source.bias.numpy() if source.use_bias else None
        transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        layer.set_weights(fold(source.kernel.numpy(), bias, norm, transposed=transposed))
    return folded


def last_map(network: keras.Model) -> keras.Model:
    """Builds the network of inference: folded, with the two logits of the last map as output, (N, H, W, 2)."""
    folded = fold_batch_norm(network)
    return keras.Model(folded.input, folded.get_layer(f"{folded.output_names[-1]}_logits").output)


def make_predictor(network: keras.Model) -> Callable[[tf.Tensor], tf.Tensor]:
    """Compiles a network for inference, once for all sizes.

    Args:
        network: Made by `build_network`.

    Returns:
        A function: (N, H, W, 3) float32 RGB in [0, 255], H and W multiples of 32 -> (N, H, W) float32, the logit of
        "out of focus", log(p / (1 - p)), which does not saturate as a probability does.
    """
    inference = last_map(network)

    # XLA would recompile for every image size.
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3])], jit_compile=False)
    def predict(images: tf.Tensor) -> tf.Tensor:
        logits = inference(images, training=False)
        return tf.cast(logits[..., 1] - logits[..., 0], tf.float32)  # also in a process that trains in float16

    return predict
