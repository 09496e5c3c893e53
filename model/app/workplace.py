"""State of one browser tab: its frames, the result, what is painted over it; files in a folder of its own."""

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from data.io.listing import MOST_FRAMES
from data.registration.prepared import Observer
from data.runtime.errors import InputError
from model.app.folders import new_folder, safe_suffix
from model.app.fusing import named
from model.app.limits import Budget
from model.app.pyramid import Pyramid
from model.app.retouched import DEPTH_FILES, Retouched
from model.app.uploads import Upload
from model.app.worker import Task
from model.fusion.peaking import mark_sharp
from model.fusion.pipeline import fuse
from model.fusion.project import Frame, Project
from model.fusion.retouch import Stroke

KEPT = 4
"""Pictures besides the result that stay in memory."""


class Workplace:
    """State of one browser tab. Methods may be called from several threads.

    Args:
        largest: Bytes of all frames together.
        memory: For the frames that are decoded.

    Attributes:
        used: When it was last used, in seconds of `time.monotonic`.
        task: What is done for it at the moment, or was last.
    """

    def __init__(self, largest: int, memory: Budget):
        self.folder = new_folder()
        self.used = time.monotonic()
        self.task: Task | None = None
        self._largest, self._memory = largest, memory
        self._fusing: tuple[int, ...] = ()
        self._lock = threading.RLock()
        self._uploads: dict[int, Upload] = {}
        self._bytes, self._next, self._saved = 0, 0, 0
        self._result: Retouched | None = None
        self._pictures: OrderedDict[str, Pyramid] = OrderedDict()

    @property
    def is_empty(self) -> bool:
        """Whether it has no frame and receives none."""
        return self._bytes == 0

    def close(self) -> None:
        """Removes its files."""
        if self.task:
            self.task.cancel()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reserve(self, size: int) -> Path:
        """A place for a file of so many bytes.

        Raises:
            InputError: There are too many frames, or they are too large together.
        """
        with self._lock:
            if len(self._uploads) >= MOST_FRAMES:
                raise InputError(f"at most {MOST_FRAMES} frames can be fused together.")
            if self._bytes + size > self._largest:
                raise InputError(f"all frames together may have {self._largest / 1e9:.1f} GB, and these have more.")
            self._bytes += size
            self._next += 1
            return self.folder / str(self._next)

    def add(self, path: Path, name: str) -> dict[str, Any]:
        """Takes in a frame whose file was received.

        Args:
            path: As `reserve` gave it.
            name: Of the file as the user has it.

        Returns:
            What the page shows of it.

        Raises:
            InputError: It cannot be read.
        """
        kept = path.with_name(path.name + safe_suffix(name))
        with named({kept: name, path: name}):
            path.replace(kept)
            try:
                upload = Upload.read(kept, name, self._memory)
            except BaseException:
                kept.replace(path)
                raise
        with self._lock:
            number = int(path.name)
            self._uploads[number] = upload
        width, height = upload.size
        return {"id": number, "name": name, "sha256": upload.sha256, "width": width, "height": height}

    def release(self, path: Path, size: int) -> None:
        """Gives back what `reserve` gave, where the file did not arrive."""
        path.unlink(missing_ok=True)
        self._forget(size)

    def remove(self, number: int) -> None:
        """Forgets a frame that no result was made of."""
        with self._lock:
            upload = self.upload(number)
            if number in self._fusing:
                raise InputError(f"{upload.name} is being fused: cancel that before.")
            if self._result and number in self._result.uploads:
                raise InputError("the result was made of this frame: leave it out and fuse again.")
            del self._uploads[number]
            self._forget(upload.path.stat().st_size)
            upload.path.unlink(missing_ok=True)

    def upload(self, number: int) -> Upload:
        """A frame by its number.

        Raises:
            InputError: There is none.
        """
        if number not in self._uploads:
            raise InputError(f"there is no frame {number}.")
        return self._uploads[number]

    def fuse(
        self,
        numbers: Sequence[int],
        project: Project,
        observe: Observer,
    ) -> None:
        """Fuses frames; a result of before stays until this one is there.

        Args:
            numbers: Of the frames, in order.
            project: How, and what is painted over the result.
            observe: Progress callback (stage, done, total).

        Raises:
            InputError: They cannot be fused.
        """
        with self._lock:
            uploads = [self.upload(number) for number in numbers]
            self._fusing = tuple(numbers)
        try:
            with named({upload.path: upload.name for upload in uploads}):
                names = [upload.name for upload in uploads]
                fused = fuse([upload.path for upload in uploads], project.settings, observe, names)
                result = Retouched.make(tuple(numbers), project, fused, self._result, observe)
        finally:
            self._fusing = ()
        with self._lock:
            self._result = result
            for layer in [layer for layer in self._pictures if not layer.startswith("upload-")]:
                del self._pictures[layer]

    def describe(self) -> dict[str, Any]:
        """What the page shows of the result, as JSON values.

        Raises:
            InputError: There is none yet.
        """
        with self._lock:
            return self._need().describe()

    def tile(self, layer: str, level: int, row: int, column: int) -> bytes | None:
        """A tile of a picture: "result", "second", "map", "depth", "frame-N" with the number N of a frame in the stack,
        "upload-N", a frame as it was sent, or "peaks-N", what is sharp in it; None where there is none."""
        with self._lock:
            if layer == "result":
                return self._need().pyramid.tile(level, row, column)
            if layer not in self._pictures:
                self._pictures[layer] = Pyramid(self._picture(layer))
            self._pictures.move_to_end(layer)
            while len(self._pictures) > KEPT:
                self._pictures.popitem(last=False)
            return self._pictures[layer].tile(level, row, column)

    def paint(self, stroke: Stroke) -> dict[str, Any]:
        """Paints a stroke over the result; returns as `describe`."""
        with self._lock:
            self._need().paint(stroke)
            return self.describe()

    def undo(self) -> dict[str, Any]:
        """Takes the last stroke back; returns as `describe`."""
        with self._lock:
            self._need().undo()
            return self.describe()

    def frame_at(self, x: int, y: int) -> int | None:
        """The number of the frame from which a pixel of the result was taken; None beside it, and where nothing
        tells."""
        with self._lock:
            return self._need().frame_at(x, y)

    def save(self, suffix: str, quality: int = 95) -> Path:
        """Writes the result, with the metadata of the first frame; returns its file, which the caller removes.

        Raises:
            InputError: There is none, or the type cannot hold it.
        """
        with self._lock:
            path = self._new_file(f".{suffix}")
            self._need().write(path, quality)
            return path

    def save_depth(self, kind: str) -> Path:
        """Writes the depth map as `fuse.py --depth-map` does, or how sure it is; returns the file, which the caller
        removes.

        Args:
            kind: "depth", 16 bits, 256 for each frame; "confidence", 8 bits; "rocking" or "stereo", see
                `model/fusion/parallax.py`.

        Raises:
            InputError: There is none.
        """
        with self._lock:
            path = self._new_file(DEPTH_FILES[kind])
            self._need().write_depth(path, kind)
            return path

    def _new_file(self, suffix: str) -> Path:
        self._saved += 1
        return self.folder / f"result-{self._saved}{suffix}"

    def project(self) -> Project:
        """What the result comes from."""
        with self._lock:
            result = self._need()
            uploads = [self._uploads[number] for number in result.uploads]
            names = [upload.name.casefold() for upload in uploads]
            for upload in uploads:
                if names.count(upload.name.casefold()) > 1:
                    raise InputError(f"two frames are called {upload.name}: a project cannot tell them apart.")
            frames = tuple(Frame(upload.name, upload.sha256) for upload in uploads)
            second = result.second[0] if result.second else None
            return Project(frames, result.settings, tuple(result.strokes), second)

    def _picture(self, layer: str) -> np.ndarray:
        kind, _, number = layer.partition("-")
        if kind not in ("upload", "peaks") or not number.isdecimal():
            return self._need().picture(layer)
        upload = self.upload(int(number[:18]))
        with named({upload.path: upload.name}), upload.decoded(self._memory) as image:
            return mark_sharp(image) if kind == "peaks" else image

    def _need(self) -> Retouched:
        if self._result is None:
            raise InputError("nothing has been fused yet.")
        return self._result

    def _forget(self, size: int) -> None:
        with self._lock:
            self._bytes -= size
