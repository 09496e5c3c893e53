"""Asking a server that is not trusted: neither where it redirects to, nor that it will end, nor that it makes haste."""

import http.client
import io
import socket
import string
import time
import urllib.request
from http import HTTPStatus
from urllib.parse import quote, urljoin, urlsplit

from data.errors import InputError

TIMEOUT_SECONDS = 60.0
"""How long a connection, and each read of it, may take."""

LEAST_RATE = 1000
RATE_SECONDS = 60.0
"""Bytes a second that a server must send, taken over so many seconds; below that it only holds the connection."""

MOST_REDIRECTS = 5

_REDIRECTS = (301, 302, 303, 307, 308)
_SCHEMES = ("http", "https")


def check_address(url: str) -> None:
    """Checks that an address can be asked at all.

    Raises:
        InputError: It is none of http or https, names no host, or holds what an address cannot hold.
    """
    if not url.lower().startswith(tuple(f"{scheme}://" for scheme in _SCHEMES)):
        raise InputError(f"{url} is no address to fetch from; it must begin with http:// or https://.")
    if not url.isascii() or any(one <= " " or one == "\x7f" for one in url):
        raise InputError(
            f"{url} is no address to fetch from: it may hold ASCII characters without spaces alone; write others as an "
            "address bar shows them when copied (%C3%BC, xn--...)."
        )
    try:
        parts = urlsplit(url)
        usable = parts.hostname and (parts.port is None or parts.port > 0)
    except ValueError as error:
        raise InputError(f"{url} is no address to fetch from: {error}.") from error
    if not usable:
        raise InputError(f"{url} is no address to fetch from: it names no host, or a port that there is not.")


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
        if response.status not in _REDIRECTS:
            raise InputError(
                f"{asked} answers {response.status} {response.reason}; give another with --url, or {by_hand}."
            )
        asked = _redirected(asked, response.headers.get("Location"), by_hand)
    raise InputError(f"{url} redirects more than {MOST_REDIRECTS} times; give another with --url, or {by_hand}.")


def _redirected(asked: str, location: str | None, by_hand: str) -> str:
    """The address that a redirect leads to."""
    try:
        # Servers write characters into it that an address cannot hold; browsers encode them too.
        address = urljoin(asked, quote(location or "", safe=string.punctuation, encoding="iso-8859-1"))
        check_address(address)
    except (InputError, ValueError) as error:
        raise InputError(f"{asked} redirects to {location!r}, which is no address; {by_hand}.") from error
    if not location:
        raise InputError(f"{asked} redirects without an address; {by_hand}.")
    return address


def _opener(most: int) -> urllib.request.OpenerDirector:
    """HTTP, HTTPS and the proxies of the environment alone; every answer is returned as it is, redirects too.

    `urllib.request.urlopen` would follow a redirect to any protocol, and read the whole body of the redirect first.
    """

    class Response(http.client.HTTPResponse):
        def __init__(self, sock: socket.socket, *args, **kwargs):
            super().__init__(sock, *args, **kwargs)
            self.fp = io.BufferedReader(_Paced(self.fp.detach(), most))

    class Connection(http.client.HTTPConnection):
        response_class = Response

    class SecureConnection(http.client.HTTPSConnection):
        response_class = Response

    class Handler(urllib.request.HTTPHandler):
        def http_open(self, request):
            return self.do_open(Connection, request)

    class SecureHandler(urllib.request.HTTPSHandler):
        def https_open(self, request):
            return self.do_open(SecureConnection, request)

    opener = urllib.request.OpenerDirector()
    for handler in (urllib.request.ProxyHandler(), Handler(), SecureHandler()):
        opener.add_handler(handler)
    return opener


class _Paced(io.RawIOBase):
    """What comes from a server: ended where it only drips, and where it is more than the file can account for.

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
