"""The server: the page and its workplaces, and fusion for programs (`POST /fuse`).

It listens on this machine alone unless it is told otherwise, and sends nothing anywhere.
"""

import asyncio
import contextlib
import secrets
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from fastapi import FastAPI, File, HTTPException, Query, Request, Response, UploadFile
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse, JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.trustedhost import TrustedHostMiddleware
from swagger_ui_bundle import swagger_ui_path

from data.errors import InputError, explain
from data.io.frames import Frames
from data.io.image_io import write_image
from data.io.stacks import LARGEST, Stack
from data.registration.prepared import PreparedFrames
from model.app.metrics import Metrics
from model.app.worker import FullError, Task, Worker
from model.app.workplace import FORMATS, Workplace
from model.fusion.fuser import Fuser, load_fuser
from model.fusion.project import Settings, parse_project, parse_stroke

PAGE = Path(__file__).parent / "page"
"""What the browser is sent."""

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""Names of this machine for itself: a page of another name that was led here is refused."""

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Of tiles, whose address has the version of what they show."""

CHUNK = 1 << 20
"""Bytes that are written at once."""


@dataclass(frozen=True)
class Limits:
    """What one server takes on.

    Attributes:
        frame_bytes: Of one file.
        bytes: Of all files of a workplace or of a request.
        workplaces: At one time.
        idle_minutes: After which a workplace that nobody uses is removed.
    """

    frame_bytes: int = 500_000_000
    bytes: int = 8_000_000_000
    workplaces: int = 8
    idle_minutes: float = 120.0


class Fusers:
    """Fusers by what they are asked for, loaded once; for the one thread of a worker."""

    def __init__(self, load: Callable[..., Fuser] = load_fuser):
        self._load, self._loaded = load, {}
        self._observe = None

    def __call__(self, settings: Settings, observe) -> Fuser:
        """The fuser for settings, which tells `observe` of its progress."""
        self._observe = observe
        key = settings.strategy, settings.prefer
        if key not in self._loaded:
            observe("loading the network", 0, 1)
            tell = lambda *progress: self._observe(*progress)  # noqa: E731
            self._loaded[key] = self._load(strategy=settings.strategy, prefer=settings.prefer, observe=tell)
        return self._loaded[key]


