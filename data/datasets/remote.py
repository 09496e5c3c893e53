"""Downloads of one file of known size and hash, or of checkable content, that are resumed where they were cut off.

The server is not trusted: its redirects, the size of its answer and its speed are bounded, and nothing is written that
does not fit the expected size and what is there already. The head of an answer has only the bounds of `http.client`.
"""

import os
import string
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urljoin

import requests
from tqdm import tqdm
from urllib3.exceptions import HTTPError

from data.io.files import file_digest
from data.runtime.errors import InputError, in_one_line

TIMEOUT_SECONDS = 60.0
"""Longest time that a connection, and each read from it, may take."""

MINIMUM_RATE = 1000
"""Bytes a second that a server must send."""

RATE_SECONDS = 60.0
"""Time over which the rate is measured."""

MOST_REDIRECTS = 5
"""Redirects that are followed for one file."""

_BLOCK = 2**20
"""Bytes that are read at once."""

_AGAIN = "give the same command again to go on from there"
"""Remedy where a connection ends too early."""

_NETWORK_ERRORS = (OSError, HTTPError, ValueError)
"""What a request and its answer can raise: requests' own errors are OSErrors, but those of urllib3 pass through it."""


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    Attributes:
        address: Its path below the base address.
        name: Its local name.
        size: Its size in bytes.
        algorithm: The kind of `digest`, "md5" or "sha256".
        digest: Its hash in hexadecimal digits; empty where it is unknown.
        check: Raises an `InputError` for the path of another file; needed where the hash is unknown.
    """

    address: str
    name: str
    size: int
    algorithm: str
    digest: str
    check: Callable[[Path], None] | None = None


def check_address(url: str) -> None:
    """Checks the form of an address.

    Raises:
        InputError: It is no valid http or https address.
    """
    try:
        if not url.lower().startswith(("http://", "https://")):
            raise ValueError("it must begin with http:// or https://")
        requests.Request("GET", url).prepare()
    except ValueError as error:  # those of requests are
        raise InputError(f"{url} is no address to fetch from: {in_one_line(error, 200).rstrip('.')}.") from error


def fetch(url: str, target: Path, file: RemoteFile, quiet: bool = False) -> bool:
    """Downloads a file, continuing an earlier attempt, and moves it to its place when it is the right one.

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
    present = partial.stat().st_size if partial.exists() else 0
    if present < file.size:
        by_hand = f"fetch it in another way and save it as {target}"
        with _Session() as session, _open(session, url, present, by_hand) as response:
            _receive(response, url, partial, present, file, quiet)
    if difference := _difference(partial, file):
        partial.unlink()
        raise InputError(
            f"what came from {url} is not the file expected ({difference}), so it was deleted; try again, or give "
            "another address with --url."
        )
    partial.replace(target)
    return True


def _difference(path: Path, file: RemoteFile) -> str:
    """Says how a file differs from the expected one; empty where it does not."""
    digest = file_digest(path, file.algorithm)
    if file.digest:
        return "" if digest == file.digest else f"its {file.algorithm} is {digest}, not {file.digest}"
    if path.stat().st_size != file.size:
        return f"it has {path.stat().st_size} bytes, not {file.size}"
    try:
        if file.check:
            file.check(path)
    except InputError as error:
        return str(error).removesuffix(".")
    return ""


class _Session(requests.Session):
    """Returns redirects as they are: requests would read the whole body of each before it follows it."""

    def get_redirect_target(self, resp: requests.Response) -> None:
        return None


