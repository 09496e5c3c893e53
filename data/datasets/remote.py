"""Fetching one file of known size and hash, or known content; it goes on where it was cut off.

Nothing that a server announces is trusted: what fits neither the size nor what is there already is not written.
"""

import http.client
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tqdm import tqdm

from data.datasets.connection import ask
from data.io.files import file_digest
from data.runtime.errors import InputError

_BLOCK = 2**20
"""Bytes that are read at once."""

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
"""First byte, last byte and size of the whole file."""

_AGAIN = "give the same command again to go on from there"
"""The remedy where a connection ends too early."""


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        address: Its path below the base address.
        name: Its name here.
        size: Its bytes.
        algorithm: The hash that is known of it, "md5" or "sha256".
        digest: That hash in hexadecimal digits; empty where none is known.
        check: Raises an `InputError` where a file is another one; for files whose hash is not known.
    """

    address: str
    name: str
    size: int
    algorithm: str
    digest: str
    check: Callable[[Path], None] | None = None


def fetch(url: str, target: Path, file: RemoteFile, quiet: bool = False) -> bool:
    """Fetches one file, going on from what an earlier attempt left, and puts it in its place when its hash is right.

    Args:
        url: Its address.
        target: Its place.
        file: Its size, and its hash or a check.
        quiet: Shows no progress.

    Returns:
        Whether it had to be fetched.

    Raises:
        InputError: It cannot be reached or was cut off (what came is kept), the server offers something else (what was
            there is kept), or it has the wrong hash (it is deleted). A wrong file that stood in its place before is not
            touched.
    """
    if os.path.lexists(target):
        if difference := _difference(target, file):
            raise InputError(f"{target} is not the file expected ({difference}); remove or rename it.")
        return False
    partial = target.with_name(f"{target.name}.partial")
    if os.path.lexists(partial) and (partial.is_symlink() or not partial.is_file()):
        raise InputError(f"{partial} is no regular file; remove or rename it.")
    _receive(url, target, partial, file, quiet)
    if difference := _difference(partial, file):
        partial.unlink()
        raise InputError(
            f"what came from {url} is not the file expected ({difference}), so it was deleted; try again, or give "
            "another address with --url."
        )
    partial.replace(target)
    return True


def _difference(path: Path, file: RemoteFile) -> str:
    """What distinguishes a file from the one that is expected; empty where nothing does."""
    digest = file_digest(path, file.algorithm)
    if file.digest:
        return "" if digest == file.digest else f"its {file.algorithm} is {digest}, not {file.digest}"
    if path.stat().st_size != file.size:
        return f"it has {path.stat().st_size} bytes, not {file.size}"
    try:
        file.check(path)
    except InputError as error:
        return str(error).removesuffix(".")
    return ""


def _receive(url: str, target: Path, partial: Path, file: RemoteFile, quiet: bool) -> None:
    """Completes `partial`: asks for what is missing, or skips what is there where the server only sends the whole."""
    present = partial.stat().st_size if partial.exists() else 0
    missing = file.size - present
    if missing <= 0:
        return  # the hash tells whether it is the right file
    by_hand = f"fetch it in another way and save it as {target}"
    shown = {"total": file.size, "initial": present, "unit": "B", "unit_scale": True, "desc": target.name}
    # Twice the size: the lines between chunks count too.
    with ask(url, present, 2 * file.size + _BLOCK, by_hand) as response:
        announced = _check_answer(response, url, partial, present, file)
        with partial.open("ab") as output, tqdm(**shown, disable=quiet) as progress:
            if response.status == HTTPStatus.OK:
                for _ in _blocks(response, url, present):
                    pass
            # Where the length is announced and right, waiting for the end would only wait for the server to hang up.
            for block in _blocks(response, url, missing if announced else missing + 1):
                output.write(block)
                progress.update(len(block))
            received = output.tell() - present
            if received > missing:
                output.truncate(present)
    if received > missing:
        if not present:
            partial.unlink()
        raise InputError(
            f"{url} sends more than the {file.size} bytes of {file.name}, so it is another file and nothing of it was "
            "kept; give another address with --url."
        )
    if received < missing:
        raise InputError(f"{url} ended after {present + received} of {file.size} bytes; {_AGAIN}.")


def _check_answer(response: http.client.HTTPResponse, url: str, partial: Path, present: int, file: RemoteFile) -> bool:
    """Checks what a server announces, before anything is read; returns whether it announces the body's length."""
    kept = f"; {partial} stays as it was" if present else ""
    remedy = f"{kept}; give another address with --url."
    length = response.headers.get("Content-Length")
    if length is not None and not re.fullmatch("[0-9]{1,18}", length.strip()):
        raise InputError(f"{url} announces a length of {length!r} bytes{remedy}")
    expected = file.size
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        _check_range(response.headers.get("Content-Range"), url, present, file.size, remedy)
        expected -= present
    elif present and length is None:
        raise InputError(f"{url} sends the whole file again and does not say how much that is{remedy}")
    if length is not None and int(length) != expected:
        raise InputError(f"{url} announces {int(length)} bytes where {expected} of {file.name} are expected{remedy}")
    return length is not None


def _check_range(header: str | None, url: str, present: int, size: int, remedy: str) -> None:
    match = _CONTENT_RANGE.fullmatch((header or "").strip())
    fits = match and int(match[1]) == present and int(match[2]) == size - 1 and match[3] in ("*", str(size))
    if not (present and fits):
        asked = f"the bytes from {present} to {size - 1} of {size}" if present else "the whole file"
        raise InputError(f"{url} was asked for {asked} and sends the part {header!r}{remedy}")


def _blocks(response: http.client.HTTPResponse, url: str, most: int) -> Iterator[bytes]:
    """The body of an answer, as it comes, up to `most` bytes."""
    while most > 0:
        try:
            block = response.read1(min(_BLOCK, most))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f"{url} was cut off ({error}); {_AGAIN}.") from error
        if not block:
            return
        most -= len(block)
        yield block
