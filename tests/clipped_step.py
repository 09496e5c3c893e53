"""Takes one clipped step in mixed precision and saves its movement: `python -m tests.clipped_step OUT DEVICES`."""

import sys

import keras
import numpy as np
import tensorflow as tf

from model.training.distribution import make_distribution
from model.training.trainer import Trainer
from tests.distributed_steps import split_processor

LONGEST, PAIRS = 0.01, 4


class SquaredError:
    """Far longer gradients than `LONGEST`."""

    def measure(self, network, inputs, labels):
        loss = tf.reduce_mean(tf.square(tf.cast(network(inputs), tf.float32) - labels))
        return loss, [loss]


def main(output: str, devices: str) -> None:
    split_processor(int(devices))
    distribution = make_distribution("mirrored" if int(devices) > 1 else "one")
    keras.utils.set_random_seed(0)
    keras.mixed_precision.set_global_policy("mixed_float16")
    with distribution.strategy.scope():
        network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
        # A rate of 1: the weights move by the clipped gradient itself.
        optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(1.0, global_clipnorm=LONGEST))
        trainer = Trainer(network, optimizer, SquaredError(), strategy=distribution.strategy)
    rng = np.random.default_rng(0)
    inputs, labels = rng.normal(size=(PAIRS, 3)), rng.normal(2, size=(PAIRS, 2))
    part = distribution.pairs_per_replica(PAIRS)
    parts = [(tf.constant(inputs[i : i + part]), tf.constant(labels[i : i + part])) for i in range(0, PAIRS, part)]
    before = [weight.numpy() for weight in network.trainable_weights]
    trainer.step(*next(distribution.gather(iter(parts))))
    moved = [weight.numpy() - values for weight, values in zip(network.trainable_weights, before, strict=True)]
    np.save(output, np.concatenate([values.ravel() for values in moved]))


if __name__ == "__main__":
    main(*sys.argv[1:])
