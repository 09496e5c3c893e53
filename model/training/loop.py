"""The steps of a run: training on batches, checkpoints between them, and an end where a signal asks for one."""

import signal
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from data.errors import InputError, StoppedError
from model.training.checkpoints import KEPT, Progress, load_checkpoint, save_checkpoint
from model.training.trainer import Trainer

Observer = Callable[[int, dict[str, float], float], None]
"""Called after each step with the epoch (from 1), the means of the epoch so far, and the mean seconds a step of this
process."""


class Loop:
    """Trains step by step and keeps what a run is resumed from.

    Args:
        trainer: Makes each step.
        checkpoint: The file of the newest checkpoint.
        reports: Names of what a step reports.
        steps_per_epoch: Steps after which means begin anew.
        total_steps: Of the whole run.
        writes: Whether this process writes checkpoints; of several hosts one does.

    Attributes:
        progress: Where the run stands.
        keep: How many checkpoints are kept.
    """

    def __init__(
        self,
        trainer: Trainer,
        checkpoint: Path,
        reports: Sequence[str],
        steps_per_epoch: int,
        total_steps: int,
        writes: bool = True,
    ):
        self.trainer = trainer
        self.checkpoint = checkpoint
        self.reports = tuple(reports)
        self.steps_per_epoch = steps_per_epoch
        self.total_steps = total_steps
        self.progress = Progress(totals=[0.0] * len(self.reports))
        self.keep = KEPT
        self._writes = writes

    @property
    def steps_done(self) -> int:
        """Steps that are done, of all epochs."""
        return self.progress.epoch * self.steps_per_epoch + self.progress.batch

    def restore(self, validated: bool, upgrade: Callable[[Progress], None] | None = None) -> None:
        """Goes back to the newest checkpoint that is whole.

        Args:
            validated: Whether the epochs of the run end in a validation that chooses the best.
            upgrade: As for `load_checkpoint`.

        Raises:
            InputError: There is none, or it is of another run.
        """
        state, progress = load_checkpoint(self.checkpoint, len(self.reports), validated, upgrade)
        try:
            self.trainer.restore(state)
        except ValueError as error:
            raise InputError(f"{self.checkpoint} does not fit: {error}") from error
        if progress.batch > self.steps_per_epoch:
            raise InputError(
                f"{self.checkpoint} does not fit: it stands at batch {progress.batch} of an epoch of "
                f"{self.steps_per_epoch}."
            )
        self.progress = progress

    def save(self) -> None:
        """Writes a checkpoint."""
        if self._writes:
            save_checkpoint(self.checkpoint, self.trainer.state(), self.progress, self.keep)

    def train(
        self,
        batches: Iterable[tuple[Any, Any]],
        observe: Observer,
        signals: Sequence[int],
        *,
        checkpoint_steps: int,
        name_batch: Callable[[], str],
        again: str,
        smaller: str,
    ) -> None:
        """Trains on the rest of an epoch.

        Args:
            batches: (inputs, labels) of each step.
            observe: Told of each step.
            signals: Those that came so far; the first ends the run after the step in progress.
            checkpoint_steps: Steps between checkpoints inside an epoch; 0 makes none there.
            name_batch: What the batch in progress is made of, for the message where its loss is no number.
            again: How the user goes on with a run that was stopped, for that message.
            smaller: Options that make a step need less memory, for the message where there is not enough.

        Raises:
            InputError: A file cannot be read, the loss is no number, or a step needs more memory than there is.
            StoppedError: A signal ended the run; its state is saved.
        """
        progress, started = self.progress, time.monotonic()
        before = progress.seconds
        for steps_here, (inputs, labels) in enumerate(batches, start=1):
            try:
                report = self.trainer.step(inputs, labels)
            except tf.errors.ResourceExhaustedError as error:
                raise InputError(
                    f"there is not enough memory for step {self.steps_done + 1}; start a new run with {smaller}."
                ) from error
            for name, value in zip(self.reports, report, strict=True):
                if not np.isfinite(value):
                    raise InputError(
                        f"the {name} became {value} in step {self.steps_done + 1} (pairs {name_batch()}); lower the "
                        f"learning rate. The last good state is in {self.checkpoint}."
                    )
            progress.totals = [float(total + value) for total, value in zip(progress.totals, report, strict=True)]
            progress.batch += 1
            progress.seconds = before + time.monotonic() - started
            observe(progress.epoch + 1, self.means(), (progress.seconds - before) / steps_here)
            if checkpoint_steps and self.steps_done % checkpoint_steps == 0 and progress.batch < self.steps_per_epoch:
                self.save()
            if signals:
                self.save()
                name = signal.Signals(signals[0]).name
                raise StoppedError(
                    f"stopped by {name} after step {self.steps_done} of {self.total_steps}, which is saved; go on with "
                    f"{again}."
                )

    def means(self) -> dict[str, float]:
        """The means of what the steps of the epoch in progress reported, by name."""
        progress = self.progress
        return {name: total / progress.batch for name, total in zip(self.reports, progress.totals, strict=True)}

    def next_epoch(self) -> None:
        """Counts the epoch in progress as done."""
        progress = self.progress
        progress.epoch, progress.batch, progress.totals = progress.epoch + 1, 0, [0.0] * len(self.reports)
