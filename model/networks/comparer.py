"""The network of the strategy `learned`, which is ours: it sees two photographs and what is known of each.

`model/fusion/learned.py` decides by it, and `python -m model.training.train_comparer` trains it.
"""

from pathlib import Path

import keras
import tensorflow as tf
from keras import layers

from data.errors import InputError
from data.io.files import file_digest
from model.bundled import BUNDLED_COMPARER
from model.networks.weights import load_checked, read_description

CHANNELS = 11
"""Of what the network sees of one photograph and the other; see `_features`."""

WIDTH = 16
"""Channels at full resolution."""

COMPARER_STRIDE = 4
"""Height and width of the network's input must be multiples of this: two stages of stride 2."""

SCORE_SCALE = 4.0
"""The difference of two scores that counts 1 in the logit."""


def build_comparer() -> keras.Model:
    """Builds the network: three resolutions, 24,000 products a pixel for a pair.

    Returns:
        A functional model, (N, H, W, 11) float32, H and W multiples of 4, to (N, H, W, 1): how much the near
        photograph seems the blurred one. It begins as 0 everywhere.
    """
    inputs = keras.Input((None, None, CHANNELS))
    full = _conv(inputs, WIDTH, "full")
    half = _conv(_conv(full, 2 * WIDTH, "reduce1", 2), 2 * WIDTH, "half")
    quarter = _conv(_conv(half, 3 * WIDTH, "reduce2", 2), 3 * WIDTH, "quarter")
    half = _conv(layers.Add()([half, _enlarge(quarter, 2 * WIDTH, "enlarge1")]), 2 * WIDTH, "half_again")
    full = _conv(layers.Add()([full, _enlarge(half, WIDTH, "enlarge2")]), WIDTH, "full_again")
    outputs = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="logit")(full)
    return keras.Model(inputs, outputs, name="comparer")


# Layers are named, because Keras would number those of a second network on, and a checkpoint knows them by name.
def _conv(features, width, name, strides=1):
    options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    return layers.Conv2D(width, 3, strides=strides, name=name, **options)(features)


def _enlarge(features, width, name):
    return layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal", name=name)(features)


def compare(comparer: keras.Model, images: tf.Tensor, logits: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Compares near photographs with far ones; exchanging them changes the sign and nothing else.

    Args:
        comparer: Made by `build_comparer`.
        images: (2n, H, W, 3) float32 RGB in [0, 255]: all near ones, then all far ones.
        logits: (2n, H, W, 2) float32, "out of focus" at full and at half resolution.
        scores: (2n, H, W, 1) float32, of the strategy `refined`.

    Returns:
        (n, H, W, 1) float32, the logit of "near is the blurred one".
    """
    others = [tf.concat(tf.split(values, 2)[::-1], 0) for values in (images, logits, scores)]
    forward, backward = tf.split(comparer(_features(images, logits, scores, *others)), 2)
    near, far = tf.split(scores, 2)
    return (near - far) / SCORE_SCALE + (forward - backward)


def _features(images, logits, scores, other_images, other_logits, other_scores):
    gray, other_gray = (tf.reduce_mean(values, -1, keepdims=True) for values in (images, other_images))
    difference = (images - other_images) / 16
    return tf.concat(
        [
            (gray - 128) / 64,
            (other_gray - 128) / 64,
            difference,
            tf.abs(gray - other_gray) / 16,
            tf.clip_by_value(logits / 8, -3, 3),
            tf.clip_by_value(other_logits / 8, -3, 3),
            tf.tanh((scores - other_scores) / 8),
        ],
        -1,
    )


def load_comparer(weights: Path | str, path: Path | str = BUNDLED_COMPARER) -> keras.Model:
    """Loads the network that was trained beside the weights that judge each photograph.

    Args:
        weights: The file of those weights.
        path: The network's own file; its sidecar lies beside it.

    Raises:
        InputError: if a file is missing or damaged, or was trained beside other weights.
    """
    content = read_description(path, {"beside": str})
    if file_digest(Path(weights), "sha256") != content["beside"]:
        raise InputError(
            f"the strategy `learned` needs a network that was trained beside {weights}, which {path} was not; "
            "train one with `python -m model.training.train_comparer --weights FILE`."
        )
    comparer = build_comparer()
    load_checked(comparer, path, "is not the network of the strategy `learned`")
    return comparer
