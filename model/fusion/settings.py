"""The settings of a fusion: one record that makes the options of `fuse.py`, the page's form, the query of `/fuse`, the
project file and the arguments of `load_fuser`."""

from collections.abc import Sequence
from dataclasses import Field, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from data.io.frames import ALPHA
from data.registration.prepared import ALIGN, CROP, MATCH_EXPOSURE
from data.runtime.errors import InputError
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.fusion import PREFERENCES, STRATEGIES
from model.fusion.averaging import AVERAGE
from model.networks.engine import ENGINES

SMALLEST_SIZE = 32
"""Least `size`: below it a single step of the coarsest maps would cover the image."""

TILES = {"auto": None, "on": True, "off": False}
"""Whether the network works in tiles, by the name that `tile` takes."""

GROUPS = ("input", "alignment", "brightness", "decision")
"""The themes that settings are shown under, in order."""


def _setting(
    group: str,
    default: Any,
    text: str,
    *,
    choices: Sequence[str] = (),
    shared: Sequence[str] = (),
    metavar: str | None = None,
) -> Any:
    """Makes the field of one setting.

    Args:
        group: A name in `GROUPS`.
        default: Its default.
        text: Its help.
        choices: What it may be besides its default.
        shared: Of these, what projects, the page and `/fuse` offer; empty: they do not have this setting.
        metavar: What stands for its value in the help.
    """
    metadata = {"group": group, "help": text, "choices": tuple(choices), "shared": tuple(shared), "metavar": metavar}
    return field(default=default, metadata=metadata)


@dataclass(frozen=True)
class FusionSettings:
    """Everything besides the photographs that decides a result.

    Raises:
        InputError: a value is none of its choices, or two settings do not go together.
    """

    alpha: Literal["cut", "refuse", "drop"] = _setting(
        "input", "cut", "transparency: keep the part in which all images are opaque; refuse; or drop it", choices=ALPHA
    )
    dust: Path | None = _setting(  # noqa: RUF009 - a field
        "input", None, "remove the dust that this photograph of something blank shows on the sensor", metavar="FILE"
    )

    align: str = _setting(
        "alignment",
        "auto",
        "auto: warp images that moved onto the middle one; none: they are aligned",
        choices=ALIGN,
        shared=ALIGN,
    )
    crop: str = _setting(
        "alignment",
        "auto",
        "where images moved, keep what all show (common), or all of the middle one (none); auto: none for a pair",
        choices=CROP,
        shared=CROP,
    )
    reference: int | None = _setting(
        "alignment", None, "number of the image that the others are laid on (the middle one)", metavar="N"
    )
    warps: Path | None = _setting(  # noqa: RUF009 - a field
        "alignment",
        None,
        "lay the images as in this report (--json) of another light or channel of the same stack",
        metavar="FILE",
    )
    strict: bool = _setting("alignment", False, "an image that cannot be aligned is an error, and is not left out")

    match_exposure: str = _setting(
        "brightness",
        "auto",
        "auto: match the brightness of the middle image; or none",
        choices=MATCH_EXPOSURE,
        shared=MATCH_EXPOSURE,
    )

    average: str = _setting(
        "brightness",
        "auto",
        "auto: in a noisy stack, average frames that show the same (strategy learned); or none",
        choices=AVERAGE,
        shared=AVERAGE,
    )

    strategy: str | None = _setting(
        "decision",
        None,
        "; ".join(f"{name}: {text}" for name, text in STRATEGIES.items()),
        choices=tuple(STRATEGIES),
        shared=("learned", "refined"),
    )
    prefer: str | None = _setting(
        "decision",
        None,
        "where two images are both sharp, take the earlier (near) or the later (far), not the sharper",
        choices=PREFERENCES,
        shared=PREFERENCES,
    )
    size: int | None = _setting(
        "decision", None, "find the maps at NxN (224: the paper), not at full size", metavar="N"
    )
    tile: str = _setting(
        "decision",
        "auto",
        "strategies refined and paper: work in overlapping tiles, which bounds memory; auto: above 4 megapixels",
        choices=tuple(TILES),
    )
    weights: Path = _setting(  # noqa: RUF009 - a field
        "decision", BUNDLED_WEIGHTS, "a weights file (default: the bundled one; IFCNN, SESF: theirs)", metavar="FILE"
    )
    comparer: Path | None = _setting(  # noqa: RUF009 - a field
        "decision",
        None,
        "strategy learned: its own network, trained beside --weights (model.training.train_comparer)",
        metavar="FILE",
    )
    engine: str = _setting(
        "decision",
        "auto",
        "what runs the networks; auto: openvino where it is installed and no GPU is used, else tensorflow",
        choices=ENGINES,
    )
    device: str = _setting("decision", "auto", "auto, cpu, gpu or gpu:N: what TensorFlow computes on", metavar="NAME")

    def __post_init__(self) -> None:
        for name in ("weights", "comparer", "warps", "dust"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, Path(getattr(self, name)))
        for setting in fields(self):
            value, choices = getattr(self, setting.name), setting.metadata["choices"]
            if choices and value != setting.default and value not in choices:
                either = ", or None" if setting.default is None else ""
                name = f"the {setting.name}" if setting.name in ("strategy", "engine") else setting.name
                raise InputError(f"{name} must be one of {', '.join(choices)}{either}, received {value!r}.")
        if self.size is not None and self.size < SMALLEST_SIZE:
            raise InputError(f"the size must be at least {SMALLEST_SIZE}, received {self.size}.")
        for name in ("prefer", "comparer"):
            if getattr(self, name) and self.chosen_strategy != "learned":
                raise InputError(f"{name} is for the strategy learned, not for {self.chosen_strategy}.")
        if self.reference is not None and self.reference < 1:
            raise InputError(f"the reference is a number from 1 on, received {self.reference}.")
        if self.warps and (self.align == "none" or self.reference is not None):
            raise InputError("warps are for align auto, and without a reference: the report names it.")
        if self.crop == "none" and self.chosen_strategy == "paper":
            raise InputError("crop none is for the strategies learned and refined: paper knows no uncovered pixels.")

    @property
    def chosen_crop(self) -> str:
        """What is kept where images moved; the strategy `paper` knows no uncovered pixels."""
        return "common" if self.crop == "auto" and self.chosen_strategy == "paper" else self.crop

    @property
    def chosen_strategy(self) -> str:
        """The strategy; where none is named, `learned` if there is a comparing network for the weights, else
        `refined`."""
        if self.strategy:
            return self.strategy
        return "learned" if self.comparer or self.weights == BUNDLED_WEIGHTS else "refined"

    @property
    def chosen_comparer(self) -> Path | None:
        """The file of the comparing network; None where the strategy has none."""
        return (self.comparer or BUNDLED_COMPARER) if self.chosen_strategy == "learned" else None

    def shared(self) -> dict[str, str | None]:
        """Returns the settings that a project keeps, by name."""
        return {setting.name: getattr(self, setting.name) for setting in shared_settings()}


def shared_settings() -> "list[Field[Any]]":
    """Returns the fields that projects, the page and `/fuse` have."""
    return [setting for setting in fields(FusionSettings) if setting.metadata["shared"]]
