"""The settings of a training run. Every default is the paper's value or a decision named beside it."""

import argparse
import reprlib
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from typing import Any, get_type_hints

from data.io.fields import check_values
from data.runtime.arguments import duration
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import SPLITS
from model.networks.stages import INITIALIZERS, TRANSFER_CHANNELS, VARIANTS

CONFIG = "config.json"
"""Name of the file of a run's settings."""

SCENES = "scenes.json"
"""Name of the file of a run's scenes, with digests."""

TRANSFER = "transfer.json"
"""Name of the file that lists the transferred layers."""

CHECKPOINT = "checkpoint.npz"
"""Name of the file of a run's newest checkpoint."""

CHECKPOINT_MINUTES = 15.0
"""Default minutes between checkpoints: what a killed run loses at most."""

ABLATIONS: dict[str, dict[str, Any]] = {
    "compare-loss": {"side_weights": (0.0, 0.0, 0.0, 0.0, 1.0), "l2_weight": 0.0},
    "compare-bn": {"batch_norm": False},
    "compare-initial": {"initializer": "normal"},
    "non-tl": {"transfer": None},
    "encoder-skips": {"encoder_skips": True},
}
"""Settings that each ablation changes; the last one is ours, the others are the paper's."""

TRAINING_RECIPES = ("paper", "photographic")
"""Recipes that the paper's network can be trained on."""

DISTRIBUTIONS = ("one", "mirrored", "multiworker")
"""One device (the default); all devices of this host; all devices of the hosts that TF_CONFIG names."""

OPTIMIZERS = ("rmsprop", "adamw")
"""Optimizers: the paper's, and one with decoupled weight decay."""

SCHEDULES = ("constant", "cosine")
"""Schedules of the learning rate: the paper's, and one that falls to 0."""

PRECISIONS = ("float16", "bfloat16")
"""Types of mixed precision: float16 is more precise and needs a scaled loss, bfloat16 has the range of float32."""

CHOICES: dict[str, tuple[str, ...]] = {
    "variant": tuple(VARIANTS),
    "initializer": INITIALIZERS,
    "transfer_channels": TRANSFER_CHANNELS,
    "recipe": TRAINING_RECIPES,
    "validation_recipe": TRAINING_RECIPES,
    "split": SPLITS,
    "optimizer": OPTIMIZERS,
    "schedule": SCHEDULES,
    "mixed_precision": PRECISIONS,
}
"""Settings with a fixed set of values."""

POSITIVE = (
    "learning_rate",
    "epochs",
    "steps_per_epoch",
    "pairs_per_batch",
    "accumulate",
    "scenes",
    "validation_pairs",
    "clip_norm",
)
"""Settings that must be above 0; other numbers must not be below 0."""

LARGEST_SETTING = 2**32 - 1
"""Limit of every integer: the largest seed that NumPy takes."""


def _setting(group: str, default: Any, text: str, metavar: str | None = None) -> Any:
    """Declares one setting: its group in the help of `train.py`, its default, and a help text with the source."""
    return field(default=default, metadata={"group": group, "help": text, "metavar": metavar})


_network = partial(_setting, "network")
_data = partial(_setting, "data")
_loss = partial(_setting, "loss")
_optimization = partial(_setting, "optimization")
_memory = partial(_setting, "memory and speed")
_repeatability = partial(_setting, "repeatability")


def add_checkpoint_minutes(parser: argparse.ArgumentParser) -> None:
    """Adds the option --checkpoint-minutes, which both training commands have."""
    text = "minutes between checkpoints (%(default)g); 0 writes one after each step"
    parser.add_argument("--checkpoint-minutes", type=duration, default=CHECKPOINT_MINUTES, metavar="MIN", help=text)


