"""Files: read only where they are regular and of a bounded size, written so that a failure leaves the old one whole."""

import errno
import hashlib
import io
import itertools
import json
import os
import re
import shutil
import socket
import stat
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from data.runtime.errors import InputError

LARGEST_TEXT = 64 * 2**20
"""Largest text or JSON file, in bytes, that is read."""

_DAY = 86_400
"""Seconds without a write after which the temporary file of another host counts as a leftover."""

HOST = f"{zlib.crc32(socket.gethostname().encode()):08x}"
"""This host in the names of temporary files."""

_LEFTOVER = re.compile(r"\.partial-([0-9a-f]{8})-(\d+)\..+", re.DOTALL)
"""Name of a temporary file: its host, and the process that writes it."""

_numbers = itertools.count()  # numbers of the temporary files of this process
_cleaning = threading.Lock()  # held while a folder is cleaned
_cleaned: set[Path] = set()  # the folders from which leftovers were removed


def open_file(path: str | os.PathLike, largest: int | None = None) -> io.BufferedReader:
    """Opens a regular file of a bounded size for reading; reading a pipe, socket or device may never end.

    Args:
        path: The file; links are followed.
        largest: Largest size in bytes; None sets no limit, for files that are read in blocks.

    Returns:
        The open file.

    Raises:
        InputError: It is missing, a folder, no regular file, too large, or may not be read.
    """
    try:
        _check_regular(path, Path(path).stat(), largest)  # opening a device may already do something
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        file: io.BufferedReader = io.BufferedReader(io.FileIO(os.open(path, flags)))
    except InputError:
        raise
    except OSError as error:
        reasons = {errno.ENOENT: "there is no such file; check the name", errno.EACCES: "no permission to read it"}
        reason = reasons.get(error.errno or 0, error.strerror)
        raise InputError(f"cannot read {path}: {reason}.") from error
    except ValueError as error:  # a null character in the name
        raise InputError(f"cannot read {os.fspath(path)!r}: {error}.") from error
    try:
        _check_regular(path, os.fstat(file.fileno()), largest)  # what was opened, whatever was there before
    except InputError:
        file.close()
        raise
    return file


def read_bytes(path: str | os.PathLike, largest: int) -> bytes:
    """Reads a whole file of at most `largest` bytes; errors as `open_file`."""
    with open_file(path, largest) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise InputError(_too_large(path, f"more than {largest:,}", largest))
    return content


def read_json(path: str | os.PathLike) -> Any:
    """Reads a JSON file.

    Raises:
        InputError: As `open_file`; it is no JSON, or nested beyond reason.
    """
    try:
        return json.loads(read_bytes(path, LARGEST_TEXT).decode("utf-8"))
    except InputError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: it is no JSON ({error}).") from error


def file_digest(path: str | os.PathLike, algorithm: str) -> str:
    """Returns the hash of a file, read in blocks.

    Args:
        path: The file.
        algorithm: A name that `hashlib` knows, such as "sha256" or "md5".

    Returns:
        The digest in lower-case hexadecimal digits.

    Raises:
        InputError: As `open_file`.
    """
    with open_file(path) as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` that takes the place of `path` when the block ends without an error.

    It is in the same folder, because `os.replace` is atomic only within one file system. It keeps every suffix, because
    Pillow, OpenCV and Keras choose the format by it. Missing parent folders are made. What a killed process left in the
    folder is removed.

    Args:
        path: The file to be written; an existing one is replaced only on success.

    Yields:
        The path to write to. It does not exist yet.

    Raises:
        InputError: `path` is a folder, or its folder cannot be made or written to.
    """
    target = Path(path)
    if target.is_dir():
        raise InputError(f"cannot write {target}: it is a folder; give a file name.")
    temporary = _temporary(target.parent, target.name)
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_files(folder: str | os.PathLike, last: str) -> Iterator[Path]:
    """Yields a temporary folder for files that belong together, which move into `folder` at the end.

    Args:
        folder: Where the files go.
        last: Name of the file that moves last, because it says that all are complete.

    Yields:
        The temporary folder. What is written there appears in `folder`, under the same names, when the block ends
        without an error.
    """
    temporary = _temporary(Path(folder), last)
    temporary.mkdir()
    try:
        yield temporary
        for file in sorted(temporary.iterdir(), key=lambda file: (file.name == last, file.name)):
            file.replace(Path(folder) / file.name)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes UTF-8; replaces an older file only when the new one is complete. What is no UTF-8 in a name is escaped.

    Raises:
        InputError: As `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes any JSON value, indented; errors as `write_text`."""
    write_text(path, json.dumps(content, indent=2) + "\n")


def make_folder(folder: str | os.PathLike) -> Path:
    """Makes a folder and its parents where they are missing.

    Args:
        folder: The folder wanted.

    Returns:
        `folder` as a path; it exists.

    Raises:
        InputError: A file stands in its place or above it, or it cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        wrong = f"{error.strerror}; choose another place"
        if isinstance(error, FileExistsError | NotADirectoryError):
            wrong = f"{error.filename} is a file; choose another name"
        raise InputError(f"cannot make the folder {folder}: {wrong}.") from error
    return folder


def _temporary(folder: Path, name: str) -> Path:
    """Returns a path for a temporary file in a folder, which is made, checked and cleaned of leftovers."""
    make_folder(folder)
    if not os.access(folder, os.W_OK | os.X_OK):
        raise InputError(f"cannot write to {folder}: no permission; choose another folder.")
    real = Path(os.path.realpath(folder))
    with _cleaning:
        if real not in _cleaned:
            _cleaned.add(real)
            _remove_leftovers(real)
    # Only the end of a long name: with all of it, the path could be longer than file systems allow.
    return folder / f".partial-{HOST}-{os.getpid()}.{next(_numbers)}.{name[-40:]}"


def _remove_leftovers(folder: Path) -> None:
    """Removes temporary files of this host's processes that have ended, and of other hosts those older than a day.

    It runs before this process first writes to the folder, so a file with its number there is that of an earlier one.
    """
    for entry in folder.iterdir():
        match = _LEFTOVER.fullmatch(entry.name)
        if match is None:
            continue
        host, process = match[1], int(match[2])
        with suppress(OSError):  # another process may remove it too
            gone = not is_alive(process) if host == HOST else time.time() - entry.lstat().st_mtime > _DAY
            if gone and entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif gone:
                entry.unlink()


def is_alive(process: int) -> bool:
    """Returns whether another process of this host is still running."""
    if os.name != "posix":
        return process != os.getpid()  # elsewhere, a signal of 0 would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return process != os.getpid()


def _check_regular(path: str | os.PathLike, status: os.stat_result, largest: int | None) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"cannot read {path}: it is a folder; give a file.")
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"cannot read {path}: it is a pipe, socket or device; give a regular file.")
    if largest is not None and status.st_size > largest:
        raise InputError(_too_large(path, f"{status.st_size:,}", largest))


def _too_large(path: str | os.PathLike, size: str, largest: int) -> str:
    return f"cannot read {path}: it has {size} bytes, and at most {largest:,} can be right here."
