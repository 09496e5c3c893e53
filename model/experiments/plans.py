"""Which runs an ablation consists of: its configuration, read and checked."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from data.io.fields import check_values
from data.io.files import read_bytes
from data.runtime.errors import InputError
from model.training.settings import ABLATIONS, TrainingConfig

DEFAULT_PLAN = Path(__file__).parent / "ablation.toml"
"""The configuration that ships with the project."""

PROPOSED = "proposed"
"""The run with nothing left out."""

ENCODER_SKIPS = "encoder-skips"
"""The run with skips inside the encoders; ours, where the paper's text leaves it open."""

NON_TRANSFER = "non-tl"
"""The run that starts from no other network's weights."""

SEEDED = (PROPOSED, NON_TRANSFER)
"""Runs that are made with every seed, each named NAME-seedN, because their spread decides whether transfer helps."""

MOST_PLAN_BYTES = 2**20
"""Most bytes of a configuration."""


@dataclass(frozen=True)
class Experiment:
    """One training run.

    Attributes:
        name: Name of its folder.
        config: Its settings; None where it cannot be run.
        reason: Why it cannot be run.
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
    """Reads which runs a configuration asks for.

    Args:
        path: A TOML file such as `ablation.toml`.
        budget: A name in it.
        transfer: VGG-19's file; None leaves what the budget says.
        runs: Names of the runs; None leaves what the file says.
        seeds: Seeds of the runs in `SEEDED`, the first also of the others; None leaves what the file says.
        changes: Settings of all runs that replace the budget's.

    Returns:
        The runs, `proposed` with each seed first.

    Raises:
        InputError: if the file cannot be read, or names something unknown.
    """
    try:
        content = tomllib.loads(read_bytes(path, MOST_PLAN_BYTES).decode("utf-8"))
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
    planned = []
    for name in sorted(runs, key=lambda name: name != PROPOSED):  # it goes first
        changed = [replace(one, **ABLATIONS.get(name, {})) for one in seeded]
        if name == NON_TRANSFER and base.transfer is None:
            planned.append(Experiment(name, None, f"the budget {budget} has no transfer to leave out"))
        elif name in SEEDED:
            planned += [Experiment(f"{name}-seed{one.seed}", one) for one in changed]
        else:
            planned.append(Experiment(name, changed[0]))
    return planned


def runs_of(names: Iterable[str], kind: str) -> list[str]:
    """Returns the names of the runs of a kind in `SEEDED`, one for each seed."""
    return [name for name in names if name == kind or name.startswith(f"{kind}-seed")]
