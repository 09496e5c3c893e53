"""One thread that does the heavy work, task by task, in the order in which it was asked for."""

import logging
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from data.registration.prepared import Observer
from data.runtime.errors import InputError, explain

LOG = logging.getLogger("multifocus")
"""Logs defects: what no input caused."""

WAITING = 16
"""Tasks that may wait; more are refused."""


CLOSING = 5.0
"""Seconds that a closing worker waits for the step in hand."""


class CancelledError(Exception):
    """The task was cancelled."""


class FullError(Exception):
    """Too many tasks wait."""


def _nothing(observe: Observer) -> None:
    """Replaces the work of a task that has begun, so that its frames are freed."""


class Task:
    """A piece of work, and how far it is.

    Attributes:
        state: "waiting", "running", "done", "failed" or "cancelled".
        stage: What is done at the moment.
        done: The steps done of it.
        total: Their number.
        result: What the work returned.
        error: Why it failed: an `InputError` is the user's, another one ours.
        began: When it did, in seconds of `time.monotonic`.
    """

    def __init__(self, work: Callable[[Observer], Any]) -> None:
        self.state, self.stage, self.done, self.total = "waiting", "", 0, 0
        self.result: Any = None
        self.error: Exception | None = None
        self.began: float | None = None
        self._work = work
        self._cancelled, self._ended = threading.Event(), threading.Event()

    def cancel(self) -> None:
        """Asks it to end at its next step."""
        self._cancelled.set()

    def wait(self, seconds: float | None = None) -> bool:
        """Waits until it has ended, at most so long; returns whether it has."""
        return self._ended.wait(seconds)

    def describe(self) -> dict[str, Any]:
        """How far it is, as JSON values."""
        error = self.error and explain(self.error)
        return {"state": self.state, "stage": self.stage, "done": self.done, "total": self.total, "error": error}

    def run(self) -> None:
        """Does the work, once; an exception becomes its `error`."""
        work, self._work = self._work, _nothing
        try:
            self._observe("beginning", 0, 1)
            self.state, self.began = "running", time.monotonic()
            self.result = work(self._observe)
            self.state = "done"
        except CancelledError:
            self.state = "cancelled"
        except Exception as error:  # a task that fails must not end the thread
            self.state, self.error = "failed", error
            if not isinstance(error, InputError):
                LOG.exception("a task failed")
        finally:
            self._ended.set()

    def _observe(self, stage: str, done: int, total: int) -> None:
        if self._cancelled.is_set():
            raise CancelledError
        self.stage, self.done, self.total = stage, done, total


class Worker:
    """Does tasks one after the other.

    Args:
        finished: Called with each task that ended.

    Attributes:
        stopping: Whether it is to end: nobody should wait for a task any more.
    """

    def __init__(self, finished: Callable[[Task], None] = lambda task: None):
        self._finished = finished
        self._tasks: queue.Queue[Task | None] = queue.Queue(WAITING)
        self._current: Task | None = None
        self.stopping = False
        self._thread = threading.Thread(target=self._serve, name="fuser", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """How many tasks wait."""
        return self._tasks.qsize()

    def submit(self, work: Callable[[Observer], Any]) -> Task:
        """Queues a task.

        Args:
            work: Gets an observer, to be told of the progress; it raises where the task is cancelled.

        Raises:
            FullError: Too many wait.
        """
        task = Task(work)
        try:
            self._tasks.put_nowait(task)
        except queue.Full:
            raise FullError from None
        return task

    def stop(self) -> None:
        """Cancels the task in hand, and does none of those that wait; returns at once."""
        self.stopping = True
        while True:
            try:
                task = self._tasks.get_nowait()
            except queue.Empty:
                break
            if task:
                task.cancel()
                self._run(task)  # which ends it at once: somebody may wait for it
        if self._current:
            self._current.cancel()

    def close(self) -> None:
        """Stops, and waits a few seconds for the step in hand."""
        self.stop()
        self._tasks.put(None)
        self._thread.join(CLOSING)

    def _serve(self) -> None:
        while task := self._tasks.get():
            self._current = task
            self._run(task)
            self._current = None

    def _run(self, task: Task) -> None:
        task.run()
        self._finished(task)
