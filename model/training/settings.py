"""The settings of a training run. Every default is the paper's value or a decision named beside it."""

import reprlib
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, get_type_hints

from data.io.fields import check_values
from data.synthesis.recipes import SynthesisSettings
from model.networks.stages import VARIANTS, get_variant

CONFIG = "config.json"
SCENES = "scenes.json"
TRANSFER = "transfer.json"
CHECKPOINT = "checkpoint.npz"
"""Names of a run's files that it is resumed from."""

ABLATIONS: dict[str, dict[str, Any]] = {
    "compare-loss": {"side_weights": (0.0, 0.0, 0.0, 0.0, 1.0), "l2_weight": 0.0},
    "compare-bn": {"batch_norm": False},
    "compare-initial": {"initializer": "normal"},
    "non-tl": {"transfer": None},
}
"""The paper's ablations: what each changes."""

CHOICES: dict[str, tuple[str, ...]] = {
    "variant": tuple(VARIANTS),
    "initializer": ("glorot", "normal"),
    "split": ("seeded", "voc"),
    "optimizer": ("rmsprop", "adamw"),
    "schedule": ("constant", "cosine"),
}
"""Settings that are one of a few words."""

POSITIVE = ("learning_rate", "epochs", "pairs_per_batch", "scenes", "validation_pairs", "clip_norm")

LARGEST_COUNT = 2**32 - 1
"""What numpy takes as a seed; no other count comes near."""

LATER = ("validation_recipe", "pair_weight", "detail_weighting", "start")
"""Settings that runs saved before there were these lack; such runs did what the defaults say."""


@dataclass(frozen=True)
class TrainingConfig:
    """Everything that decides the numbers of a run; saved beside its weights."""

    # Network
    variant: str = "paper"
    batch_norm: bool = True  # paper
    initializer: str = "glorot"  # paper
    transfer: str | None = "imagenet"  # paper; or the path of a VGG-19 no-top file, or None
    start: str | None = None  # a weights file of the same network to start from, in place of a transfer; ours
    freeze_transferred: int = 0  # epochs in which VGG-19's convolutions are held; chosen, the paper says "fine-tuned"

    # Data
    recipe: str = "paper"
    size: int = 224  # paper
    crop: bool = False  # paper: whole photographs, resized
    blur_window: int = 3  # paper
    split: str = "seeded"  # forced: no scene in both parts
    scenes: int = 2000  # paper: 1,800 for training, 200 for validation
    validation_recipe: str | None = None  # None = as trained; `photographic` asks how it does on noise and compression
    validation_pairs: int | None = None  # None = all: five a scene
    pairs_per_batch: int = 4  # chosen; a batch holds twice as many images

    # Loss
    side_weights: tuple[float, ...] = (1.0, 1.0, 1.0, 1.0, 1.0)  # chosen; the paper says "weighted average"
    l2_weight: float = 1.0  # chosen
    pair_weight: float = 0.0  # ours, off in the paper: a loss of the comparison of both sources
    detail_weighting: bool = False  # ours, off in the paper: pixels count by how much the sources differ

    # Optimisation
    epochs: int = 50  # paper
    optimizer: str = "rmsprop"  # paper
    learning_rate: float = 1e-6  # paper
    momentum: float = 0.9  # paper
    weight_decay: float = 0.001  # paper
    schedule: str = "constant"  # paper
    warmup_steps: int = 0
    clip_norm: float | None = None
    average: float | None = None  # decay of the moving average of the weights
    mixed_precision: bool = False
    jit: bool = False  # compile with XLA

    # Repeatability
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self):
        for name, value in vars(self).items():
            if isinstance(value, list):  # as JSON and TOML have it
                object.__setattr__(self, name, tuple(value))
        try:
            check_values(get_type_hints(TrainingConfig), vars(self))
        except ValueError as error:
            raise ValueError(f"{error}.") from error
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                raise ValueError(f"unknown {name} {getattr(self, name)!r}; there are {', '.join(choices)}.")
        if self.transfer is not None and not get_variant(self.variant).transferable:
            raise ValueError(
                f"VGG-19 has no weights as narrow as the variant {self.variant!r}; train with --transfer none."
            )
        if self.transfer is not None and self.start is not None:
            raise ValueError("a network starts from VGG-19's weights or from a weights file, not from both.")
        for name, value in vars(self).items():
            if name in POSITIVE and value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, received {value}.")
            if isinstance(value, int | float) and value < 0:
                raise ValueError(f"{name} must not be below 0, received {value}.")
            if isinstance(value, int) and value > LARGEST_COUNT:
                raise ValueError(f"{name} must be at most {LARGEST_COUNT}, received {value}.")
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
        """How training pairs are made."""
        return SynthesisSettings(self.recipe, self.size, self.crop, self.blur_window)

    @property
    def validation_synthesis(self) -> SynthesisSettings:
        """How validation pairs are made."""
        return replace(self.synthesis, recipe=self.validation_recipe or self.recipe)

    @property
    def builder(self) -> dict[str, Any]:
        """The arguments of `build_network`."""
        return {"variant": self.variant, "batch_norm": self.batch_norm, "initializer": self.initializer}

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "TrainingConfig":
        """Reads what `to_json` gave, after a trip through a file.

        Raises:
            ValueError: if it is no object, a key is unknown or missing, or a value cannot be; the message names it.
        """
        if not isinstance(content, dict):
            raise ValueError(f"a saved configuration is an object, received {reprlib.repr(content)}.")
        known = {field.name for field in fields(cls)}
        for name in sorted(set(content) - known):
            raise ValueError(f"unknown setting {reprlib.repr(name)} in a saved configuration.")
        for name in sorted(known - set(content) - set(LATER)):
            raise ValueError(f"the setting {name!r} is missing in a saved configuration.")
        return cls(**content)
