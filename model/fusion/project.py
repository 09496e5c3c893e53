"""A project: which frames are fused, how, and what was retouched, in a small file that gives the same pixels again."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from data.io.fields import check_values
from data.io.files import file_digest, read_json, write_json
from data.runtime.errors import InputError
from model.fusion.retouch import ERASER, SECOND, Stroke
from model.fusion.settings import FusionSettings, shared_settings

FORMAT = 1
"""Version of the file."""

DECIDING = ("average", "strategy", "prefer")
"""Settings that change what is made of aligned frames, and not the frames."""

LARGEST_RADIUS = 4000.0
"""Largest radius of a brush, in pixels."""


@dataclass(frozen=True)
class Frame:
    """A frame of a project.

    Attributes:
        file: Its name, beside the project.
        sha256: Of its content.
    """

    file: str
    sha256: str


@dataclass(frozen=True)
class Project:
    """What a result comes from.

    Attributes:
        frames: In order; two or more.
        settings: How they are fused; a file keeps those that `shared_settings` names.
        strokes: What was painted over the result, in order.
        second: How the second result was decided that some strokes paint with: as `settings`, except for `DECIDING`.
    """

    frames: tuple[Frame, ...]
    settings: FusionSettings = field(default_factory=FusionSettings)
    strokes: tuple[Stroke, ...] = ()
    second: FusionSettings | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns a JSON object that `parse_project` reads."""
        frames, strokes = ([asdict(one) for one in many] for many in (self.frames, self.strokes))
        content = {"format": FORMAT, "frames": frames, "settings": self.settings.shared(), "strokes": strokes}
        if self.second and any(stroke.frame == SECOND for stroke in self.strokes):
            content["second"] = {name: getattr(self.second, name) for name in DECIDING}
        return content

    def locate(self, folder: Path) -> list[Path]:
        """Finds the files of its frames in a folder.

        Raises:
            InputError: One is missing, or has another content.
        """
        paths = [folder / frame.file for frame in self.frames]
        for path, frame in zip(paths, self.frames, strict=True):
            if file_digest(path, "sha256") != frame.sha256:
                raise InputError(f"{path} is not the frame that the project was made of: its content is another.")
        return paths


def write_project(path: Path, project: Project) -> None:
    """Writes a project; errors as `data.io.files.write_json`."""
    write_json(path, project.to_json())


def read_project(path: Path) -> Project:
    """Reads a project.

    Raises:
        InputError: The file cannot be read, or is none.
    """
    return parse_project(read_json(path), str(path))


def parse_project(content: Any, name: str) -> Project:
    """Makes a project of a JSON value; `name` is for messages.

    Raises:
        InputError: It is none.
    """
    try:
        _check(content, {"format": int, "frames": list[Any], "settings": dict, "strokes": list[Any]})
        if content["format"] != FORMAT:
            raise ValueError(f"its format is {content['format']}, this program reads {FORMAT}")
        frames = [_parse_frame(frame) for frame in content["frames"]]
        if len(frames) < 2:
            raise ValueError(f"it has {len(frames)} frames")
        strokes = tuple(parse_stroke(stroke, len(frames)) for stroke in content["strokes"])
        second = content.get("second")
        if second is None and any(stroke.frame == SECOND for stroke in strokes):
            raise ValueError("a stroke paints with a second result, and it does not say how that was decided")
        settings = parse_settings(content["settings"])
        return Project(tuple(frames), settings, strokes, None if second is None else _parse_second(second, settings))
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} is no project: {str(error).rstrip('.')}.") from error


def parse_settings(content: Mapping[str, Any]) -> FusionSettings:
    """Makes settings of JSON values by name; those that are missing have their defaults.

    Raises:
        InputError: One is unknown, or none of the choices that are offered here.
    """
    offered = {setting.name: setting for setting in shared_settings()}
    for name, value in content.items():
        if name not in offered:
            raise InputError(f"unknown setting {name!r}; there are {', '.join(offered)}.")
        choices = offered[name].metadata["shared"]
        if value not in choices and value != offered[name].default:
            raise InputError(f"{name} must be one of {', '.join(choices)}, received {value!r}.")
    return FusionSettings(**content)


def parse_stroke(content: Any, frames: int) -> Stroke:
    """Makes a stroke of a JSON value.

    Args:
        content: With the attributes of `Stroke`.
        frames: How many there are.

    Raises:
        InputError: It is none.
    """
    try:
        content = {"opacity": 1.0, **content} if isinstance(content, dict) else content  # older projects have none
        _check(content, {"frame": int, "radius": float, "softness": float, "opacity": float, "points": list[Any]})
        if not (content["frame"] in (ERASER, SECOND) or 0 <= content["frame"] < frames):
            raise ValueError(f"there is no frame {content['frame']}")
        if not 0.5 <= content["radius"] <= LARGEST_RADIUS or not 0 <= content["softness"] <= 1:
            raise ValueError(f"the radius is from 0.5 to {LARGEST_RADIUS:g} pixels, the softness from 0 to 1")
        if not 0 <= content["opacity"] <= 1:
            raise ValueError("the opacity is from 0 to 1")
        check_values({"points": list[tuple[float, float]]}, {"points": [tuple(point) for point in content["points"]]})
        if not content["points"]:
            raise ValueError("there is no point")
        points = tuple((float(x), float(y)) for x, y in content["points"])
        if not all(abs(value) <= 1e6 for point in points for value in point):
            raise ValueError("a point is out of reach")
        radius, softness, opacity = (float(content[name]) for name in ("radius", "softness", "opacity"))
        return Stroke(content["frame"], points, radius, softness, opacity)
    except (ValueError, TypeError) as error:
        raise InputError(f"a stroke cannot be used: {str(error).rstrip('.')}.") from error


def _parse_second(content: Any, settings: FusionSettings) -> FusionSettings:
    if not isinstance(content, dict) or not content.keys() <= set(DECIDING):
        raise ValueError(f"a second result may differ in {', '.join(DECIDING)}")
    others = {name: value for name, value in settings.shared().items() if name not in DECIDING}
    return parse_settings({**others, **content})


def _parse_frame(content: Any) -> Frame:
    _check(content, {"file": str, "sha256": str})
    if not content["file"] or Path(content["file"]).name != content["file"]:
        raise ValueError(f"{content['file']!r} is no file name")
    return Frame(content["file"], content["sha256"])


def _check(content: Any, kinds: Mapping[str, Any]) -> None:
    if not isinstance(content, dict):
        raise ValueError("it holds no object where one is needed")
    check_values(kinds, content)
