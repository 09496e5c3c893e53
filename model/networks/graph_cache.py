"""Per-user cache of compiled graphs, in which a process that starts finds what an earlier one compiled.

A file holds the sha256 of a compiled graph and the graph itself, so that a damaged one is not used. Where the cache
cannot be read or written, graphs are compiled as without one.
"""

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path

from data.io.files import atomic_path, read_bytes
from data.runtime.errors import InputError

VARIABLE = "MFF_CACHE"
"""The environment variable that names another folder; empty, it turns the cache off."""

MOST_FILES = 8
"""Compiled graphs that are kept: the bundled weights have two, of 5 and 2 MB."""

LARGEST_FILE = 64 * 2**20
"""Bytes beyond which a file is none of ours."""

_DIGEST_BYTES = 32


def cache_folder() -> Path | None:
    """Returns the folder of the cache; None where it is turned off, or the user has no folder for caches."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE]) if os.environ[VARIABLE] else None
    try:
        home = Path.home()
    except RuntimeError:
        return None
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = home / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base / "multifocus" if base.is_absolute() else None


def read_graph(key: str) -> bytes | None:
    """Reads a compiled graph.

    Args:
        key: What it was compiled from, a digest in hexadecimal digits.

    Returns:
        What `write_graph` was given; None where the cache does not hold it, whole.
    """
    folder = cache_folder()
    if folder is None:
        return None
    try:
        content = read_bytes(folder / f"{key}.graph", LARGEST_FILE)
    except (InputError, OSError):
        return None
    digest, graph = content[:_DIGEST_BYTES], content[_DIGEST_BYTES:]
    return graph if hashlib.sha256(graph).digest() == digest else None


def write_graph(key: str, graph: bytes) -> None:
    """Keeps a compiled graph, and removes the oldest ones beyond `MOST_FILES`; arguments as `read_graph`."""
    folder = cache_folder()
    if folder is None:
        return
    with suppress(InputError, OSError):
        with atomic_path(folder / f"{key}.graph") as temporary:
            temporary.write_bytes(hashlib.sha256(graph).digest() + graph)
        kept = sorted(folder.glob("*.graph"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in kept[MOST_FILES:]:
            path.unlink(missing_ok=True)
