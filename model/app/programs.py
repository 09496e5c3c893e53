"""The address for programs: `POST /fuse`."""

import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, File, HTTPException, Query, Response, UploadFile

from data.io.image_io import write_image
from data.io.listing import LARGEST
from data.registration.prepared import Observer
from data.runtime.errors import InputError, explain
from model.app.fusing import FORMATS, Fusers, named, prepare
from model.app.limits import Limits
from model.app.worker import Worker
from model.fusion.project import Settings

CHUNK = 1 << 20
"""Bytes that are written at once."""


def addresses(limits: Limits, worker: Worker, fusers: Fusers) -> APIRouter:
    """Makes them.

    Args:
        limits: What one request may bring.
        worker: Does the work.
        fusers: Gives the fuser for settings.
    """
    router = APIRouter(tags=["for programs"])

    @router.post("/fuse", response_class=Response)
    def fuse(
        frames: Annotated[list[UploadFile], File(description="two or more, in the order of the stack")],
        settings: Annotated[Settings, Depends()],
        format: Annotated[Literal["png", "tif", "jpg"], Query()] = "png",
    ):
        """Fuses photographs and answers with the image; `curl -F frames=@a.jpg -F frames=@b.jpg URL/fuse -o fused.png`.

        400 and 422 say in one sentence what is wrong, 413 that the frames are too large, 503 that too much waits.
        """
        if not 2 <= len(frames) <= LARGEST:
            raise InputError(f"from 2 to {LARGEST} frames can be fused, received {len(frames)}.")
        if sum(frame.size for frame in frames) > limits.bytes:
            raise HTTPException(413, f"all frames together may have {limits.bytes / 1e9:.1f} GB.")
        with tempfile.TemporaryDirectory(prefix="multifocus-") as folder:
            paths = [_receive(frame, Path(folder) / str(n), limits) for n, frame in enumerate(frames)]
            output = Path(folder) / f"fused.{format}"
            task = worker.submit(partial(_fuse, paths, output, settings, fusers))
            task.wait()
            if isinstance(task.error, InputError):
                with named({path: frame.filename or "a frame" for path, frame in zip(paths, frames, strict=True)}):
                    raise task.error
            if task.state != "done":
                reason = explain(task.error) if task.error else "it was cancelled."
                raise HTTPException(500, reason) from task.error
            return Response(output.read_bytes(), media_type=FORMATS[format])

    return router


def _fuse(paths: Sequence[Path], output: Path, settings: Settings, fusers: Fusers, observe: Observer) -> None:
    frames, images = prepare(paths, settings, observe)
    write_image(output, fusers(settings, observe)(images), metadata=frames.metadata)


def _receive(upload: UploadFile, path: Path, limits: Limits) -> Path:
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