def _open(session: requests.Session, url: str, start: int, by_hand: str) -> requests.Response:
    """Requests a file from byte `start` on and follows redirects, whose bodies are not read.

    Args:
        session: Makes the requests.
        url: The address.
        start: The first byte wanted.
        by_hand: The user's alternative, for messages.

    Returns:
        The answer, of status 200 or 206, its body unread.

    Raises:
        InputError: The address cannot be reached, redirects to nowhere, or answers something else.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={start}-"} if start else {})
    check_address(url)
    asked = url
    for _ in range(MOST_REDIRECTS + 1):
        try:
            response = session.get(asked, headers=headers, stream=True, timeout=TIMEOUT_SECONDS)
        except _NETWORK_ERRORS as error:
            raise InputError(f"cannot reach {asked} ({_reason(error)}); check the connection, or {by_hand}.") from error
        if response.status_code in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return response
        response.close()
        if not response.is_redirect:
            status = f"{response.status_code} {response.reason}"
            raise InputError(f"{asked} answers {status}; give another with --url, or {by_hand}.")
        location = response.headers["Location"]
        try:
            # Servers write characters into it that an address cannot hold; browsers encode them too.
            address = urljoin(asked, quote(location, safe=string.punctuation, encoding="iso-8859-1"))
            check_address(address)
        except ValueError as error:  # InputError is one
            raise InputError(f"{asked} redirects to {location!r}, which is no address; {by_hand}.") from error
        asked = address
    raise InputError(f"{url} redirects more than {MOST_REDIRECTS} times; give another with --url, or {by_hand}.")


def _receive(response: requests.Response, url: str, partial: Path, present: int, file: RemoteFile, quiet: bool) -> None:
    """Appends the missing bytes to `partial`; skips those that are there where the server sends the whole file."""
    _check_answer(response, url, partial, present, file)
    position = 0 if response.status_code == HTTPStatus.OK else present
    # Without a declared length, only one more byte tells whether the server sends more.
    declared = "Content-Length" in response.headers or "Transfer-Encoding" in response.headers
    end = file.size if declared else file.size + 1
    progress = tqdm(total=file.size, initial=present, unit="B", unit_scale=True, desc=partial.stem, disable=quiet)
    with partial.open("ab") as output, progress:
        for block in _blocks(response, url, end - position):
            progress.update(output.write(block[max(present - position, 0) :]))
            position += len(block)
        if position > file.size:
            output.truncate(present)
    if position > file.size:
        if not present:
            partial.unlink()
        raise InputError(
            f"{url} sends more than the {file.size} bytes of {file.name}, so it is another file and nothing of it was "
            "kept; give another address with --url."
        )
    if position < file.size:
        raise InputError(f"{url} ended after {max(position, present)} of {file.size} bytes; {_AGAIN}.")


def _check_answer(response: requests.Response, url: str, partial: Path, present: int, file: RemoteFile) -> None:
    """Checks what a server announces, before anything is read."""
    expected, problem = file.size, ""
    if response.status_code == HTTPStatus.PARTIAL_CONTENT:
        expected -= present
        part, rest = response.headers.get("Content-Range"), f"bytes {present}-{file.size - 1}/"
        if not present or part not in (f"{rest}{file.size}", f"{rest}*"):
            asked = f"the bytes from {present} to {file.size - 1} of {file.size}" if present else "the whole file"
            problem = f"was asked for {asked} and sends the part {part!r}"
    length = response.headers.get("Content-Length", str(expected))
    if length != str(expected):
        problem = problem or f"announces {length!r} bytes where {expected} of {file.name} are expected"
    if problem:
        kept = f"; {partial} stays as it was" if present else ""
        raise InputError(f"{url} {problem}{kept}; give another address with --url.")


def _blocks(response: requests.Response, url: str, most: int) -> Iterator[bytes]:
    """Yields the body of an answer as it comes, up to `most` bytes; refuses a server that only holds the connection."""
    response.raw.enforce_content_length = False  # whoever reads the blocks counts
    since, count = time.monotonic(), 0
    while most > 0:
        try:
            # `iter_content` would wait for whole blocks, and lose what came of the last one.
            block = response.raw.read1(min(_BLOCK, most), decode_content=False)
            if not block:
                return
            count += len(block)
            seconds = time.monotonic() - since
            if seconds >= RATE_SECONDS:
                if count < MINIMUM_RATE * seconds:
                    raise OSError(f"the server sends less than {MINIMUM_RATE} bytes a second")
                since, count = time.monotonic(), 0
        except _NETWORK_ERRORS as error:
            raise InputError(f"{url} was cut off ({_reason(error)}); {_AGAIN}.") from error
        most -= len(block)
        yield block


def _reason(error: BaseException) -> str:
    """Returns the message of the error at the root; those above it repeat the address and name Python objects."""
    while error.__context__:
        error = error.__context__
    return in_one_line(error, 200) or type(error).__name__
