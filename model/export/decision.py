"""The strategy `learned` for two photographs as one TensorFlow function: equal to `fuse.py` for a pair, but without
alignment and removal of small regions, and at full size also for large photographs."""

from pathlib import Path

import cv2
import tensorflow as tf

from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.fusion.blending import BoundaryBlending
from model.fusion.evidence import FOCUS_DOWNSAMPLING
from model.networks.comparer import load_comparer
from model.networks.inference import last_map
from model.networks.stages import COMPARER_STRIDE, STRIDE
from model.networks.weights import load_network


class DecisionModule(tf.Module):
    """The networks and the function `fuse`.

    Args:
        weights: The weights file of the paper's network.
        comparer: The weights file of the comparing network, trained for that one.

    Attributes:
        networks: Both networks, "network" and "comparer".
        fuse: The compiled function, see `_fuse`.

    Raises:
        InputError: A file cannot be used.
    """

    def __init__(self, weights: Path | str = BUNDLED_WEIGHTS, comparer: Path | str = BUNDLED_COMPARER):
        super().__init__(name="multifocus")
        self.networks = {"network": load_network(weights), "comparer": load_comparer(weights, comparer)}
        self._focus = last_map(self.networks["network"])
        self._compare = self.networks["comparer"]
        self._blending = BoundaryBlending()
        image = [tf.TensorSpec((1, None, None, 3), tf.uint8, name=name) for name in ("first", "second")]
        self.fuse = tf.function(self._fuse, input_signature=image)

    def _fuse(self, first: tf.Tensor, second: tf.Tensor) -> dict[str, tf.Tensor]:
        """Fuses two photographs.

        Args:
            first: (1, H, W, 3) uint8 RGB, at least 64 pixels high and wide.
            second: The other photograph, likewise.

        Returns:
            "decision_map", (1, H, W, 1) uint8, 0 where the first is chosen and 1 where the second is; and "fused",
            (1, H, W, 3) uint8 RGB.
        """
        first, second = tf.cast(first, tf.float32), tf.cast(second, tf.float32)
        logits = self._logits(first, second)
        chosen = tf.cast(logits > 0, tf.float32)
        fused = self._mix(first, second, logits, chosen)
        return {"decision_map": tf.cast(chosen, tf.uint8), "fused": tf.cast(tf.round(fused), tf.uint8)}

    def _logits(self, first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
        """Computes the logit that the first is the blurred one, (1, H, W, 1)."""
        height, width = tf.shape(first)[1], tf.shape(first)[2]
        exchanged = tf.cast(_is_second_brighter(first, second), tf.int32)
        pair = tf.gather(tf.concat([first, second], 0), tf.stack([exchanged, 1 - exchanged]))
        pair = _mirrored(pair, COMPARER_STRIDE)
        reduced = tf.nn.avg_pool2d(pair, FOCUS_DOWNSAMPLING, FOCUS_DOWNSAMPLING, "VALID")
        rows, columns = tf.shape(reduced)[1], tf.shape(reduced)[2]
        focus = self._focus(_mirrored(reduced, STRIDE), training=False)[:, :rows, :columns]
        focus = focus[..., 1:] - focus[..., :1]
        one, other = ([values[:1], values[1:]] for values in (pair, focus))
        logits = self._compare([tf.concat(one, -1), tf.concat(other, -1)], training=False)[:, :height, :width]
        return logits * tf.cast(1 - 2 * exchanged, tf.float32)

    def _mix(self, first: tf.Tensor, second: tf.Tensor, logits: tf.Tensor, chosen: tf.Tensor) -> tf.Tensor:
        """Blends near decision boundaries; see `model.fusion.blending.BoundaryBlending.mix`."""
        reach, error_threshold = self._blending.reach, self._blending.error_threshold
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        disc = tf.constant(disc[..., None, None], tf.float32)
        around, inside = (tf.nn.conv2d(one, disc, 1, "SAME") for one in (chosen, tf.ones_like(chosen)))
        near = (around > 0.5) & (around < inside - 0.5)
        best, runner_up = tf.where(chosen > 0, second, first), tf.where(chosen > 0, first, second)
        confidence = tf.sigmoid(tf.abs(logits))
        levels = tf.sqrt(tf.reduce_mean(tf.square(best - runner_up), -1, keepdims=True))
        unsure = near & ((1 - confidence) * levels > error_threshold)
        return tf.where(unsure, runner_up + confidence * (best - runner_up), best)


def _mirrored(images: tf.Tensor, stride: int) -> tf.Tensor:
    """Pads images by reflection, at the lower and right border, to multiples of a stride."""
    # ONNX defines the remainder of negative numbers differently.
    down, right = (stride - 1 - (side + stride - 1) % stride for side in (tf.shape(images)[1], tf.shape(images)[2]))
    return tf.pad(images, [[0, 0], [0, down], [0, right], [0, 0]], "SYMMETRIC")


def _is_second_brighter(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """Returns whether the second is brighter at the first value that differs, as in `model.fusion.evidence`."""
    difference = tf.reshape(first - second, [-1])
    index = tf.argmax(tf.cast(difference != 0, tf.int32), output_type=tf.int32)
    return difference[index] < 0
