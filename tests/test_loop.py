"""Checkpoints that are written beside the steps, and what becomes of their errors."""

import signal
import threading

import numpy as np
import pytest
import tensorflow as tf

from data.runtime.errors import InputError, StoppedError
from model.training import loop as loops
from model.training.checkpoints import load_checkpoint, save_checkpoint
from model.training.loop import Loop

TEXTS = {"name_batch": lambda: "a", "again": "--resume", "smaller": "less"}


class Counter:
    """A trainer whose whole state is how many steps it made, in an array that each step changes where it is."""

    def __init__(self, after_step=lambda steps: None):
        self.steps = np.zeros(1, np.float32)
        self._after_step = after_step

    def step(self, *_):
        self.steps += 1
        self._after_step(int(self.steps[0]))
        return np.ones(1, np.float32)

    def state(self):
        return {"steps": self.steps}


def train(folder, trainer, steps=3, minutes=0.0, signals=()):
    loop = Loop(trainer, folder / "checkpoint.npz", ("loss",), 5, 10)
    loop.minutes = minutes
    with loop.writing():
        loop.train([(None, None)] * steps, lambda *_: None, signals, **TEXTS)
    return loop


def read(folder):
    state, progress = load_checkpoint(folder / "checkpoint.npz", reports=1, validated=False)
    return state["steps"].item(), progress.batch


@pytest.mark.parametrize(("minutes", "saved"), [(0, True), (15, False)])
def test_checkpoints_are_made_by_time(minutes, saved, tmp_path):
    train(tmp_path, Counter(), minutes=minutes)
    assert (tmp_path / "checkpoint.npz").exists() == saved
    if saved:
        assert read(tmp_path) == (3, 3)


def test_a_step_does_not_wait_for_the_checkpoint_before(tmp_path, monkeypatch):
    """The first checkpoint is not written until the second step is done, and still holds what was after the first."""
    second, written = threading.Event(), []

    def slow(path, state, progress, keep):
        assert second.wait(60)
        save_checkpoint(path, state, progress, keep)
        written.append(read(tmp_path))

    monkeypatch.setattr(loops, "save_checkpoint", slow)
    train(tmp_path, Counter(lambda steps: second.set() if steps == 2 else None))
    assert written == [(1, 1), (2, 2), (3, 3)]


def full(*_):
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("steps", [1, 3], ids=["in the last", "between"])
def test_a_checkpoint_that_cannot_be_written_ends_the_run(steps, tmp_path, monkeypatch):
    monkeypatch.setattr(loops, "save_checkpoint", full)
    trainer = Counter()
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, trainer, steps)
    assert trainer.steps[0] <= 2


def test_neither_of_two_failures_is_lost(tmp_path, monkeypatch, capsys):
    def fail(steps):
        if steps == 2:
            raise InputError("the data is damaged.")

    ready = threading.Event()

    def full_later(*_):
        assert ready.wait(60)
        full()

    monkeypatch.setattr(loops, "save_checkpoint", full_later)
    with pytest.raises(InputError, match="the data is damaged"):
        train(tmp_path, Counter(lambda steps: (ready.set(), fail(steps)) if steps == 2 else None))
    assert capsys.readouterr().err == "error: checkpoint.npz: No space left on device\n"


def test_a_signal_waits_for_the_checkpoint_or_says_that_there_is_none(tmp_path, monkeypatch):
    with pytest.raises(StoppedError, match="stopped by SIGTERM after step 1 of 10, which is saved"):
        train(tmp_path, Counter(), minutes=15, signals=[signal.SIGTERM])
    assert read(tmp_path) == (1, 1)
    monkeypatch.setattr(loops, "save_checkpoint", full)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path, Counter(), minutes=15, signals=[signal.SIGTERM])


def test_what_belongs_to_a_checkpoint_is_written_once_and_before_it(tmp_path):
    loop, written = Loop(Counter(), tmp_path / "checkpoint.npz", ("loss",), 5, 10), []
    loop.beside = lambda: written.append(loop.checkpoint.exists())
    for _ in range(2):
        loop.save()
    loop.finish_writing()
    assert written == [False]


class FakeTrainer:
    """Does in each step what it is given: reports it or raises it."""

    def __init__(self, *steps):
        self.steps = iter(steps)

    def step(self, *_):
        result = next(self.steps)
        if isinstance(result, Exception):
            raise result
        return np.float32(result)


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM"),
            r"not enough memory for step 2; start a new run with less",
        ),
        ([0.5, np.inf], r"the decay became inf in step 2 \(pairs a, b\); lower the learning rate"),
    ],
    ids=["memory", "decay"],
)
def test_a_step_that_fails_is_one_sentence(result, message, tmp_path):
    loop = Loop(FakeTrainer([0.5, 1.0], result), tmp_path / "checkpoint.npz", ("loss", "decay"), 5, 10, writes=False)
    texts = TEXTS | {"name_batch": lambda: "a, b"}
    with pytest.raises(InputError, match=message):
        loop.train([(None, None)] * 5, lambda *_: None, (), **texts)
    assert loop.means() == {"loss": 0.5, "decay": 1.0}
