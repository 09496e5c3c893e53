"""A training run in a process of its own: the memory that TensorFlow keeps after a run goes with it."""

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.errors import InputError, run_command
from model.training.settings import TrainingConfig
from model.training.shutdown import noted_signals

POLL_SECONDS = 0.2
"""How often signals are looked for while a run is trained."""


def train_alone(config: TrainingConfig, voc: Path, folder: Path, *, resume: bool, quiet: bool) -> dict[str, Any]:
    """Trains a run to its last epoch.

    Args:
        config: Its settings.
        voc: VOCdevkit/VOC2012 or a folder above it.
        folder: Where everything is written.
        resume: Whether to go on from `folder`'s checkpoint.
        quiet: No progress bar.

    Returns:
        The training record.

    Raises:
        InputError: The process was killed, for instance for want of memory.
        StoppedError: A signal ended the run, which is saved.
        Exception: What the run raised.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_train, args=(sender, config, voc, folder, resume, quiet), daemon=True)
    with noted_signals() as signals:
        process.start()
        sender.close()  # the other end is the process' alone, so that its death can be seen
        told = False
        while not receiver.poll(POLL_SECONDS):
            if signals and not told:
                # Never SIGINT: a terminal sends it to both, and a second one would end the run without saving it.
                os.kill(process.pid, signal.SIGTERM)
                told = True
        try:
            outcome = receiver.recv()
        except EOFError:
            process.join()
            raise InputError(
                f"the process that trained {folder} ended with the code {process.exitcode}; was there enough memory? "
                "The same command goes on from its last checkpoint."
            ) from None
        process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _train(sender: Connection, config: TrainingConfig, voc: Path, folder: Path, resume: bool, quiet: bool) -> None:
    """The process: sends the record of the run, or what it raised."""

    def train(_) -> int:
        from model import TrainingRun

        try:
            run = TrainingRun(config, voc, folder, resume=resume)
            steps = {"initial": run.loop.steps_done, "total": run.loop.total_steps, "unit": "step", "desc": folder.name}
            with tqdm(**steps, disable=quiet) as bar:
                sender.send(run.run(lambda *_: bar.update()))
        except Exception as error:
            sender.send(error)
        return 0

    run_command(train)
