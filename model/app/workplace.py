"""State of one browser tab: its frames, the result, what is painted over it; files in a folder of its own."""

import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.imaging.pixels import quantize, to_uint8
from data.io.files import file_digest
from data.io.image_header import read_header
from data.io.image_io import read_photograph, write_image
from data.io.listing import MOST_FRAMES
from data.registration.prepared import FramesByNumber, Observer
from data.runtime.errors import InputError
from model.app.folders import new_folder, safe_suffix
from model.app.fusing import named
from model.app.limits import Budget
from model.app.pyramid import Pyramid
from model.app.worker import Task
from model.fusion.depth import DepthMap
from model.fusion.parallax import write_rocking, write_stereo
from model.fusion.peaking import mark_sharp
from model.fusion.pipeline import Result, fuse, loaded_fuser
from model.fusion.project import DECIDING, Frame, Project
from model.fusion.retouch import Paints, Stroke, paint, retouch
from model.fusion.settings import FusionSettings

THUMBNAIL = 240
"""Longest side of a thumbnail, in pixels."""

DECODING = 12
"""Bytes of memory that decoding needs for a pixel, of samples of 8 bits: four channels, three times."""

DEPTH_FILES = {"depth": ".png", "confidence": ".png", "rocking": ".webp", "stereo": ".jpg"}
"""What is made from the depth, and the types of its files."""

KEPT = 4
"""Pictures besides the result that stay in memory."""


@dataclass(frozen=True)
class Upload:
    """A frame that was dropped on the page.

    Attributes:
        path: Of its file here.
        name: That the user knows it by.
        sha256: Of the file.
        size: Width and height, in pixels.
        thumbnail: A small JPEG.
    """

    path: Path
    name: str
    sha256: str
    size: tuple[int, int]
    thumbnail: bytes


