"""The state of a training run in one file, written whole or not at all."""

import json
import warnings
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputError
from data.files import atomic_path

KEPT = 2
MOST = 10
"""Checkpoints kept unless told otherwise, and most that can be."""


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch: Epoch in progress, from 0.
        batch: Batches of it that are done.
        totals: Sum of the step reports of those batches (loss, five side losses, accuracy).
        seconds: Time spent in training, over all parts of the run.
        rows: The log, a row for each finished epoch.
        best: The row with the highest validation IoU so far.
    """

    epoch: int = 0
    batch: int = 0
    totals: list[float] = field(default_factory=lambda: [0.0] * 7)
    seconds: float = 0.0
    rows: list[dict[str, float]] = field(default_factory=list)
    best: dict[str, Any] | None = None


def save_checkpoint(path: Path, state: dict[str, np.ndarray], progress: Progress, keep: int = KEPT) -> None:
    """Writes the trainer's state and the run's progress to one `.npz` file; the files before it move one place on.

    Args:
        path: The newest; the one before it is `path` with `.1` before its suffix, and so on.
        state: Name to array.
        progress: Of the run.
        keep: How many files there are in all, at least 1.
    """
    text = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
    with atomic_path(path) as temporary:
        np.savez(temporary, progress=text, **{f"state/{name}": value for name, value in state.items()})
        # Only once the new one is complete. If the process ends between two of these steps, one place is empty.
        for age in range(keep - 1, 0, -1):
            newer = checkpoint_path(path, age - 1)
            if newer.exists():
                newer.replace(checkpoint_path(path, age))


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], Progress]:
    """Reads the newest checkpoint that is whole; newer ones that are damaged are renamed, and it is said.

    Raises:
        InputError: if there is none, or all are damaged.
    """
    paths = [checkpoint_path(path, age) for age in range(MOST)]
    found = [candidate for candidate in paths if candidate.is_file()]
    if not found:
        raise InputError(f"{path} is missing: there is nothing to resume in {path.parent}.")
    problems, damaged = [], []
    for candidate in found:
        try:
            state, progress = _read(candidate)
        except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
            problems.append(f"{candidate} is damaged ({error})")
            damaged.append(candidate)
            continue
        if problems:
            warnings.warn(f"{problems[0]}; the run goes on from {candidate.name}, which is older", stacklevel=2)
        for file in damaged:  # out of the row, or the next checkpoint would push it over the one that is whole
            file.replace(file.with_name(f"{file.name}.damaged"))
        return state, progress
    raise InputError(f"{problems[0]}; the run cannot be resumed from it.")


def checkpoint_path(path: Path, age: int) -> Path:
    """The file of a checkpoint, 0 = the newest."""
    return path if age == 0 else path.with_suffix(f".{age}{path.suffix}")


def _read(path):
    with np.load(path) as file:
        progress = Progress(**json.loads(file["progress"].tobytes()))
        return {n.removeprefix("state/"): file[n] for n in file.files if n.startswith("state/")}, progress
