"""Optimizers and learning-rate schedules. The paper's are RMSprop and a constant rate; the others are options."""

import keras

from model.training.settings import OPTIMIZERS, SCHEDULES


def make_schedule(
    name: str, learning_rate: float, total_steps: int, warmup_steps: int = 0
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Makes the learning rate over the steps of a run.

    Args:
        name: `"constant"` (the paper) or `"cosine"` (falls to 0 along half a cosine).
        learning_rate: The highest rate.
        total_steps: Steps of the whole run, including warm-up.
        warmup_steps: `"cosine"`: steps in which the rate rises from 0 in a straight line.
    """
    if name == "constant":
        return learning_rate
    if name != "cosine":
        raise ValueError(f"unknown schedule {name!r}; there are {', '.join(SCHEDULES)}.")
    if not 0 <= warmup_steps < total_steps:
        raise ValueError(f"warmup_steps must be in [0, {total_steps}), received {warmup_steps}.")
    if warmup_steps == 0:
        return keras.optimizers.schedules.CosineDecay(learning_rate, total_steps)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total_steps - warmup_steps, warmup_target=learning_rate, warmup_steps=warmup_steps
    )


def make_optimizer(
    name: str,
    learning_rate: float | keras.optimizers.schedules.LearningRateSchedule,
    *,
    momentum: float = 0.9,
    weight_decay: float = 0.001,
    clip_norm: float | None = None,
) -> keras.optimizers.Optimizer:
    """Makes an optimizer.

    Args:
        name: `"rmsprop"` (the paper; its weight decay is part of `HybridLoss`) or `"adamw"` (decoupled decay).
        learning_rate: A rate or a schedule.
        momentum: `"rmsprop"`: momentum.
        weight_decay: `"adamw"`: decay per step, times the learning rate; biases and normalization are exempt.
        clip_norm: Maximum gradient norm, over all variables together; None = no clipping.
    """
    # Named, because Keras would number the second one of a process, and checkpoints store variables by name.
    options = {"name": name, "global_clipnorm": clip_norm}
    if name == "rmsprop":
        return keras.optimizers.RMSprop(learning_rate, momentum=momentum, **options)
    if name != "adamw":
        raise ValueError(f"unknown optimizer {name!r}; there are {', '.join(OPTIMIZERS)}.")
    optimizer = keras.optimizers.AdamW(learning_rate, weight_decay=weight_decay, **options)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    return optimizer
