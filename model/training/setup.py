"""Preparation of a run: the settings of the process, and a trainer as the run's settings say."""

from pathlib import Path

import keras
import tensorflow as tf

from data.runtime.errors import InputError
from model.networks.network import build_network
from model.networks.weights import load_network, read_sidecar
from model.training.distribution import Distribution
from model.training.losses import HybridLoss
from model.training.optimizers import make_optimizer, make_schedule
from model.training.settings import TrainingConfig
from model.training.trainer import Trainer


def prepare_process(config: TrainingConfig) -> None:
    """Sets the seed, determinism and precision of TensorFlow and Keras for the whole process."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(f"mixed_{config.mixed_precision}" if config.mixed_precision else "float32")


def make_trainer(config: TrainingConfig, distribution: Distribution, total_steps: int) -> Trainer:
    """Builds network, optimizer and loss on the devices of a distribution.

    Args:
        config: The settings.
        distribution: Devices and hosts.
        total_steps: Steps of the whole run, for the schedule.

    Raises:
        InputError: The schedule does not fit the number of steps.
    """
    try:
        schedule = make_schedule(config.schedule, config.learning_rate, total_steps, config.warmup_steps)
    except ValueError as error:  # the number of steps is not known before
        raise InputError(str(error)) from error
    with distribution.strategy.scope():
        network = build_network(**config.network_arguments, synchronized=distribution.replicas > 1)
        if config.recompute:
            recompute_activations(network)
        optimizer = make_optimizer(
            config.optimizer,
            schedule,
            momentum=config.momentum,
            weight_decay=config.weight_decay,
            clip_norm=config.clip_norm,
        )
        if config.mixed_precision == "float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer, name="loss_scale")
        return Trainer(
            network,
            optimizer,
            make_loss(config),
            average=config.average,
            parts=config.accumulate,
            jit=config.jit,
            strategy=distribution.strategy,
        )


def make_loss(config: TrainingConfig) -> HybridLoss:
    """Makes the loss, which includes weight decay with RMSprop only."""
    decay = config.weight_decay if config.optimizer == "rmsprop" else 0.0
    return HybridLoss(
        config.side_weights, config.l2_weight, config.pair_weight, config.detail_weighting, kernel_decay=decay
    )


def recompute_activations(network: keras.Model) -> None:
    """Makes the backward pass recompute each activation from its input, instead of keeping Mish's intermediate results.

    `keras.RematScope` would also wrap the convolutions, which needs more memory in mixed precision.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.Activation):
            layer.activation = tf.recompute_grad(layer.activation)


def start_from(trainer: Trainer, path: Path, variant: str) -> None:
    """Loads the weights of a file into a new trainer.

    Raises:
        InputError: The file cannot be used, or belongs to a network with other layers.
    """
    start = load_network(path, variant)
    try:
        trainer.network.set_weights(start.get_weights())
    except ValueError as error:
        raise InputError(f"{path} belongs to a network with other layers: {read_sidecar(path)['builder']}.") from error
    trainer.reset_averages()
