"""Writing of files in the background, so that no training step waits for a disk."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor


class BackgroundWriter:
    """Writes in a thread, one file after the other; an error of a write is raised by the next call of any method."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._writing: Future | None = None

    def start(self, write: Callable[[], None]) -> None:
        """Starts a write, after the previous one has ended."""
        self.finish()
        self._writing = self._thread.submit(write)

    def check(self) -> None:
        """Raises the error of a write that has ended; does not wait."""
        if self._writing is not None and self._writing.done():
            self.finish()

    def finish(self) -> None:
        """Waits until the write has ended; raises its error."""
        if self._writing is None:
            return
        try:
            self._writing.result()
        finally:
            if self._writing.done():  # else the waiting was interrupted
                self._writing = None
