"""`fuse.py --app`: serves the page on this machine."""

import socket
from importlib.util import find_spec

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

    from model.app.server import LOOPBACK, create_app

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise InputError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another --port.") from error
    local = host in ("127.0.0.1", "localhost", "::1")
    if not local:
        say(f"warning: everyone who reaches {host} can use the page; it asks for no password.")
    app = create_app(hosts=LOOPBACK if local else ("*",))
    shown = f"[{host}]" if ":" in host else host
    say(f"open http://{shown}:{listening.getsockname()[1]} in a browser; Ctrl-C ends.")
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
    server.run(sockets=[listening])
    return EXIT_DONE
