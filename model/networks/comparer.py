"""The strategy `learned`, which is ours: a small network that sees both photographs decides pixel by pixel.

The paper's network judges each photograph alone, and the strategy `refined` compares its judgements by a formula. Where
one of them stops being sharp is easier to see in both together, to the pixel. The network here sees two photographs and
what is known of each, and corrects the formula; `python -m model.training.comparer` trains it.
"""

from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from data.errors import InputError
from data.io.fields import read_object
from data.io.files import file_digest
from model.bundled import BUNDLED_COMPARER
from model.fusion.refined import Refinement
from model.networks.weights import REMEDY, load_checked, sidecar_path

CHANNELS = 11
"""Of what the network sees of one photograph and the other; see `_features`."""

WIDTH = 16
ALIGNMENT = 4
COARSE = 0.5
SCORE_SCALE = 4.0
"""Width at full resolution; the factor that sides are multiples of; the scale of the second look of the paper's network
(what is flat or doubtful at full size may be plain there); the difference of two scores that counts 1 in the logit."""


def build_comparer() -> keras.Model:
    """Builds the network: three resolutions, 24,000 products a pixel for a pair.

    Returns:
        A functional model, (N, H, W, 11) float32, H and W multiples of 4, to (N, H, W, 1): how much the first
        photograph seems the blurred one. It begins as 0 everywhere.
    """
    inputs = keras.Input((None, None, CHANNELS))
    full = _conv(inputs, WIDTH)
    half = _conv(_conv(full, 2 * WIDTH, 2), 2 * WIDTH)
    quarter = _conv(_conv(half, 3 * WIDTH, 2), 3 * WIDTH)
    half = _conv(layers.Add()([half, _enlarge(quarter, 2 * WIDTH)]), 2 * WIDTH)
    full = _conv(layers.Add()([full, _enlarge(half, WIDTH)]), WIDTH)
    outputs = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros")(full)
    return keras.Model(inputs, outputs, name="comparer")


def _conv(features, width, strides=1):
    return layers.Conv2D(width, 3, strides=strides, padding="same", activation="relu", kernel_initializer="he_normal")(
        features
    )


def _enlarge(features, width):
    return layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal")(features)


def compare(comparer: keras.Model, images: tf.Tensor, logits: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Compares first photographs with second ones; exchanging them changes the sign and nothing else.

    Args:
        comparer: Made by `build_comparer`.
        images: (2n, H, W, 3) float32 RGB in [0, 255]: all first ones, then all second ones.
        logits: (2n, H, W, 2) float32, "out of focus" at full and at half resolution.
        scores: (2n, H, W, 1) float32, of the strategy `refined`.

    Returns:
        (n, H, W, 1) float32, the logit of "the first is the blurred one".
    """
    others = [tf.concat(tf.split(values, 2)[::-1], 0) for values in (images, logits, scores)]
    forward, backward = tf.split(comparer(_features(images, logits, scores, *others)), 2)
    first, second = tf.split(scores, 2)
    return (first - second) / SCORE_SCALE + (forward - backward)


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


def load_comparer(weights: Path | str, path: Path = BUNDLED_COMPARER) -> keras.Model:
    """Loads the network that was trained beside the weights that judge each photograph.

    Args:
        weights: The file of those weights.
        path: The network's own file; its sidecar lies beside it.

    Raises:
        InputError: if a file is missing or damaged, or was trained beside other weights.
    """
    for needed in (path, sidecar_path(path)):
        if not needed.exists():
            raise InputError(f"{needed} is missing; the strategy `learned` needs it.")
    content = read_object(sidecar_path(path), {"sha256": str, "beside": str}, REMEDY)
    if file_digest(path, "sha256") != content["sha256"]:
        raise InputError(f"{path} does not match its sidecar; {REMEDY}.")
    if file_digest(Path(weights), "sha256") != content["beside"]:
        raise InputError(f"the strategy `learned` goes with the bundled weights alone, not with {weights}.")
    comparer = build_comparer()
    load_checked(comparer, path, "is not the network of the strategy `learned`")
    return comparer


class Comparison:
    """Compares two photographs pixel by pixel, compiled once for all sizes.

    Args:
        comparer: Made by `build_comparer`.
        look: Two images and a scale -> the logits of both, as `Fuser.logits`.
    """

    def __init__(self, comparer: keras.Model, look):
        self._look = look
        self._refinement = Refinement()
        signature = [tf.TensorSpec([2, None, None, channels]) for channels in (3, 2, 1)]
        self._compare = tf.function(
            lambda images, logits, scores: compare(comparer, images, logits, scores)[0, ..., 0],
            input_signature=signature,
        )

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The logit of "the first is the blurred one", (H, W) float32, of two images as `Fuser` takes them."""
        height, width = first.shape[:2]
        inputs = [_aligned(values) for values in self.evidence(first, second)]
        return self._compare(*map(tf.constant, inputs)).numpy()[:height, :width]

    def evidence(self, *images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `compare` sees of images: (N, H, W, 3), (N, H, W, 2) and (N, H, W, 1) float32."""
        maps = list(zip(self._look(*images), self._look(*images, scale=COARSE), strict=True))
        scores = [self._refinement.score(image, *both) for image, both in zip(images, maps, strict=True)]
        return (
            np.stack([_rgb(image) for image in images]),
            np.stack([np.stack(both, -1) for both in maps]),
            np.stack(scores)[..., None],
        )


def _rgb(image):
    values = image.astype(np.float32)
    if image.dtype == np.uint16:
        values /= 257
    return np.repeat(values[..., None], 3, axis=2) if values.ndim == 2 else values


def _aligned(values):
    """Mirrors the lower and right border to multiples of 4."""
    down, right = (-side % ALIGNMENT for side in values.shape[1:3])
    if not down and not right:
        return values
    padded = [cv2.copyMakeBorder(value, 0, down, 0, right, cv2.BORDER_REFLECT) for value in values]
    return np.stack(padded).reshape(len(values), *padded[0].shape[:2], values.shape[-1])
