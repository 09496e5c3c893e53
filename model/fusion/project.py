"""A project: which frames are fused, how, and what was retouched, in a small file that gives the same pixels again."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from data.io.fields import check_values
from data.io.files import file_digest, read_json, write_json
from data.registration.prepared import ALIGN, CROP, MATCH_EXPOSURE
from data.runtime.errors import InputError
from model.fusion import PREFERENCES
from model.fusion.retouch import Stroke

FORMAT = 1
"""Version of the file."""

LARGEST_RADIUS = 4000.0
"""Of a brush, in pixels."""

CHOICES = {
    "strategy": ("learned", "refined"),
    "align": ALIGN,
    "crop": CROP,
    "match_exposure": MATCH_EXPOSURE,
    "prefer": (None, *PREFERENCES),
}
"""What each setting may be; the first is the default."""


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
class Settings:
    """How frames are fused; as the options of `fuse.py` of these names."""

    strategy: Literal[CHOICES["strategy"]] = "learned"
    align: Literal[ALIGN] = "auto"
    crop: Literal[CROP] = "common"
    match_exposure: Literal[MATCH_EXPOSURE] = "auto"
    prefer: Literal[CHOICES["prefer"]] = None

    def __post_init__(self):
        for name, choices in CHOICES.items():
            value = getattr(self, name)
            if value not in choices:
                raise InputError(f"{name} must be one of {', '.join(map(str, choices))}, received {value!r}.")
        if self.prefer and self.strategy != "learned":
            raise InputError(f"prefer is for the strategy learned, not for {self.strategy}.")


@dataclass(frozen=True)
class Project:
    """What a result comes from.

    Attributes:
        frames: In order; two or more.
        settings: How they are fused.
        strokes: What was painted over the result, in order.
    """

    frames: tuple[Frame, ...]
    settings: Settings = field(default_factory=Settings)
    strokes: tuple[Stroke, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """A JSON object, which `parse_project` reads."""
        return {"format": FORMAT, **asdict(self)}

    def locate(self, folder: Path) -> list[Path]:
        """The files of its frames in a folder.

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
        unknown = set(content["settings"]) - set(CHOICES)
        if unknown:
            raise ValueError(f"unknown setting {sorted(unknown)[0]!r}")
        strokes = tuple(parse_stroke(stroke, len(frames)) for stroke in content["strokes"])
        return Project(tuple(frames), Settings(**content["settings"]), strokes)
    except (ValueError, TypeError) as error:
        raise InputError(f"{name} is no project: {str(error).rstrip('.')}.") from error


def parse_stroke(content: Any, frames: int) -> Stroke:
    """Makes a stroke of a JSON value.

    Args:
        content: With the attributes of `Stroke`.
        frames: How many there are.

    Raises:
        InputError: It is none.
    """
    try:
        _check(content, {"frame": int, "radius": float, "softness": float, "points": list[Any]})
        if not 0 <= content["frame"] < frames:
            raise ValueError(f"there is no frame {content['frame']}")
        if not 0.5 <= content["radius"] <= LARGEST_RADIUS or not 0 <= content["softness"] <= 1:
            raise ValueError(f"the radius is from 0.5 to {LARGEST_RADIUS:g} pixels, the softness from 0 to 1")
        check_values({"points": list[tuple[float, float]]}, {"points": [tuple(point) for point in content["points"]]})
        if not content["points"]:
            raise ValueError("there is no point")
        points = tuple((float(x), float(y)) for x, y in content["points"])
        if any(abs(value) > 1e6 for point in points for value in point):
            raise ValueError("a point is out of reach")
        return Stroke(content["frame"], points, float(content["radius"]), float(content["softness"]))
    except (ValueError, TypeError) as error:
        raise InputError(f"a stroke cannot be used: {str(error).rstrip('.')}.") from error


def _parse_frame(content):
    _check(content, {"file": str, "sha256": str})
    if not content["file"] or Path(content["file"]).name != content["file"]:
        raise ValueError(f"{content['file']!r} is no file name")
    return Frame(content["file"], content["sha256"])


def _check(content, kinds):
    if not isinstance(content, dict):
        raise ValueError("it holds no object where one is needed")
    check_values(kinds, content)