@dataclass(frozen=True)
class TrainingConfig:
    """All settings that decide the numbers of a run; saved beside its weights. `train.py` has an option for each."""

    variant: str = _network("paper", "width and depth of the stages")
    batch_norm: bool = _network(True, "batch normalization after each convolution; paper")
    encoder_skips: bool = _network(False, "skips inside the encoders too; the paper's text leaves it open: chosen")
    initializer: str = _network("glorot", "initializer of the kernels that are not transferred; paper")
    transfer: str | None = _network(
        "imagenet", "source of VGG-19's weights: imagenet (paper), a file (data.download), or none", "WHAT"
    )
    transfer_channels: str = _network("uniform", "how a narrower variant chooses from VGG-19's channels; chosen")
    start: str | None = _network(None, "weights file to start from, in place of a transfer; ours", "FILE")
    freeze_transferred: int = _network(0, "epochs in which VGG-19's convolutions stay fixed; chosen", "EPOCHS")

    recipe: str = _data("paper", "recipe of the training pairs")
    size: int = _data(224, "side of the training images; paper", "N")
    crop: bool = _data(False, "random crops at native resolution; paper: whole photographs, resized")
    blur_window: int = _data(3, "side of the recipe paper's Gaussian window; 7 is Liu 2017's", "N")
    split: str = _data("seeded", "a seeded draw, or the data's own lists; forced: no scene in both parts")
    scenes: int = _data(2000, "scenes to draw, a tenth of them for validation; paper", "N")
    validation_recipe: str | None = _data(None, "recipe to validate on; default: --recipe")
    validation_pairs: int | None = _data(None, "pairs to validate on; default: all, five a scene", "N")
    pairs_per_batch: int = _data(4, "pairs a step, of two images each; chosen", "N")

    side_weights: tuple[float, ...] = _loss(
        (1.0, 1.0, 1.0, 1.0, 1.0), "weights of the losses of the five outputs; chosen", "W"
    )
    l2_weight: float = _loss(1.0, "factor of the L2 term; chosen", "W")
    pair_weight: float = _loss(0.0, "factor of a loss that compares both sources; ours", "W")
    detail_weighting: bool = _loss(False, "weight pixels by how much the sources differ; ours")

    epochs: int = _optimization(50, "number of epochs; paper. With --resume: train up to this epoch", "N")
    steps_per_epoch: int | None = _optimization(
        None, "steps of an epoch, which ends in a validation; default: all pairs", "N"
    )
    optimizer: str = _optimization("rmsprop", "optimizer; paper")
    learning_rate: float = _optimization(1e-6, "learning rate; paper", "RATE")
    momentum: float = _optimization(0.9, "momentum of RMSprop; paper", "M")
    weight_decay: float = _optimization(0.001, "weight decay; paper", "W")
    schedule: str = _optimization("constant", "schedule of the learning rate; paper")
    warmup_steps: int = _optimization(0, "steps in which the learning rate rises to its full value", "N")
    clip_norm: float | None = _optimization(None, "maximum gradient norm (default: no clipping)", "NORM")
    average: float | None = _optimization(None, "decay of a moving average of the weights, such as 0.999", "DECAY")
    accumulate: int = _memory(
        1,
        "parts of a step, computed one after the other; their gradients are added. Batch normalization takes the "
        "statistics of a part",
        "N",
    )
    recompute: bool = _memory(
        False, "recompute activations in the backward pass, to save memory; the numbers stay the same"
    )
    mixed_precision: str | None = _memory(
        None, "compute in float16 or bfloat16 where it is safe, for GPUs; without a type: float16"
    )
    jit: bool = _memory(False, "compile with XLA")

    seed: int = _repeatability(0, "random seed", "N")
    deterministic: bool = _repeatability(False, "give the same numbers every time, a little slower")

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if isinstance(value, list):  # as JSON and TOML have it
                object.__setattr__(self, name, tuple(value))
        try:
            check_values(get_type_hints(TrainingConfig), vars(self))
        except ValueError as error:
            raise ValueError(f"{error}.") from error
        for name, choices in CHOICES.items():
            if getattr(self, name) not in (*choices, getattr(TrainingConfig, name)):
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; there are {', '.join(choices)}.")
        if self.transfer is not None and self.start is not None:
            raise ValueError("a network starts from VGG-19's weights or from a weights file, not from both.")
        for name, value in vars(self).items():
            if name in POSITIVE and value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, received {value}.")
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name} must not be below 0, received {value}.")
            if isinstance(value, int) and value > LARGEST_SETTING:
                raise ValueError(f"{name} must be at most {LARGEST_SETTING}, received {value}.")
        if self.pairs_per_batch % self.accumulate:
            raise ValueError(
                f"pairs_per_batch must be a multiple of accumulate, received {self.pairs_per_batch} and "
                f"{self.accumulate}."
            )
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average must be between 0 and 1, received {self.average}.")
        count = len(TrainingConfig.side_weights)
        if len(self.side_weights) != count or min(self.side_weights) < 0 or sum(self.side_weights) <= 0:
            raise ValueError(
                f"side_weights must be {count} numbers, not below 0, and not all 0, received {self.side_weights}."
            )
        _ = self.synthesis, self.validation_synthesis

    @property
    def synthesis(self) -> SynthesisSettings:
        """Settings of the training pairs."""
        return SynthesisSettings(self.recipe, self.size, self.crop, self.blur_window)

    @property
    def validation_synthesis(self) -> SynthesisSettings:
        """Settings of the validation pairs."""
        return replace(self.synthesis, recipe=self.validation_recipe or self.recipe)

    @property
    def network_arguments(self) -> dict[str, Any]:
        """The arguments of `build_network`."""
        names = ("variant", "batch_norm", "encoder_skips", "initializer")
        return {name: getattr(self, name) for name in names}

    def to_json(self) -> dict[str, Any]:
        """Returns the settings by name, as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainingConfig":
        """Makes settings from what `to_json` returned, read from a file.

        Raises:
            ValueError: It is no object, a key is unknown or missing, or a value is invalid; the message names it.
        """
        if not isinstance(content, dict):
            raise ValueError(f"a saved configuration is an object, received {reprlib.repr(content)}.")
        known = {one.name for one in fields(cls)}
        for name in sorted(set(content) - known):
            raise ValueError(f"unknown setting {reprlib.repr(name)} in a saved configuration.")
        for name in sorted(known - set(content)):
            raise ValueError(f"the setting {name!r} is missing in a saved configuration.")
        return cls(**content)


@dataclass(frozen=True)
class ComparerSettings:
    """Settings that decide the numbers of a training of the comparing network.

    Attributes:
        steps: Number of steps.
        pairs_per_batch: Pairs of a step.
        scenes: Number of training scenes to draw; None takes all.
        seed: Random seed.
        start: The weights file of a comparing network to start from; None starts anew.
        learning_rate: The highest rate of AdamW, which falls along a cosine.
    """

    steps: int = 18000
    pairs_per_batch: int = 4
    scenes: int | None = None
    seed: int = 0
    start: str | None = None
    learning_rate: float = 2e-3
