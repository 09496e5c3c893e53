"""The state of a training run in one file, written whole or not at all."""

import json
import math
import warnings
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np

from data.io.arrays import check_finite, read_arrays
from data.io.fields import check_values
from data.io.files import atomic_path
from data.runtime.errors import InputError

KEPT_CHECKPOINTS = 2
"""Default number of checkpoints that a run keeps."""

MOST_CHECKPOINTS = 10
"""Largest number of checkpoints that a run keeps."""

REPORTS = ("loss", "decay", "loss_side1", "loss_side2", "loss_side3", "loss_side4", "loss_side5", "accuracy")
"""Names of the values that a training step of the paper's network reports: the loss of the data, the weight decay that
is minimized with it, the losses of the side outputs (coarsest first), and the last map's share of correct pixels."""

_PROGRESS, _STATE = "progress", "state/"
"""Name of the run's progress in the file, and prefix of the names of the trainer's arrays."""

_COUNTED = {"epoch": int, "step": int}
"""Fields that every row must have."""

_BEST = {"epoch": int, "val_iou": float}
"""Fields that the best row must have."""


@dataclass
class Progress:
    """Progress of a run.

    Attributes:
        epoch: Epoch in progress, from 0.
        batch: Batches of that epoch that are done.
        totals: Sums of what the steps of these batches reported.
        seconds: Training time, over all processes of the run.
        rows: The log, a row for each finished epoch.
        best: The row with the highest validation IoU so far; None where nothing is validated.
    """

    epoch: int = 0
    batch: int = 0
    totals: list[float] = field(default_factory=lambda: [0.0] * len(REPORTS))
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] | None = None


def save_checkpoint(path: Path, state: dict[str, np.ndarray], progress: Progress, keep: int = KEPT_CHECKPOINTS) -> None:
    """Writes the trainer's state and the run's progress to one `.npz` file; older checkpoints are renamed, one age up.

    Args:
        path: The newest checkpoint; the one before it is `path` with `.1` before its suffix, and so on.
        state: Name to array.
        progress: The run's progress.
        keep: Number of checkpoints to keep, at least 1.

    Raises:
        InputError: The state holds NaN or infinity, and must not replace a valid one; or the folder cannot be written
            to.
    """
    try:
        check_finite("the state of the run", state)
    except InputError as error:
        raise InputError(f"{error} Lower the learning rate; {path} is left as it was.") from error
    text = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
    with atomic_path(path) as temporary:
        arrays: dict[str, Any] = {_PROGRESS: text, **{_STATE + name: value for name, value in state.items()}}
        np.savez(temporary, **arrays)
        # Only once the new one is complete. If the process ends between two of these steps, one age is missing.
        for age in range(keep - 1, 0, -1):
            newer = checkpoint_path(path, age - 1)
            if newer.exists():
                newer.replace(checkpoint_path(path, age))


def load_checkpoint(
    path: Path,
    reports: int = len(REPORTS),
    validated: bool = True,
) -> tuple[dict[str, np.ndarray], Progress]:
    """Reads the newest valid checkpoint; invalid ones that are newer are renamed, with a warning.

    Args:
        path: The newest checkpoint.
        reports: Number of values that a step reports.
        validated: Whether each epoch ends in a validation, so that one of them is the best.

    Raises:
        InputError: There is no checkpoint, or none is valid.
    """
    paths = [checkpoint_path(path, age) for age in range(MOST_CHECKPOINTS)]
    found = [candidate for candidate in paths if candidate.is_file()]
    if not found:
        raise InputError(f"{path} is missing: there is nothing to resume in {path.parent}.")
    problems, damaged = [], []
    for candidate in found:
        try:
            state, progress = _read(candidate, reports, validated)
        except InputError as error:
            problems.append(str(error).removesuffix("."))
            damaged.append(candidate)
            continue
        if problems:
            warnings.warn(f"{problems[0]}; the run goes on from {candidate.name}, which is older", stacklevel=2)
        for file in damaged:  # or the next checkpoint would rename it over the valid one
            file.replace(file.with_name(f"{file.name}.damaged"))
        return state, progress
    raise InputError(f"{problems[0]}; the run cannot be resumed from it.")


def checkpoint_path(path: Path, age: int) -> Path:
    """Returns the file of a checkpoint by its age; 0 is the newest."""
    return path if age == 0 else path.with_suffix(f".{age}{path.suffix}")


def _read(path: Path, reports: int, validated: bool) -> tuple[dict[str, np.ndarray], Progress]:
    arrays = read_arrays(path)
    try:
        progress = _progress(json.loads(arrays.pop(_PROGRESS).tobytes()), reports, validated)
    except (ValueError, KeyError, RecursionError) as error:
        raise InputError(f"{path} is damaged (its progress: {error}).") from error
    return {name.removeprefix(_STATE): values for name, values in arrays.items()}, progress


def _progress(content: Any, reports: int, validated: bool) -> Progress:
    """Checks the progress that a file holds, field by field.

    Raises:
        ValueError: A field is missing or unknown, or has a value that no run writes.
    """
    kinds = get_type_hints(Progress)
    if not isinstance(content, dict) or set(content) - set(kinds):
        raise ValueError("it has unknown fields")
    # PSNR is NaN where every image equals its reference.
    check_values(kinds, content, finite=False)
    progress = Progress(**content)
    if len(progress.totals) != reports or not all(map(math.isfinite, [*progress.totals, progress.seconds])):
        raise ValueError(f"its sums are not {reports} finite numbers")
    if min(progress.epoch, progress.batch, progress.seconds) < 0 or len(progress.rows) != progress.epoch:
        raise ValueError("its counts do not fit together")
    for row in progress.rows:
        check_values(_COUNTED, row)
    names = {frozenset(row) for row in progress.rows}
    if len(names) > 1 or [row["epoch"] for row in progress.rows] != list(range(1, progress.epoch + 1)):
        raise ValueError("its rows do not fit together")
    if progress.best is not None:
        check_values(_BEST, progress.best)
    best = 0 if progress.best is None else progress.best["epoch"]
    if not min(validated, progress.epoch) <= best <= progress.epoch:
        raise ValueError("its best epoch is none of its rows")
    return progress
