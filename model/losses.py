"""The hybrid loss: cross entropy plus L2 at every side output, averaged with weights.

Source: Wang, Jin et al., JIFS 2022 (layer-by-layer supervision). Chosen here: equal weights, factor 1 for L2, and
labels brought to each output's size by averaging, so that a coarse pixel's label is the share of it that is out of
focus.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf

SIDE_OUTPUTS = 5
EPSILON = 1e-7


def cross_entropy(probability: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Mean over the pixels of -[y log p + (1 - y) log(1 - p)].

    Args:
        probability: (N, H, W, 2) float32 softmax; channel 1 = out of focus.
        label: (N, H, W, 1) float32 in [0, 1].
    """
    log_probability = tf.math.log(tf.clip_by_value(probability, EPSILON, 1.0))
    return -tf.reduce_mean(label * log_probability[..., 1:] + (1 - label) * log_probability[..., :1])


def squared_error(probability: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Mean over pixels and classes of (p - y)^2, the L2 term; arguments as for `cross_entropy`."""
    # The two classes sum to 1, so both have the same squared error.
    return tf.reduce_mean(tf.square(probability[..., 1:] - label))


@dataclass(frozen=True)
class HybridLoss:
    """Weighted average of cross entropy + `l2_weight` * squared error over the side outputs.

    Attributes:
        side_weights: One for each side output, coarsest first; divided by their sum. The paper's compare-loss ablation
            is (0, 0, 0, 0, 1) with `l2_weight` 0.
        l2_weight: Factor of the squared error.
    """

    side_weights: Sequence[float] = (1.0,) * SIDE_OUTPUTS
    l2_weight: float = 1.0

    def __post_init__(self):
        if len(self.side_weights) != SIDE_OUTPUTS or min(self.side_weights) < 0 or sum(self.side_weights) <= 0:
            raise ValueError(
                f"side_weights must be {SIDE_OUTPUTS} numbers >= 0 and not all 0, received {tuple(self.side_weights)}."
            )
        if self.l2_weight < 0:
            raise ValueError(f"l2_weight must be >= 0, received {self.l2_weight}.")

    def side_losses(self, maps: Sequence[tf.Tensor], label: tf.Tensor) -> list[tf.Tensor]:
        """Loss of each side output.

        Args:
            maps: The network's outputs, (N, H/2^k, W/2^k, 2) float32.
            label: (N, H, W, 1) float32 in {0, 1}; 1 = out of focus.

        Returns:
            A scalar for each map.
        """
        losses = []
        for probability in maps:
            factor = label.shape[1] // probability.shape[1]
            resized = tf.nn.avg_pool2d(label, factor, factor, "VALID") if factor > 1 else label
            losses.append(cross_entropy(probability, resized) + self.l2_weight * squared_error(probability, resized))
        return losses

    def combine(self, side_losses: Sequence[tf.Tensor]) -> tf.Tensor:
        """The weighted average of the losses of the side outputs, a scalar."""
        total = sum(self.side_weights)
        weighted = [loss * (weight / total) for loss, weight in zip(side_losses, self.side_weights, strict=True)]
        return tf.add_n(weighted)
