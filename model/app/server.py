"""The server: the page and its workplaces, and fusion for programs.

It listens on this machine alone unless it is told otherwise, and sends nothing anywhere.
"""

import asyncio
import contextlib
import errno
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.trustedhost import TrustedHostMiddleware
from swagger_ui_bundle import swagger_ui_path

from data.runtime.errors import InputError
from model.app import programs, tabs
from model.app.guard import Guard
from model.app.limits import Budget, Limits
from model.app.metrics import Metrics
from model.app.worker import LOG, FullError, Worker
from model.app.workplace import Workplace
from model.fusion.settings import shared_settings

PAGE = Path(__file__).parent / "page"
"""What the browser is sent."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine for itself: a page of another name that was led here is refused."""

REFUSALS = {
    400: "What was sent cannot be used",
    403: "A page of another origin asks",
    404: "There is no such thing",
    413: "The request is too large",
    422: "A parameter is missing, unknown or of another type",
    500: "A defect of the server",
    503: "Too much waits to be done, or too many tabs are open",
    507: "The disk of the server is full",
}
"""What else is answered, with one sentence as `detail`."""


class Refusal(BaseModel):
    """Why a request is refused."""

    detail: str


ANSWERS: dict[int | str, dict[str, Any]] = {
    status: {"model": Refusal, "description": text} for status, text in REFUSALS.items()
}
"""The same for the description of the interface."""


def create_app(limits: Limits | None = None, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """Builds the server.

    Args:
        limits: What it takes on.
        hosts: Names that it may be called by; "*" is any.
    """
    limits = limits or Limits()
    metrics = Metrics()
    worker, memory = Worker(metrics.finished), Budget(limits.decoding_bytes)
    workplaces: dict[str, Workplace] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(tabs.clean(workplaces, limits.idle_minutes))
        yield
        cleaning.cancel()
        await asyncio.to_thread(worker.close)
        for workplace in workplaces.values():
            workplace.close()

    app = FastAPI(
        title="Multi-focus fusion",
        description="Fuses photographs of one scene, each sharp somewhere else. `POST /fuse` is for programs; "
        "`/workplaces` is what the page uses.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host.strip("[]") for host in hosts] + list(hosts))
    app.add_middleware(Guard, limits=limits)
    app.state.workplaces, app.state.worker = workplaces, worker

    @app.exception_handler(InputError)
    async def refuse(_: Request, error: InputError) -> JSONResponse:
        return JSONResponse({"detail": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    async def explain_validation(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"][1:] or first["loc"])
        return JSONResponse({"detail": f"{place}: {first['msg'][:1].lower()}{first['msg'][1:]}."}, 422)

    @app.exception_handler(OSError)
    async def explain_system(_: Request, error: OSError) -> JSONResponse:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        LOG.error("the system refused: %s", error)
        reason = "the disk of the server is full" if full else f"the server's system refused ({error.strerror})"
        return JSONResponse({"detail": f"{reason}; try again later."}, 507 if full else 500)

    @app.exception_handler(Exception)
    async def admit(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse({"detail": f"a defect of the server ({type(error).__name__}); its log has more."}, 500)

    @app.exception_handler(FullError)
    async def full(_: Request, __: FullError) -> JSONResponse:
        return JSONResponse({"detail": "too much waits to be done; try again."}, 503, {"Retry-After": "10"})

    @app.get("/", include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(PAGE / "index.html")

    @app.get("/health", tags=["for programs"])
    def health() -> dict[str, Any]:
        """Reports that the server runs, and how many tasks wait."""
        return {"status": "ok", "waiting": worker.waiting}

    @app.get("/settings", tags=["for programs"])
    def settings() -> list[dict[str, Any]]:
        """Lists the settings of a fusion: name, help, default and choices; the page makes its form of them."""
        return [
            {
                "name": setting.name,
                "help": setting.metadata["help"],
                "default": setting.default,
                "choices": list(setting.metadata["shared"]),
            }
            for setting in shared_settings()
        ]

    @app.get("/metrics", tags=["for programs"])
    def show_metrics() -> Response:
        """Counts and times, as Prometheus reads them."""
        return Response(metrics.text(worker.waiting, len(workplaces)), media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return get_swagger_ui_html(
            openapi_url=app.openapi_url or "",
            title=app.title,
            swagger_js_url="/swagger/swagger-ui-bundle.js",
            swagger_css_url="/swagger/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    app.include_router(programs.make_router(limits, worker), responses=ANSWERS)
    app.include_router(tabs.make_router(workplaces, limits, worker, memory), responses=ANSWERS)
    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.mount("/swagger", StaticFiles(directory=swagger_ui_path), name="swagger")
    return app
