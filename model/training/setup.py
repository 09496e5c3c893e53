"""What a run needs before its first step: a prepared process, and a trainer as the settings say."""

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
    """Sets what TensorFlow and Keras keep for the whole process: the seed, determinism, and the precision."""
    keras.utils.set_random_seed(config.seed)
    if config.deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(f"mixed_{config.mixed_precision}" if config.mixed_precision else "float32")


def make_trainer(config: TrainingConfig, distribution: Distribution, total_steps: int) -> Trainer:
    """Makes network, optimizer and loss, on the devices of a distribution.

    Args:
        config: The settings.
        distribution: Devices and hosts.
        total_steps: Of the whole run, for the schedule.

    Raises:
        InputError: if the schedule does not fit the number of steps.
    """
    try:
        schedule = make_schedule(config.schedule, config.learning_rate, total_steps, config.warmup_steps)
    except ValueError as error:  # only here it is known how many steps there are
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
    """Makes the loss; weight decay is part of it with RMSprop alone."""
    decay = config.weight_decay if config.optimizer == "rmsprop" else 0.0
    return HybridLoss(
        config.side_weights, config.l2_weight, config.pair_weight, config.detail_weighting, kernel_decay=decay
    )


def recompute_activations(network: keras.Model) -> None:
    """Lets the backward pass compute each activation again from its input, in place of keeping what Mish computed.

    `keras.RematScope` would do it for convolutions too, whose activation is none: in mixed precision that keeps more.
    """
    for layer in network.layers:
        if isinstance(layer, keras.layers.Activation):
            layer.activation = tf.recompute_grad(layer.activation)


def start_from(trainer: Trainer, path: Path, variant: str) -> None:
    """Gives a new trainer the weights of a file.

    Raises:
        InputError: if the file cannot be used, or is of a network with other layers.
    """
    start = load_network(path, variant)
    try:
        trainer.network.set_weights(start.get_weights())
    except ValueError as error:
        raise InputError(f"{path} is of a network with other layers: {read_sidecar(path)['builder']}.") from error
    trainer.reset_averages()
