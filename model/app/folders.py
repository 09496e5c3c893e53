"""Temporary folders of a server, which the next one removes where it was killed."""

import os
import re
import shutil
import tempfile
from pathlib import Path

from data.io.files import HOST, is_alive
from data.io.image_header import READ_SUFFIXES

_NAME = re.compile(rf"multifocus-{HOST}-(\d+)-.+")
"""Name of a folder of this host: the process that made it."""


def new_folder() -> Path:
    """Makes a folder."""
    return Path(tempfile.mkdtemp(prefix=f"multifocus-{HOST}-{os.getpid()}-"))


def remove_leftovers() -> int:
    """Removes the folders of servers that are no more, before this one makes any; returns how many."""
    removed = 0
    for folder in Path(tempfile.gettempdir()).glob("multifocus-*"):
        named = _NAME.fullmatch(folder.name)
        if named and not is_alive(int(named[1])) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
            removed += not folder.exists()
    return removed


def safe_suffix(name: str) -> str:
    """Returns the suffix of a file's name where it is one of an image's; else nothing."""
    suffix = Path(name).suffix.lower()
    return suffix if suffix in READ_SUFFIXES else ""
