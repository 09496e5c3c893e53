"""A result on the page: what it was made of, what is painted over it, and what is shown and saved of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from data.imaging.pixels import quantize, to_uint8
from data.io.image_io import write_image
from data.registration.prepared import FramesByNumber, Observer
from data.runtime.errors import InputError
from model.app.pyramid import Pyramid
from model.fusion.depth import DepthMap
from model.fusion.parallax import write_rocking, write_stereo
from model.fusion.pipeline import Result, loaded_fuser
from model.fusion.project import DECIDING, Project
from model.fusion.retouch import Paints, Stroke, paint, retouch
from model.fusion.settings import FusionSettings

DEPTH_FILES = {"depth": ".png", "confidence": ".png", "rocking": ".webp", "stereo": ".jpg"}
"""What is made from the depth, and the types of its files."""

Second = tuple[FusionSettings, np.ndarray]
"""How a second result was decided, and what came of it."""


@dataclass
class Retouched:
    """A result, and how it was retouched since.

    Attributes:
        uploads: The frames, by their numbers on the page, in order.
        settings: How they were fused.
        fused: As it was fused.
        image: Retouched, in the range of the prepared frames, (H, W, 3) or (H, W).
        pyramid: Its tiles.
        strokes: Painted over it.
        second: What other settings made of the same aligned frames.
        version: Another number after each change of it.
    """

    uploads: tuple[int, ...]
    settings: FusionSettings
    fused: Result
    image: np.ndarray
    pyramid: Pyramid
    strokes: list[Stroke] = field(default_factory=list)
    second: Second | None = None
    version: int = 1

    @classmethod
    def make(
        cls, uploads: Sequence[int], project: Project, fused: Result, before: "Retouched | None", observe: Observer
    ) -> "Retouched":
        """Paints over what was fused.

        Args:
            uploads: The frames, by their numbers on the page.
            project: How they were fused, and what is painted.
            fused: What came of it.
            before: The result of before; where other settings decided it, it becomes the second one.
            observe: Progress callback (stage, done, total).
        """
        found = before._second_for(uploads, project.settings) if before else []
        second = found[0] if found else None
        if project.second:  # which strokes paint with
            known = [one for one in found if one[0] == project.second]
            second = (
                known[0] if known else (project.second, loaded_fuser(project.second).decide(fused.stack.images).fused)
            )
        image = retouch(_paints(fused, second), project.strokes, observe)
        version = before.version + 1 if before else 1
        strokes = list(project.strokes)
        return cls(tuple(uploads), project.settings, fused, image, Pyramid(image), strokes, second, version)

    def _second_for(self, uploads: Sequence[int], settings: FusionSettings) -> list[Second]:
        """Lists what can become the second result of the same aligned frames, fused anew; the newest first."""
        if tuple(uploads) != self.uploads or _aligning(settings) != _aligning(self.settings):
            return []
        own = [] if settings == self.settings else [(self.settings, self.fused.fused)]
        return [*own, *([self.second] if self.second else [])]

    @property
    def frames(self) -> FramesByNumber:
        """The aligned frames by their numbers in the stack."""
        return FramesByNumber(self.fused.stack.images)

    def describe(self) -> dict[str, Any]:
        """What the page shows of it, as JSON values."""
        height, width = self.image.shape[:2]
        used = self.fused.stack.images.frame_numbers
        return {
            "version": self.version,
            "width": width,
            "height": height,
            "frames": list(self.uploads),
            "left_out": [one for n, one in enumerate(self.uploads) if n not in used],
            "remarks": list(self.fused.remarks),
            "strokes": len(self.strokes),
            "second": _in_words(self.second[0]) if self.second else None,
            "depth": self.settings.chosen_strategy == "learned",
            "colors": _hex(_colors(len(self.uploads))),
            "depth_colors": _hex(_depth_colors()),
            "summary": self.fused.describe(),
        }

    def paint(self, stroke: Stroke) -> None:
        """Paints a stroke; errors as `Paints`."""
        window = paint(self.image, _paints(self.fused, self.second)[stroke.frame], stroke)
        if window is not None:
            self.pyramid.update(self.image, window)
        self.strokes.append(stroke)
        self.version += 1

    def undo(self) -> None:
        """Takes the last stroke back."""
        if self.strokes:
            self.strokes.pop()
            self.image = retouch(_paints(self.fused, self.second), self.strokes)
            self.pyramid = Pyramid(self.image)
            self.version += 1

    def frame_at(self, x: int, y: int) -> int | None:
        """The number of the frame from which a pixel was taken; None beside the picture, and where nothing tells."""
        decided = self.fused.decision_map
        if decided is None or not (0 <= y < decided.shape[0] and 0 <= x < decided.shape[1]):
            return None
        return int(decided[y, x])

    def picture(self, layer: str) -> np.ndarray:
        """Draws what led to it, for looking at: "second", "map", "depth", or "frame-N" with the number N in the stack.

        Raises:
            InputError: There is no such picture.
        """
        kind, _, number = layer.partition("-")
        if layer == "map" and self.fused.decision_map is not None:
            from model.fusion.pictures import source_colors  # loads matplotlib

            return source_colors(self.fused.decision_map)
        if layer == "depth" and self._depth:
            from model.fusion.pictures import depth_colors  # loads matplotlib

            return depth_colors(self._depth, len(self.uploads) - 1)
        if layer == "second" and self.second:
            return to_uint8(self.second[1])
        if kind == "frame" and number.isdecimal() and int(number) < len(self.uploads):
            return self.frames[int(number)]
        raise InputError(f"there is no picture {layer!r}.")

    def write(self, path: Path, quality: int) -> None:
        """Writes it, with the metadata of the first frame.

        Raises:
            InputError: The type cannot hold it.
        """
        as_given = self.fused.stack.as_given
        image = as_given(self.image) if path.suffix in (".png", ".tif") else to_uint8(self.image)
        write_image(path, image, quality, self.fused.stack.metadata)

    def write_depth(self, path: Path, kind: str) -> None:
        """Writes what is made from the depth.

        Args:
            path: The file, of the type in `DEPTH_FILES`.
            kind: "depth", 16 bits, 256 for each frame; "confidence", 8 bits; "rocking" or "stereo", see
                `model/fusion/parallax.py`.

        Raises:
            InputError: There is no depth.
        """
        from model.fusion.pictures import DEPTH_SCALE  # loads matplotlib

        depth = self._depth
        if depth is None:
            raise InputError("this result has no depth map: its strategy finds none.")
        if kind == "depth":
            write_image(path, quantize(depth.frames * DEPTH_SCALE, np.uint16))
        elif kind == "confidence":
            write_image(path, quantize(depth.confidence * 255))
        else:
            write = write_rocking if kind == "rocking" else write_stereo
            write(path, to_uint8(self.image), depth)

    @property
    def _depth(self) -> DepthMap | None:
        if self.fused.depth is None or self.fused.confidence is None:
            return None
        return DepthMap(self.fused.depth, self.fused.confidence)


def _paints(fused: Result, second: Second | None) -> Paints:
    return Paints(FramesByNumber(fused.stack.images), fused.fused, second[1] if second else None)


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
