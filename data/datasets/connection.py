"""Requests to a server that is not trusted: its redirects, the size of its answer and its speed are bounded."""

import http.client
import io
import string
import time
import urllib.request
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit

from data.runtime.errors import InputError

TIMEOUT_SECONDS = 60.0
"""How long a connection, and each read of it, may take."""

LEAST_RATE = 1000
"""Bytes a second that a server must send; below that it only holds the connection."""

RATE_SECONDS = 60.0
"""The time over which the rate is taken."""

MOST_REDIRECTS = 5
"""Redirects that are followed for one file."""


def check_address(url: str) -> None:
    """Checks that an address can be asked at all.

    Raises:
        InputError: It is none of http or https, names no host, or holds what an address cannot hold.
    """
    if not url.lower().startswith(("http://", "https://")):
        raise InputError(f"{url} is no address to fetch from; it must begin with http:// or https://.")
    try:
        if not url.isascii() or any(one <= " " or one == "\x7f" for one in url):
            raise ValueError(
                "it may hold ASCII characters without spaces alone; write others as an address bar shows them when "
                "copied (%C3%BC, xn--...)"
            )
        if not urlsplit(url).hostname or urlsplit(url).port == 0:
            raise ValueError("it names no host, or a port that there is not")
    except ValueError as error:
        raise InputError(f"{url} is no address to fetch from: {error}.") from error


def ask(url: str, start: int, most: int, by_hand: str) -> http.client.HTTPResponse:
    """Opens an address and follows its redirects.

    Args:
        url: The address.
        start: The first byte wanted; above 0, the rest from there on is asked for.
        most: Bytes beyond which an answer, head and body, is ended.
        by_hand: What else the user can do, for messages.

    Returns:
        The answer, of status 200 or 206, its body unread.

    Raises:
        InputError: The address is none, cannot be reached, redirects to nowhere, or answers something else.
    """
    asked = url
    for _ in range(MOST_REDIRECTS + 1):
        check_address(asked)
        request = urllib.request.Request(asked, headers={"Range": f"bytes={start}-"} if start else {})
        try:
            response = _opener(most).open(request, timeout=TIMEOUT_SECONDS)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise InputError(f"cannot reach {asked} ({reason}); check the connection, or {by_hand}.") from error
        if response.status in (HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT):
            return response
        response.close()
        if response.status not in (301, 302, 303, 307, 308):
            status = f"{response.status} {response.reason}"
            raise InputError(f"{asked} answers {status}; give another with --url, or {by_hand}.")
        asked = _redirected(asked, response.headers.get("Location"), by_hand)
    raise InputError(f"{url} redirects more than {MOST_REDIRECTS} times; give another with --url, or {by_hand}.")


def _redirected(asked: str, location: str | None, by_hand: str) -> str:
    """The address that a redirect leads to."""
    if not location:
        raise InputError(f"{asked} redirects without an address; {by_hand}.")
    try:
        # Servers write characters into it that an address cannot hold; browsers encode them too.
        address = urljoin(asked, quote(location, safe=string.punctuation, encoding="iso-8859-1"))
        check_address(address)
    except ValueError as error:  # InputError is one
        raise InputError(f"{asked} redirects to {location!r}, which is no address; {by_hand}.") from error
    return address


def _opener(most: int) -> urllib.request.OpenerDirector:
    """HTTP, HTTPS and the proxies of the environment alone; every answer is returned as it is, redirects too.

    `urllib.request.urlopen` would read the whole body of a redirect before it follows it.
    """

    def respond(*args, **options):
        response = http.client.HTTPResponse(*args, **options)
        response.fp = io.BufferedReader(_Bounded(response.fp.detach(), most))
        return response

    class Handler(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
        def do_open(self, connect, request, **options):
            def connect_bounded(*args, **more):
                connection = connect(*args, **more)
                connection.response_class = respond
                return connection

            return super().do_open(connect_bounded, request, **options)

    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler())
    opener.add_handler(Handler())
    return opener


class _Bounded(io.RawIOBase):
    """What a server sends: an error where it is more than `most` bytes, or slower than `LEAST_RATE`.

    The timeout of a connection starts anew with every byte, and headers, the lines between chunks and what follows the
    last one are read before a byte of the body is; so all of it passes through here.
    """

    def __init__(self, raw: io.RawIOBase, most: int):
        self._raw = raw
        self._left = most
        self._since, self._count = time.monotonic(), 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int | None:
        count = self._raw.readinto(buffer) or 0
        self._left -= count
        if self._left < 0:
            raise OSError("the server sends without end")
        self._count += count
        seconds = time.monotonic() - self._since
        if seconds >= RATE_SECONDS:
            if count and self._count < LEAST_RATE * seconds:
                raise OSError(f"the server sends less than {LEAST_RATE} bytes a second")
            self._since, self._count = time.monotonic(), 0
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()
