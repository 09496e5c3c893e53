"""Waits until files have stopped arriving in a folder."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from data.runtime.errors import InputError

LOOK = 1.0
"""Seconds between two looks at a folder, and a quarter of the time that it must be still, if that is less."""

Snapshot = dict[str, tuple[int, int]]
"""Names of files to their sizes in bytes and their times of change in nanoseconds."""


def settled(folder: Path, seconds: float, stop: Sequence[int] = ()) -> Iterator[None]:
    """Yields each time when the files of a folder have changed and then stayed the same for some time.

    Args:
        folder: It and its subfolders are looked at; hidden ones are not.
        seconds: How long nothing may change.
        stop: Ends once there is something in it, such as the signals of `noted_signals`.

    Raises:
        InputError: The folder cannot be read.
    """
    seen: Snapshot | None = None
    told: Snapshot | None = None
    since = time.monotonic()
    while not stop:
        now = _look(folder)
        if now != seen:
            seen, since = now, time.monotonic()
        elif now and now != told and time.monotonic() - since >= seconds:
            told = now
            yield
        time.sleep(min(LOOK, seconds / 4))


def _look(folder: Path) -> Snapshot:
    found: Snapshot = {}
    try:
        folders = [folder, *(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))]
        for one in folders:
            for path in one.iterdir():
                if not path.name.startswith(".") and path.is_file():
                    status = path.stat()
                    found[str(path.relative_to(folder))] = status.st_size, status.st_mtime_ns
    except FileNotFoundError:
        if not folder.is_dir():
            raise InputError(f"cannot watch {folder}: there is no such folder.") from None
        return {}  # a file was renamed while it was looked at
    except OSError as error:
        raise InputError(f"cannot watch {folder}: {error.strerror or error}.") from error
    return found