@dataclass
class Retouched:
    """A result, and how it was retouched since.

    Attributes:
        uploads: The frames, by their numbers, in order.
        settings: How they were fused.
        fused: As it was fused.
        image: Retouched, in the range of the prepared frames, (H, W, 3) or (H, W).
        pyramid: Its tiles.
        strokes: Painted over it.
        second: What other settings made of the same aligned frames: these settings, and what was fused so.
        version: Another number after each change of it.
    """

    uploads: tuple[int, ...]
    settings: FusionSettings
    fused: Result
    image: np.ndarray
    pyramid: Pyramid
    strokes: list[Stroke] = field(default_factory=list)
    second: tuple[FusionSettings, np.ndarray] | None = None
    version: int = 1

    @property
    def frames(self) -> FramesByNumber:
        """The aligned frames by their numbers in the stack."""
        return FramesByNumber(self.fused.stack.images)

    @property
    def paints(self) -> Paints:
        """What strokes paint with."""
        return Paints(self.frames, self.fused.fused, self.second[1] if self.second else None)

    def other(self, uploads: Sequence[int], settings: FusionSettings) -> tuple[FusionSettings, np.ndarray] | None:
        """What becomes the second result when these frames are fused anew: this one where other settings decided it."""
        if tuple(uploads) != self.uploads or _aligning(settings) != _aligning(self.settings):
            return None
        return self.second if settings == self.settings else (self.settings, self.fused.fused)


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
                upload = self._look(kept, name)
            except BaseException:
                kept.replace(path)
                raise
        with self._lock:
            number = int(path.name)
            self._uploads[number] = upload
        width, height = upload.size
        return {"id": number, "name": name, "sha256": upload.sha256, "width": width, "height": height}

    def _look(self, path: Path, name: str) -> Upload:
        """Decodes a frame, as far as memory is left."""
        header = read_header(path)
        height, width = header.size
        with self._memory.hold(DECODING * height * width * header.dtype.itemsize):
            image = to_uint8(read_photograph(path, "ignore")[0])
            scale = THUMBNAIL / max(height, width)
            if scale < 1:
                small = max(1, round(width * scale)), max(1, round(height * scale))
                image = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        values = image if image.ndim == 2 else image[..., ::-1]
        thumbnail = cv2.imencode(".jpg", values, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes()
        return Upload(path, name, file_digest(path, "sha256"), (width, height), thumbnail)

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
                settings = project.settings
                fused = fuse([upload.path for upload in uploads], settings, observe, names)
                second = self._second(numbers, project, fused)
                paints = Paints(FramesByNumber(fused.stack.images), fused.fused, second[1] if second else None)
                image = retouch(paints, project.strokes, observe)
        finally:
            self._fusing = ()
        pyramid = Pyramid(image)
        with self._lock:
            version = self._result.version + 1 if self._result else 1
            strokes = list(project.strokes)
            self._result = Retouched(tuple(numbers), settings, fused, image, pyramid, strokes, second, version)
            for layer in [layer for layer in self._pictures if not layer.startswith("upload-")]:
                del self._pictures[layer]

    def _second(
        self, numbers: Sequence[int], project: Project, fused: Result
    ) -> tuple[FusionSettings, np.ndarray] | None:
        """Returns the second result beside a new one: the one that strokes paint with, else the result of before."""
        before = self._result
        found = before.other(numbers, project.settings) if before else None
        if project.second is None or (found and found[0] == project.second):
            return found
        if before and before.second and found and before.second[0] == project.second:
            return before.second
        return project.second, loaded_fuser(project.second).decide(fused.stack.images).fused

    def describe(self) -> dict[str, Any]:
        """What the page shows of the result, as JSON values.

        Raises:
            InputError: There is none yet.
        """
        with self._lock:
            result = self._need()
            height, width = result.image.shape[:2]
            used = result.fused.stack.images.frame_numbers
            return {
                "version": result.version,
                "width": width,
                "height": height,
                "frames": list(result.uploads),
                "left_out": [one for n, one in enumerate(result.uploads) if n not in used],
                "remarks": list(result.fused.remarks),
                "strokes": len(result.strokes),
                "second": _in_words(result.second[0]) if result.second else None,
                "depth": result.settings.chosen_strategy == "learned",
                "colors": _hex(_colors(len(result.uploads))),
                "depth_colors": _hex(_depth_colors()),
                "summary": result.fused.describe(),
            }

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
            result = self._need()
            window = paint(result.image, result.paints[stroke.frame], stroke)
            if window is not None:
                result.pyramid.update(result.image, window)
            result.strokes.append(stroke)
            result.version += 1
            return self.describe()

    def undo(self) -> dict[str, Any]:
        """Takes the last stroke back; returns as `describe`."""
        with self._lock:
            result = self._need()
            if result.strokes:
                result.strokes.pop()
                result.image = retouch(result.paints, result.strokes)
                result.pyramid = Pyramid(result.image)
                result.version += 1
            return self.describe()

    def frame_at(self, x: int, y: int) -> int | None:
        """The number of the frame from which a pixel of the result was taken; None beside it, and where nothing
        tells."""
        with self._lock:
            decided = self._need().fused.decision_map
            if decided is None or not (0 <= y < decided.shape[0] and 0 <= x < decided.shape[1]):
                return None
            return int(decided[y, x])

    def save(self, suffix: str, quality: int = 95) -> Path:
        """Writes the result, with the metadata of the first frame; returns its file, which the caller removes.

        Raises:
            InputError: There is none, or the type cannot hold it.
        """
        with self._lock:
            result = self._need()
            self._saved += 1
            path = self.folder / f"result-{self._saved}.{suffix}"
            as_given = result.fused.stack.as_given
            image = as_given(result.image) if suffix in ("png", "tif") else to_uint8(result.image)
            write_image(path, image, quality, result.fused.stack.metadata)
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
        from model.fusion.pictures import DEPTH_SCALE  # loads matplotlib

        with self._lock:
            fused = self._need().fused
            if fused.depth is None or fused.confidence is None:
                raise InputError("this result has no depth map: its strategy finds none.")
            self._saved += 1
            path = self.folder / f"result-{self._saved}{DEPTH_FILES[kind]}"
            if kind == "depth":
                write_image(path, quantize(fused.depth * DEPTH_SCALE, np.uint16))
            elif kind == "confidence":
                write_image(path, quantize(fused.confidence * 255))
            else:
                write = write_rocking if kind == "rocking" else write_stereo
                write(path, to_uint8(self._need().image), DepthMap(fused.depth, fused.confidence))
            return path

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
            return _picture(self._need(), layer)
        upload = self.upload(int(number[:18]))
        width, height = upload.size
        with self._memory.hold(DECODING * height * width), named({upload.path: upload.name}):
            image = to_uint8(read_photograph(upload.path, "ignore")[0])
            return mark_sharp(image) if kind == "peaks" else image

    def _need(self) -> Retouched:
        if self._result is None:
            raise InputError("nothing has been fused yet.")
        return self._result

    def _forget(self, size: int) -> None:
        with self._lock:
            self._bytes -= size


def _aligning(settings: FusionSettings) -> FusionSettings:
    """Returns settings without what only decides the result."""
    default = FusionSettings()
    return replace(settings, **{name: getattr(default, name) for name in DECIDING})


def _in_words(settings: FusionSettings) -> str:
    """Says how a result was decided."""
    chosen = {"strategy": settings.chosen_strategy, "prefer": settings.prefer, "average": settings.average}
    return ", ".join(f"{name} {value}" for name, value in chosen.items() if value not in (None, "auto"))


def _colors(count: int) -> np.ndarray:
    """Returns the colors of so many frames in the picture of the decision map, (count, 3) uint8."""
    from model.fusion.pictures import source_colors  # loads matplotlib

    return source_colors(np.arange(count))


def _depth_colors() -> np.ndarray:
    """Returns some colors of the picture of the depth map, from the first frame to the last, (9, 3) uint8."""
    from model.fusion.pictures import depth_colors  # loads matplotlib

    steps = np.linspace(0, 1, 9, dtype=np.float32)[None]
    return depth_colors(DepthMap(steps, np.ones_like(steps)), 1)[0]


def _hex(colors: np.ndarray) -> list[str]:
    """Returns colors, (N, 3) uint8, as style sheets name them."""
    return [f"#{bytes(color).hex()}" for color in colors]


def _picture(result: Retouched, layer: str) -> np.ndarray:
    """Draws what led to the result, for looking at."""
    kind, _, number = layer.partition("-")
    if layer == "map" and result.fused.decision_map is not None:
        from model.fusion.pictures import source_colors  # loads matplotlib

        return source_colors(result.fused.decision_map)
    if layer == "depth" and result.fused.depth is not None and result.fused.confidence is not None:
        from model.fusion.pictures import depth_colors  # loads matplotlib

        return depth_colors(DepthMap(result.fused.depth, result.fused.confidence), len(result.uploads) - 1)
    if layer == "second" and result.second:
        return to_uint8(result.second[1])
    if kind == "frame" and number.isdecimal() and int(number) < len(result.uploads):
        return result.frames[int(number)]
    raise InputError(f"there is no picture {layer!r}.")
