"""The state of a training run in one file, written whole or not at all."""

import json
import zipfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from data.errors import InputError
from data.files import atomic_path


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


def save_checkpoint(path: Path, state: dict[str, np.ndarray], progress: Progress) -> None:
    """Writes the trainer's state and the run's progress to one `.npz` file, which takes the old one's place when
    complete."""
    text = np.frombuffer(json.dumps(asdict(progress)).encode(), np.uint8)
    with atomic_path(path) as temporary:
        np.savez(temporary, progress=text, **{f"state/{name}": value for name, value in state.items()})


def load_checkpoint(path: Path) -> tuple[dict[str, np.ndarray], Progress]:
    """Reads what `save_checkpoint` wrote.

    Raises:
        InputError: if the file is missing or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing: there is nothing to resume in {path.parent}.")
    try:
        with np.load(path) as file:
            progress = Progress(**json.loads(file["progress"].tobytes()))
            state = {name.removeprefix("state/"): file[name] for name in file.files if name.startswith("state/")}
    except (ValueError, KeyError, TypeError, OSError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}); the run cannot be resumed from it.") from error
    return state, progress