def create_app(
    limits: Limits | None = None, hosts: tuple[str, ...] = LOOPBACK, load: Callable[..., Fuser] = load_fuser
) -> FastAPI:
    """Makes the server.

    Args:
        limits: What it takes on.
        hosts: Names that it may be called by; "*" is any.
        load: Loads a fuser; see `load_fuser`.
    """
    limits = limits or Limits()
    metrics = Metrics()
    worker = Worker(metrics.finished)
    fusers = Fusers(load)
    workplaces: dict[str, Workplace] = {}

    @contextlib.asynccontextmanager
    async def lifespan(_):
        cleaning = asyncio.create_task(_clean(workplaces, limits.idle_minutes))
        yield
        cleaning.cancel()
        for workplace in workplaces.values():
            workplace.close()
        await asyncio.to_thread(worker.close)

    app = FastAPI(
        title="Multi-focus fusion",
        description="Fuses photographs of one scene, each sharp somewhere else. `POST /fuse` is for programs; "
        "`/workplaces` is what the page uses.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=[host.strip("[]") for host in hosts] + list(hosts))
    app.state.workplaces, app.state.worker = workplaces, worker

    @app.exception_handler(InputError)
    async def refuse(_: Request, error: InputError):
        return JSONResponse({"detail": str(error)}, 400)

    @app.exception_handler(FullError)
    async def full(_: Request, __: FullError):
        return JSONResponse({"detail": "too much waits to be done; try again."}, 503, {"Retry-After": "10"})

    def find(workplace: str) -> Workplace:
        if workplace not in workplaces:
            raise HTTPException(404, "this workplace has ended: load the page again.")
        workplaces[workplace].used = time.monotonic()
        return workplaces[workplace]

    @app.get("/", include_in_schema=False)
    def page():
        return FileResponse(PAGE / "index.html")

    @app.get("/health", tags=["for programs"])
    def health():
        """Whether the server is well, and how many tasks wait."""
        return {"status": "ok", "waiting": worker.waiting}

    @app.get("/metrics", tags=["for programs"])
    def show_metrics():
        """Counts and times, as Prometheus reads them."""
        return Response(metrics.text(worker.waiting, len(workplaces)), media_type="text/plain; version=0.0.4")

    @app.post("/fuse", tags=["for programs"], response_class=Response)
    def fuse(
        frames: Annotated[list[UploadFile], File(description="two or more, in the order of the stack")],
        strategy: Annotated[Literal["learned", "refined"], Query()] = "learned",
        align: Annotated[Literal["auto", "none"], Query()] = "auto",
        crop: Annotated[Literal["common", "none"], Query()] = "common",
        match_exposure: Annotated[Literal["auto", "none"], Query()] = "auto",
        prefer: Annotated[Literal["near", "far"] | None, Query()] = None,
        format: Annotated[Literal["png", "tif", "jpg"], Query()] = "png",
    ):
        """Fuses photographs and answers with the image; `curl -F frames=@a.jpg -F frames=@b.jpg URL/fuse -o fused.png`.

        400 says in one sentence what is wrong with the frames, 413 that they are too large, 503 that too much waits.
        """
        settings = Settings(strategy, align, crop, match_exposure, prefer)
        if not 2 <= len(frames) <= LARGEST:
            raise InputError(f"from 2 to {LARGEST} frames can be fused, received {len(frames)}.")
        with tempfile.TemporaryDirectory(prefix="multifocus-") as folder:
            if sum(frame.size for frame in frames) > limits.bytes:
                raise HTTPException(413, f"all frames together may have {limits.bytes / 1e9:.1f} GB.")
            paths = [_receive(frame, Path(folder) / str(n), limits) for n, frame in enumerate(frames)]
            output = Path(folder) / f"fused.{format}"
            task = worker.submit(partial(_fuse_files, paths, output, settings, fusers))
            task.wait()
            _raise_failure(task, {str(path): frame.filename for path, frame in zip(paths, frames, strict=True)})
            return Response(output.read_bytes(), media_type=FORMATS[format])

    @app.post("/workplaces", tags=["of the page"], status_code=201)
    def begin():
        """Makes a workplace."""
        if len(workplaces) >= limits.workplaces:
            raise HTTPException(503, f"{limits.workplaces} tabs are at work already: close one.")
        name = secrets.token_urlsafe(16)
        workplaces[name] = Workplace(limits.bytes)
        return {"workplace": name}

    @app.post("/workplaces/{workplace}/end", tags=["of the page"], status_code=204)
    def end(workplace: str):
        """Removes a workplace and its files; a beacon of a closing tab can send no other method."""
        find(workplace).close()
        workplaces.pop(workplace, None)

    @app.put("/workplaces/{workplace}/frames", tags=["of the page"], status_code=201)
    async def add(workplace: str, request: Request, name: Annotated[str, Query(min_length=1, max_length=255)]):
        """Takes in a frame: the body is its file."""
        place = find(workplace)
        announced = int(request.headers.get("content-length", 0))
        if announced > limits.frame_bytes:
            raise HTTPException(413, f"{name} has {announced / 1e6:.0f} MB; at most {limits.frame_bytes / 1e6:.0f}.")
        if not announced:
            raise InputError(f"{name} is empty.")
        path = place.reserve(announced)
        received = 0
        try:
            with path.open("wb") as file:
                async for chunk in request.stream():
                    received += len(chunk)
                    if received > announced:
                        break
                    await asyncio.to_thread(file.write, chunk)
        finally:
            if received != announced:
                place.release(path, announced)
        if received != announced:
            raise InputError(f"{name} did not arrive whole.")
        return await asyncio.to_thread(place.add, path, name)

    @app.delete("/workplaces/{workplace}/frames/{number}", tags=["of the page"], status_code=204)
    def remove(workplace: str, number: int):
        """Forgets a frame."""
        find(workplace).remove(number)

    @app.get("/workplaces/{workplace}/frames/{number}/thumbnail", tags=["of the page"], response_class=Response)
    def thumbnail(workplace: str, number: int):
        """A small picture of a frame."""
        return Response(find(workplace).upload(number).thumbnail, media_type="image/jpeg", headers=FOREVER)

    @app.post("/workplaces/{workplace}/fuse", tags=["of the page"], status_code=202)
    def fuse_here(workplace: str, order: dict):
        """Begins to fuse frames: {"frames": their numbers, "settings": {}, "strokes": []}."""
        place = find(workplace)
        numbers = order.get("frames", [])
        if not (isinstance(numbers, list) and all(isinstance(number, int) for number in numbers)) or len(numbers) < 2:
            raise InputError("two frames or more are needed.")
        settings = order.get("settings", {})
        content = {"format": 1, "frames": [{"file": "frame", "sha256": ""}] * len(numbers)}
        project = parse_project({**content, "settings": settings, "strokes": order.get("strokes", [])}, "the order")
        if place.task and place.task.state in ("waiting", "running"):
            raise InputError("it is being fused already.")
        place.task = worker.submit(
            lambda observe: place.fuse(numbers, project.settings, project.strokes, fusers, observe)
        )
        return place.task.describe()

    @app.get("/workplaces/{workplace}/progress", tags=["of the page"])
    def progress(workplace: str):
        """How far the fusion is."""
        task = find(workplace).task
        return task.describe() if task else {"state": "idle"}

    @app.post("/workplaces/{workplace}/cancel", tags=["of the page"])
    def cancel(workplace: str):
        """Ends the fusion at its next step."""
        task = find(workplace).task
        if task:
            task.cancel()
        return progress(workplace)

    @app.get("/workplaces/{workplace}/result", tags=["of the page"])
    def result(workplace: str):
        """What was fused."""
        return find(workplace).describe()

    @app.get("/workplaces/{workplace}/tiles/{layer}/{level}/{row}/{column}", tags=["of the page"])
    def tile(workplace: str, layer: str, level: int, row: int, column: int):
        """A part of a picture: "result", "map", "depth" or "frame-N"."""
        data = find(workplace).tile(layer, level, row, column)
        if data is None:
            raise HTTPException(404, "there is no such tile.")
        return Response(data, media_type="image/jpeg", headers=FOREVER)

    @app.post("/workplaces/{workplace}/strokes", tags=["of the page"])
    def paint(workplace: str, stroke: dict):
        """Paints over the result with a frame."""
        place = find(workplace)
        return place.paint(parse_stroke(stroke, len(place.describe()["frames"])))

    @app.post("/workplaces/{workplace}/undo", tags=["of the page"])
    def undo(workplace: str):
        """Takes the last stroke back."""
        return find(workplace).undo()

    @app.get("/workplaces/{workplace}/saved", tags=["of the page"])
    def saved(workplace: str, format: Literal["png", "tif", "jpg"] = "png", name: str = "fused"):
        """The result as a file."""
        path = find(workplace).save(format)
        return FileResponse(path, media_type=FORMATS[format], filename=f"{name}.{format}")

    @app.get("/workplaces/{workplace}/project", tags=["of the page"])
    def project(workplace: str):
        """What the result comes from; `fuse.py --project` makes the same of it."""
        return find(workplace).project().to_json()

    @app.get("/docs", include_in_schema=False)
    def docs():
        return get_swagger_ui_html(
            openapi_url=app.openapi_url,
            title=app.title,
            swagger_js_url="/swagger/swagger-ui-bundle.js",
            swagger_css_url="/swagger/swagger-ui.css",
            swagger_favicon_url="data:,",
        )

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    app.mount("/swagger", StaticFiles(directory=swagger_ui_path), name="swagger")
    return app


def _fuse_files(paths, output, settings, fusers, observe):
    frames = Frames(Stack("stack", tuple(paths)))
    images = PreparedFrames(
        frames, align=settings.align, crop=settings.crop, match_exposure=settings.match_exposure, observe=observe
    )
    write_image(output, fusers(settings, observe)(images), metadata=frames.metadata)


def _receive(upload, path, limits):
    """Keeps a file of a request under a name that its own cannot spoil, but for its ending."""
    path = path.with_name(f"{path.name}{Path(upload.filename or '').suffix}")
    size = 0
    with path.open("wb") as file:
        while chunk := upload.file.read(CHUNK):
            size += len(chunk)
            if size > limits.frame_bytes:
                raise HTTPException(413, f"a frame may have {limits.frame_bytes / 1e6:.0f} MB.")
            file.write(chunk)
    return path


def _raise_failure(task: Task, names) -> None:
    if isinstance(task.error, InputError):
        text = str(task.error)
        for path, name in names.items():
            text = text.replace(path, name or "a frame")
        raise InputError(text) from task.error
    if task.state != "done":
        raise HTTPException(500, explain(task.error) if task.error else "it was cancelled.") from task.error


async def _clean(workplaces, minutes):
    """Removes workplaces that nobody uses."""
    while True:
        await asyncio.sleep(min(60.0, 30 * minutes))
        for name, workplace in list(workplaces.items()):
            idle = time.monotonic() - workplace.used > 60 * minutes
            if idle and not (workplace.task and workplace.task.state in ("waiting", "running")):
                workplaces.pop(name, None)
                await asyncio.to_thread(workplace.close)
