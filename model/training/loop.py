"""The loop over the steps of a run: training, checkpoints between steps, and an orderly end on a signal."""

import signal
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from data.runtime.errors import InputError, StoppedError
from data.runtime.parts import isolate_errors
from model.training.checkpoints import KEPT_CHECKPOINTS, Progress, load_checkpoint, save_checkpoint
from model.training.settings import CHECKPOINT_MINUTES
from model.training.trainer import Trainer
from model.training.writer import BackgroundWriter

Observer = Callable[[int, dict[str, float], float], None]
"""Progress callback, called after each step (epoch from 1, means of the epoch so far, mean seconds per step of this
process)."""


class Loop:
    """Trains step by step and writes the checkpoints that a run is resumed from.

    Args:
        trainer: Performs each step.
        checkpoint: The file of the newest checkpoint.
        reports: Names of the values that a step reports.
        steps_per_epoch: Steps after which the means start anew.
        total_steps: Steps of the whole run.
        writes: Whether this process writes checkpoints; one of several hosts does.

    Attributes:
        progress: Progress of the run.
        keep: Number of checkpoints to keep.
        minutes: Minutes between checkpoints; 0 writes one after each step.
        beside: Writes other files that belong to the next checkpoint, once, before it; None where there are none.
        waited: Seconds that this process has waited for batches.
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
        self.keep = KEPT_CHECKPOINTS
        self.minutes = CHECKPOINT_MINUTES
        self.beside: Callable[[], None] | None = None
        self.waited = 0.0
        self._writer = BackgroundWriter()
        self._saved = time.monotonic()
        self._writes = writes

    @property
    def steps_done(self) -> int:
        """Number of steps that are done, in all epochs."""
        return self.progress.epoch * self.steps_per_epoch + self.progress.batch

    def restore(self, validated: bool) -> None:
        """Restores the newest valid checkpoint.

        Args:
            validated: Whether the epochs of the run end in a validation that chooses the best.

        Raises:
            InputError: There is no valid checkpoint, or it belongs to another run.
        """
        state, progress = load_checkpoint(self.checkpoint, len(self.reports), validated)
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
        """Starts to write a checkpoint in the background; its errors are raised later, by `writing`."""
        if not self._writes:
            return
        self.finish_writing()  # so that there are never two copies of the state
        state = {name: np.array(values) for name, values in self.trainer.state().items()}
        beside, self.beside = self.beside, None
        self._writer.start(partial(self._write, state, deepcopy(self.progress), beside))
        self._saved = time.monotonic()

    def save_if_due(self) -> None:
        """Starts to write a checkpoint if the last one is older than `minutes`."""
        if time.monotonic() - self._saved >= 60 * self.minutes:
            self.save()

    def finish_writing(self) -> None:
        """Waits until the checkpoint is written; raises its error."""
        self._writer.finish()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Encloses all steps of a run: a checkpoint that is being written is finished, whatever ends the block.

        Raises:
            Exception: The error of the writing. If another error ended the block, that is raised, and the one of the
                writing is printed.
        """
        try:
            yield
        except BaseException:
            with isolate_errors(self.checkpoint.name):
                self.finish_writing()
            raise
        self.finish_writing()

    def _write(self, state: dict[str, np.ndarray], progress: Progress, beside: Callable[[], None] | None) -> None:
        if beside:
            beside()
        save_checkpoint(self.checkpoint, state, progress, self.keep)

    def train(
        self,
        batches: Iterable[tuple[Any, Any]],
        observe: Observer,
        signals: Sequence[int],
        *,
        name_batch: Callable[[], str],
        again: str,
        smaller: str,
    ) -> None:
        """Trains on the rest of an epoch.

        Args:
            batches: (inputs, labels) of each step.
            observe: Progress callback.
            signals: Signals received so far; the first ends the run after the step in progress.
            name_batch: Names the batch in progress, for the message if its loss is not finite.
            again: How the user resumes a stopped run, for its message.
            smaller: Options that reduce the memory of a step, for the message if there is not enough.

        Raises:
            InputError: A file cannot be read, the loss is not finite, or there is not enough memory.
            StoppedError: A signal ended the run; its state is saved.
            Exception: The error of writing a checkpoint.
        """
        progress, started = self.progress, time.monotonic()
        before = progress.seconds
        for steps_here, (inputs, labels) in enumerate(self._timed(batches), start=1):
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
            self._writer.check()
            if progress.batch < self.steps_per_epoch:  # at its end, the validation comes first
                self.save_if_due()
            if signals:
                self.save()
                self.finish_writing()
                name = signal.Signals(signals[0]).name
                raise StoppedError(
                    f"stopped by {name} after step {self.steps_done} of {self.total_steps}, which is saved; go on with "
                    f"{again}."
                )

    def _timed(self, batches: Iterable[tuple[Any, Any]]) -> Iterator[tuple[Any, Any]]:
        """Yields the batches and adds the time until each arrives to `waited`."""
        asked = time.monotonic()
        for batch in batches:
            self.waited += time.monotonic() - asked
            yield batch
            asked = time.monotonic()

    def means(self) -> dict[str, float]:
        """Returns the means over the steps of the epoch in progress, by name."""
        progress = self.progress
        return {name: total / progress.batch for name, total in zip(self.reports, progress.totals, strict=True)}

    def next_epoch(self) -> None:
        """Counts the epoch in progress as done."""
        progress = self.progress
        progress.epoch, progress.batch, progress.totals = progress.epoch + 1, 0, [0.0] * len(self.reports)
