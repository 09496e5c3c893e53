"""Files that are written beside the training, so that no step waits for a disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Writes in a thread, one thing after the other. What a write raises is raised by the next call of any method."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Begins to write, once what was begun before is done."""
        self.finish()
        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raises what a write raised that has ended, and does not wait for one that has not."""
        if self._writing is not None and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Waits until all is written."""
        if self._writing is None:
            return
        try:
            self._writing.result()
        finally:
            if self._writing.done():  # else the waiting was interrupted
                self._writing = None
