"""`fuse.py --app`: serves the page on this machine."""

import asyncio
import logging
import socket
from contextlib import suppress
from importlib.util import find_spec
from types import FrameType

from data.runtime.errors import EXIT_DONE, InputError, say
from data.runtime.installation import install_hint

NEEDED = ("fastapi", "uvicorn", "multipart", "prometheus_client", "swagger_ui_bundle")
"""Libraries of requirements-app.txt."""


def serve(host: str, port: int) -> int:
    """Serves the page until Ctrl-C.

    Args:
        host: The address to listen on; other than this machine's own, others can use the page.
        port: 0 takes any that is free.

    Returns:
        The exit code.

    Raises:
        InputError: A library is missing, or the address cannot be listened on.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise InputError(f"the page needs {', '.join(missing)}: {install_hint('app')}.")
    import uvicorn

    from model.app.folders import remove_leftovers
    from model.app.server import LOOPBACK, create_app

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except (OSError, UnicodeError) as error:  # a name that has no address, or cannot be one
        listening.close()
        reason = getattr(error, "strerror", None) or "it is no address"
        remedy = "--host" if isinstance(error, socket.gaierror | UnicodeError) else "--port"
        raise InputError(f"cannot listen on {host}, port {port}: {reason}; choose another {remedy}.") from error
    local = host in ("127.0.0.1", "localhost", "::1")
    if not local:
        say(f"warning: everyone who reaches {host} can use the page; it asks for no password.")
    remove_leftovers()
    app = create_app(hosts=LOOPBACK if local else ("*",))
    shown = f"[{host}]" if ":" in host else host
    say(f"open http://{shown}:{listening.getsockname()[1]} in a browser; Ctrl-C ends.")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    logging.getLogger("uvicorn.error").addFilter(_is_no_end)

    def end(number: int, frame: FrameType | None) -> None:
        app.state.worker.stop()  # before connections are waited for, which wait for its tasks
        uvicorn.Server.handle_exit(server, number, frame)

    server.handle_exit = end  # type: ignore[assignment]
    with suppress(KeyboardInterrupt):  # raised again when all is closed
        server.run(sockets=[listening])
    return EXIT_DONE


def _is_no_end(record: logging.LogRecord) -> bool:
    """Returns whether a record of the log is of something else than a request that the end cuts off."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))
