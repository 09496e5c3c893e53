"""Routes of the page: each of its tabs has a workplace."""

import asyncio
import hmac
import secrets
import time
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from data.runtime.errors import InputError
from model.app.fusing import FORMATS
from model.app.limits import Budget, Limits
from model.app.worker import Worker
from model.app.workplace import Workplace
from model.fusion.project import parse_project, parse_stroke

FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
"""Of tiles, whose address has the version of what they show."""


class Names:
    """Names of workplaces that nobody guesses, and that are known again without being kept."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def issue(self) -> str:
        """Returns a new name."""
        number = secrets.token_urlsafe(16)
        return f"{number}.{self._sign(number)}"

    def issued(self, name: str) -> bool:
        """Returns whether a name was issued here."""
        number, _, signature = name.partition(".")
        return secrets.compare_digest(signature.encode(), self._sign(number).encode())

    def _sign(self, number: str) -> str:
        return hmac.digest(self._key, number.encode(), "sha256").hex()[:32]


def make_router(workplaces: dict[str, Workplace], limits: Limits, worker: Worker, memory: Budget) -> APIRouter:
    """Builds the router.

    Args:
        workplaces: By a name that nobody guesses; tabs come and go.
        limits: What they may bring.
        worker: Does the work.
        memory: For the frames that are decoded.
    """
    router, names = APIRouter(tags=["of the page"]), Names()

    def find(workplace: str) -> Workplace:
        if workplace not in workplaces:
            raise HTTPException(404, "this workplace has ended: load the page again.")
        workplaces[workplace].used = time.monotonic()
        return workplaces[workplace]

    def find_or_make(workplace: str) -> Workplace:
        if workplace not in workplaces and names.issued(workplace):
            if len(workplaces) >= limits.workplaces:
                raise HTTPException(503, f"{limits.workplaces} tabs are at work already: close one.")
            workplaces[workplace] = Workplace(limits.bytes, memory)
        return find(workplace)

    def drop_if_empty(workplace: str) -> None:
        if workplace in workplaces and workplaces[workplace].is_empty:
            workplaces.pop(workplace).close()

    @router.post("/workplaces", status_code=201)
    def begin() -> dict[str, str]:
        """Names a workplace; it is made when its first frame arrives."""
        return {"workplace": names.issue()}

    @router.post("/workplaces/{workplace}/end", status_code=204)
    def end(workplace: str) -> None:
        """Removes a workplace and its files; a beacon of a closing tab can send no other method."""
        find(workplace).close()
        workplaces.pop(workplace, None)

    @router.put("/workplaces/{workplace}/frames", status_code=201)
    async def add(
        workplace: str, request: Request, name: Annotated[str, Query(min_length=1, max_length=255)]
    ) -> dict[str, Any]:
        """Takes in a frame: the body is its file."""
        announced = int(request.headers.get("content-length", 0))
        if not announced:
            raise InputError(f"{name} is empty, or its length is not told.")
        place = find_or_make(workplace)
        try:
            return await _receive(place, name, announced, request)
        except BaseException:
            drop_if_empty(workplace)
            raise

    @router.delete("/workplaces/{workplace}/frames/{number}", status_code=204)
    def remove(workplace: str, number: int) -> None:
        """Forgets a frame."""
        find(workplace).remove(number)

    @router.get("/workplaces/{workplace}/frames/{number}/thumbnail", response_class=Response)
    def thumbnail(workplace: str, number: int) -> Response:
        """A small picture of a frame."""
        return Response(find(workplace).upload(number).thumbnail, media_type="image/jpeg", headers=FOREVER)

    @router.post("/workplaces/{workplace}/fuse", status_code=202)
    def fuse_here(workplace: str, order: dict[str, Any]) -> dict[str, Any]:
        """Begins to fuse frames: {"frames": their numbers, "settings": {}, "strokes": [], "second": null}."""
        place = find(workplace)
        numbers = order.get("frames", [])
        if not (isinstance(numbers, list) and all(isinstance(number, int) for number in numbers)) or len(numbers) < 2:
            raise InputError("two frames or more are needed.")
        if len(set(numbers)) < len(numbers):
            raise InputError("a frame is there twice.")
        settings = order.get("settings", {})
        content = {"format": 1, "frames": [{"file": "frame", "sha256": ""}] * len(numbers)}
        content |= {"strokes": order.get("strokes", []), "second": order.get("second")}
        project = parse_project({**content, "settings": settings}, "the order")
        if place.task and place.task.state in ("waiting", "running"):
            raise InputError("it is being fused already.")
        place.task = worker.submit(lambda observe: place.fuse(numbers, project, observe))
        return place.task.describe()

    @router.get("/workplaces/{workplace}/progress")
    def progress(workplace: str) -> dict[str, Any]:
        """How far the fusion is."""
        task = find(workplace).task
        return task.describe() if task else {"state": "idle"}

    @router.post("/workplaces/{workplace}/cancel")
    def cancel(workplace: str) -> dict[str, Any]:
        """Ends the fusion at its next step."""
        task = find(workplace).task
        if task:
            task.cancel()
        return progress(workplace)

    @router.get("/workplaces/{workplace}/result")
    def result(workplace: str) -> dict[str, Any]:
        """What was fused."""
        return find(workplace).describe()

    @router.get("/workplaces/{workplace}/tiles/{layer}/{level}/{row}/{column}")
    def tile(workplace: str, layer: str, level: int, row: int, column: int) -> Response:
        """A part of a picture: "result", "second", "map", "depth", "frame-N", "upload-N" or "peaks-N"."""
        data = find(workplace).tile(layer, level, row, column)
        if data is None:
            raise HTTPException(404, "there is no such tile.")
        return Response(data, media_type="image/jpeg", headers=FOREVER)

    @router.post("/workplaces/{workplace}/strokes")
    def paint(workplace: str, stroke: dict[str, Any]) -> dict[str, Any]:
        """Paints over the result with a frame."""
        place = find(workplace)
        return place.paint(parse_stroke(stroke, len(place.describe()["frames"])))

    @router.post("/workplaces/{workplace}/undo")
    def undo(workplace: str) -> dict[str, Any]:
        """Takes the last stroke back."""
        return find(workplace).undo()

    @router.get("/workplaces/{workplace}/frame-at")
    def frame_at(workplace: str, x: int, y: int) -> dict[str, int | None]:
        """The number in the stack of the frame from which a pixel of the result was taken."""
        return {"frame": find(workplace).frame_at(x, y)}

    @router.get("/workplaces/{workplace}/saved")
    def saved(
        workplace: str,
        format: Literal["png", "tif", "jpg"] = "png",
        name: str = "fused",
        quality: Annotated[int, Query(ge=1, le=100)] = 95,
    ) -> FileResponse:
        """The result as a file; `quality` is that of a JPEG."""
        path = find(workplace).save(format, quality)
        done = BackgroundTask(path.unlink, missing_ok=True)
        return FileResponse(path, media_type=FORMATS[format], filename=f"{name}.{format}", background=done)

    @router.get("/workplaces/{workplace}/saved-depth")
    def saved_depth(
        workplace: str, kind: Literal["depth", "confidence", "rocking", "stereo"] = "depth", name: str = "fused"
    ) -> FileResponse:
        """The depth map as a PNG of 16 bits, 256 for each frame; how sure it is, 8 bits; an animation that rocks from
        side to side, WebP; or what both eyes see, a JPEG."""
        path = find(workplace).save_depth(kind)
        done = BackgroundTask(path.unlink, missing_ok=True)
        media_type = "image/webp" if kind == "rocking" else FORMATS[path.suffix[1:]]
        return FileResponse(path, media_type=media_type, filename=f"{name}-{kind}{path.suffix}", background=done)

    @router.get("/workplaces/{workplace}/project")
    def project(workplace: str) -> dict[str, Any]:
        """What the result comes from; `fuse.py --project` makes the same of it."""
        return find(workplace).project().to_json()

    return router


async def _receive(place: Workplace, name: str, announced: int, request: Request) -> dict[str, Any]:
    """Receives a frame; what was reserved for it is given back if it does not arrive or cannot be used."""
    path = place.reserve(announced)
    received = 0
    try:
        with path.open("wb") as file:
            async for chunk in request.stream():
                received += len(chunk)
                if received > announced:
                    break
                await asyncio.to_thread(file.write, chunk)
        if received != announced:
            raise InputError(f"{name} did not arrive whole.")
        return await asyncio.to_thread(place.add, path, name)
    except BaseException:
        place.release(path, announced)
        raise


async def clean(workplaces: dict[str, Workplace], minutes: float) -> None:
    """Removes workplaces that nobody used for so long; never ends."""
    while True:
        await asyncio.sleep(min(60.0, 30 * minutes))
        for name, workplace in list(workplaces.items()):
            idle = time.monotonic() - workplace.used > 60 * minutes
            if idle and not (workplace.task and workplace.task.state in ("waiting", "running")):
                workplaces.pop(name, None)
                await asyncio.to_thread(workplace.close)
