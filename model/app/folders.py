"""Temporary folders of a server, which the next one removes where it was killed."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from data.io.image_header import READ_SUFFIXES

_NAME = re.compile(r"multifocus-(\d+)-.+")
"""Name of a folder: the process that made it."""


def new_folder() -> Path:
    """Makes a folder."""
    return Path(tempfile.mkdtemp(prefix=f"multifocus-{os.getpid()}-"))


def remove_leftovers() -> int:
    """Removes the folders of servers that are no more; returns how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob("multifocus-*"):
        named = _NAME.fullmatch(folder.name)
        if named and not _runs(int(named[1])) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def safe_suffix(name: str) -> str:
    """Returns the suffix of a file's name where it is one of an image's; else nothing."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in READ_SUFFIXES else ""


def _runs(process: int) -> bool:
    """Returns whether a process runs; of another user's, and on systems that cannot tell, it is assumed."""
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
