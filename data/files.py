"""Writing files so that a failure leaves the old one whole, and checking the bytes of what was fetched."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from data.errors import InputError


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `path` that takes the place of `path` when the block ends without an error.

    The temporary lies in the same folder, because `os.replace` is atomic only within one file system, and keeps every
    suffix, because Pillow, OpenCV and Keras choose the format by it. Missing parent folders are made.

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
    make_folder(target.parent)
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {target}: no permission to write to {target.parent}; choose another folder.")
    temporary = target.with_name(f".partial-{os.getpid()}.{target.name}")
    try:
        yield temporary
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


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
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(
            f"cannot make the folder {folder}: {error.filename} is a file; choose another name."
        ) from error
    except OSError as error:
        raise InputError(f"cannot make the folder {folder}: {error.strerror}; choose another place.") from error
    return folder


def file_digest(path: str | os.PathLike, algorithm: str) -> str:
    """Returns the hash of a file, read in blocks.

    Args:
        path: The file.
        algorithm: A name that `hashlib` knows, such as "sha256" or "md5".

    Returns:
        The digest in lower-case hexadecimal digits.

    Raises:
        OSError: The file cannot be read.
    """
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes any JSON value, indented, in place of an older file only when it is complete.

    Raises:
        InputError: As `atomic_path`.
    """
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
