"""Which runs an ablation consists of: its configuration, read and checked."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.io.fields import check_values
from data.io.files import read_bytes
from data.runtime.errors import InputError
from model.training.settings import ABLATIONS, TrainingConfig

DEFAULT = Path(__file__).parent / "ablation.toml"
"""The configuration that ships with the project."""

PROPOSED = "proposed"
"""The run with nothing left out; it is made with every seed."""

ENCODER_SKIPS = "encoder-skips"
"""The run with skips inside the encoders; ours, where the paper's text leaves it open."""

NON_TRANSFER = "non-tl"
"""The run that starts from no other network's weights."""

LARGEST_PLAN = 2**20
"""Bytes of a configuration."""


@dataclass(frozen=True)
class Experiment:
    """One training run.

    Attributes:
        name: Of its folder.
        config: Its settings; None where it cannot be run.
        reason: Why it cannot.
    """

    name: str
    config: TrainingConfig | None
    reason: str = ""


def plan(
    path: Path,
    budget: str,
    transfer: str | None = None,
    runs: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None,
    changes: Mapping[str, Any] | None = None,
) -> list[Experiment]:
    """Reads the configuration.

    Args:
        path: A TOML file as `ablation.toml`.
        budget: A name in it.
        transfer: VGG-19's file; None leaves what the budget says.
        runs: Their names; None leaves what the file says.
        seeds: Of the proposed training; None leaves what the file says.
        changes: Settings of all runs that go before the budget's.

    Returns:
        The runs, `proposed` with each seed first.

    Raises:
        InputError: if the file cannot be read, or names something unknown.
    """
    try:
        content = tomllib.loads(read_bytes(path, LARGEST_PLAN).decode("utf-8"))
        shared, kinds = content["budgets"][budget], {"seeds": list[int], "runs": list[str], f"budget {budget}": dict}
        check_values(kinds, {**content, f"budget {budget}": shared})
        seeds, runs = seeds or content["seeds"], runs or content["runs"]
        if not seeds:
            raise ValueError("seeds is empty")
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{path} has no {error}.") from error
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: {error}.") from error
    unknown = [name for name in runs if name != PROPOSED and name not in ABLATIONS]
    if unknown:
        raise InputError(
            f"there is no run {unknown[0]!r} as {path} or --runs asks; there are {', '.join([PROPOSED, *ABLATIONS])}."
        )
    try:
        start: dict[str, Any] = {"transfer": transfer} if transfer else {}
        if not transfer and shared.get("transfer") == "none":  # TOML has no None
            start = {"transfer": None}
        base = TrainingConfig(**{**shared, **(changes or {}), **start})
        seeded = [replace(base, seed=seed) for seed in seeds]
    except (TypeError, ValueError) as error:
        raise InputError(f"budget {budget} in {path}: {error}.") from error
    planned = [Experiment(f"{PROPOSED}-seed{one.seed}", one) for one in seeded if PROPOSED in runs]
    for name in runs:
        if name == PROPOSED:
            continue
        if name == NON_TRANSFER and base.transfer is None:
            planned.append(Experiment(name, None, f"the budget {budget} has no transfer to leave out"))
            continue
        planned.append(Experiment(name, replace(base, seed=seeds[0], **ABLATIONS[name])))
    return planned
