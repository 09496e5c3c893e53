"""What stands before all routes: who may ask, how much a request may bring, and what browsers are told of answers.

Bytes are counted while they arrive, so that no body is kept, or read as JSON, that is larger than it may be.
"""

from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from model.app.limits import Limits

READING = ("GET", "HEAD", "OPTIONS")
"""Methods that change nothing; a page of another origin cannot see their answers."""

POLICY = "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
"""What the page may load: nothing from elsewhere."""

DOCS_POLICY = f"{POLICY}; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'"
"""The same of the page of the interface, whose script is inside it."""

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of all answers, besides the policy."""

FORM_BYTES = 1_000_000
"""What a form may have besides its files: names and boundaries."""


class Guard:
    """Refuses requests that pages of other origins make, and bodies that are too large.

    Args:
        app: What answers.
        limits: What a request may bring.
    """

    def __init__(self, app: ASGIApp, limits: Limits):
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, largest = Headers(scope=scope), self._largest(scope)
        received = 0

        async def count() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > largest:
                raise HTTPException(413, _too_large(largest))
            return message

        async def tell(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                told["Content-Security-Policy"] = DOCS_POLICY if scope["path"] == "/docs" else POLICY
                for name, value in HEADERS.items():
                    told[name] = value
            await send(message)

        refusal: tuple[int, str] | None = None
        announced = headers.get("content-length", "0")
        if scope["method"] not in READING and not is_own(headers):
            refusal = 403, "only the page of this server may ask this from a browser."
        elif not announced.isdecimal() or len(announced) > 18:
            refusal = 400, "the header Content-Length is no number."
        elif int(announced) > largest:
            refusal = 413, _too_large(largest)
        if refusal:
            answer = JSONResponse({"detail": refusal[1]}, refusal[0], {"Connection": "close"})
            await answer(scope, receive, tell)
        else:
            await self._app(scope, count, tell)

    def _largest(self, scope: Scope) -> int:
        """Returns how many bytes the body of a request may have."""
        if scope["method"] == "PUT" and scope["path"].endswith("/frames"):
            return self._limits.frame_bytes
        if scope["path"] == "/fuse":
            return self._limits.bytes + FORM_BYTES
        return self._limits.order_bytes


def is_own(headers: Headers) -> bool:
    """Returns whether a request comes from the server's own page, or from a program, which sends neither header."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def _too_large(largest: int) -> str:
    return f"the request has more than {largest / 1e6:.0f} MB, which is the most."
