"""Fusion over HTTP for programs: `POST /fuse`."""

import asyncio
import base64
import json
import shutil
from collections.abc import Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, File, Header, HTTPException, Query, Request, Response, UploadFile
from pydantic import BaseModel, ConfigDict, create_model

from data.io.image_io import write_image
from data.io.listing import MOST_FRAMES
from data.registration.prepared import Observer
from data.runtime.errors import InputError, explain
from model.app.folders import new_folder, safe_suffix
from model.app.fusing import FORMATS, named
from model.app.limits import Limits
from model.app.worker import Worker
from model.fusion.pipeline import Result, fuse
from model.fusion.project import parse_settings
from model.fusion.settings import FusionSettings, shared_settings

CHUNK = 1 << 20
"""Bytes that are written at once."""

PATIENCE = 0.5
"""Seconds after which is looked whether the client is still there."""

REMARKS_HEADER = "X-Remarks"
"""Header of an answer: what was noticed of the frames, a JSON list of sentences."""

LONGEST_HEADER = 4000
"""Characters of that list; clients refuse longer headers. The JSON answer has all."""


def _make_query() -> type[BaseModel]:
    """Makes the model of the query: the format, and each setting that is offered; other parameters are refused."""
    make_enum: Any = StrEnum  # mypy knows literal members alone
    formats = make_enum("format", list(FORMATS))
    offered: dict[str, Any] = {"format": (formats, formats("png"))}
    for setting in shared_settings():
        kind = make_enum(setting.name, list(setting.metadata["shared"]))
        offered[setting.name] = (kind | None, None) if setting.default is None else (kind, kind(setting.default))
    return create_model("FuseQuery", __config__=ConfigDict(extra="forbid"), **offered)


FuseQuery: Any = _make_query()


def make_router(limits: Limits, worker: Worker) -> APIRouter:
    """Builds the router.

    Args:
        limits: What one request may bring.
        worker: Does the work.
    """
    router = APIRouter(tags=["for programs"])

    @router.post("/fuse", response_class=Response)
    async def fuse_frames(
        request: Request,
        frames: Annotated[list[UploadFile], File(description="two or more, in the order of the stack")],
        query: Annotated[FuseQuery, Query()],
        accept: Annotated[str, Header()] = "*/*",
    ) -> Response:
        """Fuses photographs and answers with the image; `curl -F frames=@a.jpg -F frames=@b.jpg URL/fuse -o fused.png`.

        The header X-Remarks has what was noticed, a JSON list of sentences: frames that were left out, motion that
        could not be measured. With the header `Accept: application/json` the answer is JSON: the image in base64, its
        type, the remarks, and what was done.

        400 and 422 say in one sentence what is wrong, 413 that the frames are too large, 503 that too much waits.
        """
        if not 2 <= len(frames) <= MOST_FRAMES:
            raise InputError(f"from 2 to {MOST_FRAMES} frames can be fused, received {len(frames)}.")
        if sum(frame.size or 0 for frame in frames) > limits.bytes:
            raise HTTPException(413, f"all frames together may have {limits.bytes / 1e9:.1f} GB.")
        settings = query.model_dump(mode="json")
        kind = settings.pop("format")
        names = [frame.filename or "a frame" for frame in frames]
        folder = await asyncio.to_thread(new_folder)
        try:
            paths = [
                await asyncio.to_thread(_receive, frame, folder / str(number), limits)
                for number, frame in enumerate(frames)
            ]
            output = folder / f"fused.{kind}"
            task = worker.submit(partial(_fuse, paths, names, output, parse_settings(settings)))
            while not await asyncio.to_thread(task.wait, PATIENCE):
                if worker.stopping:
                    raise HTTPException(503, "the server ends.")
                if await request.is_disconnected():
                    task.cancel()
            if isinstance(task.error, InputError):
                with named(dict(zip(paths, names, strict=True))):
                    raise task.error
            if task.state != "done":
                reason = explain(task.error) if task.error else "it was cancelled."
                raise HTTPException(500 if task.error else 503, reason) from task.error
            content = await asyncio.to_thread(output.read_bytes)
            return _answer(content, FORMATS[kind], task.result, as_json="application/json" in accept)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    return router


def _fuse(
    paths: Sequence[Path], names: Sequence[str], output: Path, settings: FusionSettings, observe: Observer
) -> dict[str, Any]:
    """Fuses the frames into a file; returns what was done."""
    result: Result = fuse(paths, settings, observe, names)
    write_image(output, result.image, metadata=result.stack.metadata)
    return result.describe()


def _answer(content: bytes, media_type: str, summary: dict[str, Any], as_json: bool) -> Response:
    remarks = list(summary["remarks"])
    if as_json:
        body = {"image": base64.b64encode(content).decode("ascii"), "type": media_type, **summary}
        return Response(json.dumps(body), media_type="application/json")
    shown = json.dumps(remarks)
    while len(shown) > LONGEST_HEADER:
        remarks.pop()
        shown = json.dumps([*remarks, "... and more; the JSON answer has all"])
    return Response(content, media_type=media_type, headers={REMARKS_HEADER: shown})


def _receive(upload: UploadFile, path: Path, limits: Limits) -> Path:
    """Keeps a file of a request under a name that its own cannot spoil, but for its ending."""
    path = path.with_name(path.name + safe_suffix(upload.filename or ""))
    size = 0
    with path.open("wb") as file:
        while chunk := upload.file.read(CHUNK):
            size += len(chunk)
            if size > limits.frame_bytes:
                raise HTTPException(413, f"a frame may have {limits.frame_bytes / 1e6:.0f} MB.")
            file.write(chunk)
    return path
