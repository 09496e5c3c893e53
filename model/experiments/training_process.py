"""Functions and training runs in a process of their own, which frees all memory of TensorFlow when it ends."""

import multiprocessing
import signal
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.runtime.errors import InputError, StoppedError, run_command
from data.runtime.shutdown import noted_signals
from model.training.settings import DISTRIBUTIONS, TrainingConfig

POLL_SECONDS = 0.2
"""Seconds between two looks for signals while the process runs."""


def run_apart(
    work: Callable[..., Any], *arguments: Any, name: str, advice: str = "", limit: float | None = None
) -> Any:
    """Calls a function in a process of its own.

    Args:
        work: The function; it must be importable, or a `partial` of one that is.
        arguments: Its arguments.
        name: What the process did, for messages, such as "trained runs/paper".
        advice: What to do if it was killed, for the same message.
        limit: Seconds after which it is killed; None sets no limit.

    Returns:
        What the function returned.

    Raises:
        InputError: The process was killed, for instance for want of memory, or took too long.
        StoppedError: A signal ended it.
        Exception: What the function raised.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(sender, work, arguments), daemon=True)
    deadline = None if limit is None else time.monotonic() + limit
    with noted_signals() as signals:
        process.start()
        sender.close()  # the other end is the process' alone, so that its death can be seen
        told = False
        while not receiver.poll(POLL_SECONDS):
            if signals and not told:
                # Never SIGINT: a terminal sends it to both, and a second one would end the run without saving it.
                process.terminate()
                told = True
            if deadline is not None and time.monotonic() > deadline:
                process.kill()
                process.join()
                raise InputError(f"the process that {name} took more than {limit:.0f} s.")
        try:
            outcome = receiver.recv()
        except EOFError:
            process.join()
            if signals:
                raise StoppedError(f"stopped by {signal.Signals(signals[0]).name}.") from None
            raise InputError(
                f"the process that {name} ended with the code {process.exitcode}; was there enough memory?{advice}"
            ) from None
        process.join()
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _work(sender: Connection, work: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Runs in the process: sends what the function returns or raises."""

    def send(_: object) -> int:
        try:
            sender.send(work(*arguments))
        except Exception as error:
            sender.send(error)
        return 0

    run_command(send)


def train_alone(
    config: TrainingConfig,
    voc: Path,
    folder: Path,
    *,
    resume: bool,
    quiet: bool,
    distribution: str = DISTRIBUTIONS[0],
    cache: bool = False,
) -> dict[str, Any]:
    """Trains a run to its last epoch in a process of its own.

    Args:
        config: Settings of the training.
        voc: VOCdevkit/VOC2012 or a folder above it.
        folder: Folder of the run.
        resume: Whether to continue from `folder`'s checkpoint.
        quiet: Hides the progress bar.
        distribution: A name in `DISTRIBUTIONS`.
        cache: Whether photographs stay decoded in memory.

    Returns:
        The training record.

    Raises:
        InputError: The process was killed, for instance for want of memory.
        StoppedError: A signal ended the run, which is saved.
        Exception: What the run raised.
    """
    return run_apart(
        _train,
        *(config, voc, folder, resume, quiet, distribution, cache),
        name=f"trained {folder}",
        advice=" The same command goes on from its last checkpoint.",
    )


def _train(
    config: TrainingConfig, voc: Path, folder: Path, resume: bool, quiet: bool, distribution: str, cache: bool
) -> dict[str, Any]:
    from model import TrainingRun
    from model.training.distribution import make_distribution

    run = TrainingRun(config, voc, folder, resume=resume, distribution=make_distribution(distribution), cache=cache)
    steps = {"initial": run.loop.steps_done, "total": run.loop.total_steps, "unit": "step", "desc": folder.name}
    with tqdm(**steps, disable=quiet) as bar:
        return run.run(lambda *_: bar.update())
