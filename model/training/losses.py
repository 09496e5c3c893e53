"""The hybrid loss: cross entropy plus L2 at every side output, averaged with weights.

Source: Wang, Jin et al., JIFS 2022 (layer-by-layer supervision). Chosen here: equal weights, factor 1 for L2, and
labels brought to each output's size by averaging, so that a coarse pixel's label is the share of it that is out of
focus. Two terms of ours, off by default: `pair_weight` adds a loss of the comparison of both sources, and
`detail_weighting` counts a pixel by how much the two sources differ around it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from model.training.checkpoints import REPORTS

EPSILON = 1e-7
"""Lower limit of a probability before its logarithm is taken."""

SIDE_LOSSES = REPORTS[2:-1]
"""Names of the losses of the side outputs, coarsest first."""

SIDE_OUTPUTS = len(SIDE_LOSSES)
"""Number of side outputs, one for each decoder; paper."""

FULL_DETAIL = 8.0
"""Mean difference in gray levels at which `detail_weights` gives a pixel the weight 1."""


def cross_entropy(probability: tf.Tensor, label: tf.Tensor, weight: tf.Tensor | None = None) -> tf.Tensor:
    """Computes the mean over the pixels of -[y log p + (1 - y) log(1 - p)].

    Args:
        probability: (N, H, W, 2) float32 softmax; channel 1 = out of focus.
        label: (N, H, W, 1) float32 in [0, 1].
        weight: (N, H, W, 1) float32, weights of the pixels; None weights all equally.
    """
    log_probability = tf.math.log(tf.clip_by_value(probability, EPSILON, 1.0))
    return weighted_mean(-(label * log_probability[..., 1:] + (1 - label) * log_probability[..., :1]), weight)


def squared_error(probability: tf.Tensor, label: tf.Tensor, weight: tf.Tensor | None = None) -> tf.Tensor:
    """Computes the mean over pixels and classes of (p - y)^2, the L2 term; arguments as for `cross_entropy`."""
    # The two classes sum to 1, so both have the same squared error.
    return weighted_mean(tf.square(probability[..., 1:] - label), weight)


def pair_cross_entropy(probability: tf.Tensor, label: tf.Tensor, weight: tf.Tensor | None = None) -> tf.Tensor:
    """Computes the cross entropy of a comparison of two sources: which of them is out of focus.

    The difference of their logits, log(p / (1 - p)), is the logit of "near is out of focus, and far is not". Whether a
    faint texture is blurred cannot be seen in one photograph, but in two.

    Args:
        probability: (2n, H, W, 2) float32 softmax: all near sources, then all far ones.
        label: (2n, H, W, 1) float32 in [0, 1]; the second half is 1 - the first.
        weight: As for `cross_entropy`.
    """
    log_probability = tf.math.log(tf.clip_by_value(probability, EPSILON, 1.0))
    near, far = tf.split(log_probability[..., 1:] - log_probability[..., :1], 2)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(tf.split(label, 2)[0], near - far)
    return weighted_mean(losses, None if weight is None else tf.split(weight, 2)[0])


def detail_weights(images: tf.Tensor, window: int = 9, least: float = 0.1, most: float = 1.0) -> tf.Tensor:
    """Weights pixels in proportion to how much the two sources differ around them, apart from noise.

    In a flat region both sources look alike: which one is blurred cannot be seen, and does not matter.

    Args:
        images: (2n, H, W, 3) float32 RGB in [0, 255]: all near sources, then all far ones.
        window: Side in pixels of the window over which differences are averaged.
        least: Weight of a pixel where there is no difference.
        most: Largest weight of a pixel.

    Returns:
        (2n, H, W, 1) float32 in [least, most], the same for both sources of a pair.
    """
    near, far = tf.split(tf.reduce_mean(images, axis=-1, keepdims=True), 2)
    difference = tf.abs(tf.nn.avg_pool2d(near - far, 3, 1, "SAME"))  # the window removes most of the noise
    around = tf.nn.avg_pool2d(difference, window, 1, "SAME")
    weight = tf.clip_by_value(around / FULL_DETAIL, least, most)
    return tf.concat([weight, weight], 0)


def weighted_mean(values: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
    """Computes the weighted mean of values; None weights all equally."""
    if weight is None:
        return tf.reduce_mean(values)
    return tf.reduce_sum(values * weight) / tf.reduce_sum(weight)


@dataclass(frozen=True)
class HybridLoss:
    """Weighted average of cross entropy + `l2_weight` * squared error over the side outputs, and weight decay.

    Attributes:
        side_weights: Weights of the side outputs, coarsest first; divided by their sum. The paper's compare-loss
            ablation is (0, 0, 0, 0, 1) with `l2_weight` 0.
        l2_weight: Factor of the squared error.
        pair_weight: Factor of `pair_cross_entropy` (ours); 0 leaves it out.
        detail_weighting: Whether pixels are weighted by `detail_weights` (ours).
        kernel_decay: Weight decay as part of what is minimized, kernel_decay / 2 * sum(kernel^2) over all convolution
            kernels: the paper's 0.001, as `tf.contrib.layers.l2_regularizer` reads it. 0 leaves it to the optimizer.
    """

    side_weights: Sequence[float] = (1.0,) * SIDE_OUTPUTS
    l2_weight: float = 1.0
    pair_weight: float = 0.0
    detail_weighting: bool = False
    kernel_decay: float = 0.0

    def __post_init__(self) -> None:
        if len(self.side_weights) != SIDE_OUTPUTS or min(self.side_weights) < 0 or sum(self.side_weights) <= 0:
            raise ValueError(
                f"side_weights must be {SIDE_OUTPUTS} numbers >= 0 and not all 0, received {tuple(self.side_weights)}."
            )
        for name in ("l2_weight", "pair_weight", "kernel_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, received {getattr(self, name)}.")

    def measure(self, network: keras.Model, images: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Computes what a training step minimizes, the loss plus the weight decay, and the values of `REPORTS`.

        Args:
            network: Made by `build_network`.
            images: (N, H, W, 3) float32 RGB in [0, 255].
            label: (N, H, W, 1) float32 in {0, 1}; 1 = out of focus.
        """
        maps = network(images, training=True)
        side_losses = self.side_losses(maps, label, images)
        correct = tf.reduce_mean(tf.cast((maps[-1][..., 1:] > 0.5) == (label > 0.5), tf.float32))
        loss, decay = self.combine(side_losses), self._decay(network)
        return loss + decay, [loss, decay, *side_losses, correct]

    def side_losses(self, maps: Sequence[tf.Tensor], label: tf.Tensor, images: tf.Tensor) -> list[tf.Tensor]:
        """Computes the loss of each side output.

        Args:
            maps: The network's outputs, (N, H/2^k, W/2^k, 2) float32; with `pair_weight` or `detail_weighting`, all
                near sources and then all far ones.
            label: (N, H, W, 1) float32 in {0, 1}; 1 = out of focus.
            images: (N, H, W, 3) float32 RGB in [0, 255], the network's input.

        Returns:
            A scalar for each map.
        """
        weight = detail_weights(images) if self.detail_weighting else None
        return [self._side_loss(probability, label, weight) for probability in maps]

    def _side_loss(self, probability: tf.Tensor, label: tf.Tensor, weight: tf.Tensor | None) -> tf.Tensor:
        factor = label.shape[1] // probability.shape[1]
        if factor > 1:
            label = tf.nn.avg_pool2d(label, factor, factor, "VALID")
            weight = None if weight is None else tf.nn.avg_pool2d(weight, factor, factor, "VALID")
        loss = cross_entropy(probability, label, weight) + self.l2_weight * squared_error(probability, label, weight)
        if self.pair_weight:
            loss += self.pair_weight * pair_cross_entropy(probability, label, weight)
        return loss

    def combine(self, side_losses: Sequence[tf.Tensor]) -> tf.Tensor:
        """Computes the weighted average of the losses of the side outputs, a scalar."""
        total = sum(self.side_weights)
        weighted = [loss * (weight / total) for loss, weight in zip(side_losses, self.side_weights, strict=True)]
        return tf.add_n(weighted)

    def _decay(self, network: keras.Model) -> tf.Tensor:
        if not self.kernel_decay:
            return tf.constant(0.0)
        kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
        return self.kernel_decay * tf.add_n([tf.nn.l2_loss(tf.cast(kernel, tf.float32)) for kernel in kernels])
