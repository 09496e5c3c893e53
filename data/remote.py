"""Fetching one file of known size and hash; it goes on where it was cut off.

Nothing that a server announces is trusted: what fits neither the size nor what is there already is not written.
"""

import http.client
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from tqdm import tqdm

from data.connection import ask
from data.errors import InputError
from data.io.files import file_digest

_BLOCK = 1 << 20
_NUMBER = re.compile(r"[0-9]{1,18}")
_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_AGAIN = "give the same command again to go on from there"


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        address: Its path below the base address.
        name: Its name here.
        size: Its bytes.
        algorithm: The hash that is known of it, "md5" or "sha256".
        digest: That hash in hexadecimal digits.
    """

    address: str
    name: str
    size: int
    algorithm: str
    digest: str


def fetch(url: str, target: Path, file: RemoteFile, quiet: bool = False) -> bool:
    """Fetches one file, going on from what an earlier attempt left, and puts it in its place when its hash is right.

    Args:
        url: Its address.
        target: Its place.
        file: Its size and hash.
        quiet: Shows no progress.

    Returns:
        Whether it had to be fetched.

    Raises:
        InputError: It cannot be reached or was cut off (what came is kept), the server offers something else (what was
            there is kept), or it has the wrong hash (it is deleted). A wrong file that stood in its place before is not
            touched.
    """
    if os.path.lexists(target):
        if file_digest(target, file.algorithm) != file.digest:
            raise InputError(f"{target} is not the file expected (its {file.algorithm} differs); remove or rename it.")
        return False
    partial = target.with_name(f"{target.name}.partial")
    if os.path.lexists(partial) and (partial.is_symlink() or not partial.is_file()):
        raise InputError(f"{partial} is no regular file; remove or rename it.")
    _receive(url, target, partial, file, quiet)
    digest = file_digest(partial, file.algorithm)
    if digest != file.digest:
        partial.unlink()
        raise InputError(
            f"what came from {url} has the {file.algorithm} {digest} where {file.digest} is expected, so it was "
            "deleted; try again, or give another address with --url."
        )
    partial.replace(target)
    return True


def _receive(url: str, target: Path, partial: Path, file: RemoteFile, quiet: bool) -> None:
    """Completes `partial`: asks for what is missing, or skips what is there where the server only sends the whole."""
    present = partial.stat().st_size if partial.exists() else 0
    if present >= file.size:
        return  # nothing is missing; the hash tells whether it is the right file
    by_hand = f"fetch it in another way and save it as {target}"
    # Twice the size: the lines between chunks count too.
    with ask(url, present, 2 * file.size + _BLOCK, by_hand) as response:
        skipped, announced = _check_answer(response, url, partial, present, file)
        with (
            partial.open("ab") as output,
            tqdm(
                total=file.size, initial=present, unit="B", unit_scale=True, desc=target.name, disable=quiet
            ) as progress,
        ):
            received = _copy(response, url, output, skipped, file.size - present, announced, progress)
            if received > file.size - present:
                output.truncate(present)
    if received > file.size - present:
        if not present:
            partial.unlink()
        raise InputError(
            f"{url} sends more than the {file.size} bytes of {file.name}, so it is another file and nothing of it was "
            "kept; give another address with --url."
        )
    if received < file.size - present:
        raise InputError(f"{url} ended after {present + received} of {file.size} bytes; {_AGAIN}.")


def _copy(response, url, output, skipped, missing, announced, progress) -> int:
    """Writes what comes after the first `skipped` bytes; returns how much came, at most one byte above `missing`."""
    received = 0
    # Where the length is announced and right, waiting for its end would only wait for the server to hang up.
    most = missing if announced else missing + 1
    for block in _blocks(response, url, skipped + most):
        kept = block[skipped:]
        skipped -= len(block) - len(kept)
        output.write(kept)
        received += len(kept)
        progress.update(len(kept))
    return received


def _check_answer(response, url, partial, present, file) -> tuple[int, bool]:
    """Checks what a server announces, before anything is read.

    Returns:
        How many bytes of the body are there already, and whether the body's length is announced.
    """
    kept = f"; {partial} stays as it was" if present else ""
    remedy = f"{kept}; give another address with --url."
    length = response.headers.get("Content-Length")
    if length is not None and not _NUMBER.fullmatch(length.strip()):
        raise InputError(f"{url} announces a length of {length!r} bytes{remedy}")
    if response.status == HTTPStatus.PARTIAL_CONTENT:
        _check_range(response.headers.get("Content-Range"), url, present, file.size, remedy)
        expected, skipped = file.size - present, 0
    else:
        expected, skipped = file.size, present
        if present and length is None:
            raise InputError(f"{url} sends the whole file again and does not say how much that is{remedy}")
    if length is not None and int(length) != expected:
        raise InputError(f"{url} announces {int(length)} bytes where {expected} of {file.name} are expected{remedy}")
    return skipped, length is not None


def _check_range(header: str | None, url: str, present: int, size: int, remedy: str) -> None:
    match = _CONTENT_RANGE.fullmatch((header or "").strip())
    fits = match and int(match[1]) == present and int(match[2]) == size - 1 and match[3] in ("*", str(size))
    if not (present and fits):
        asked = f"the bytes from {present} to {size - 1} of {size}" if present else "the whole file"
        raise InputError(f"{url} was asked for {asked} and sends the part {header!r}{remedy}")


def _blocks(response: http.client.HTTPResponse, url: str, most: int) -> Iterator[bytes]:
    """What comes, as it comes, up to `most` bytes."""
    while most > 0:
        try:
            block = response.read1(min(_BLOCK, most))
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise InputError(f"{url} was cut off ({error}); {_AGAIN}.") from error
        if not block:
            return
        most -= len(block)
        yield block
