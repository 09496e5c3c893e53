"""What is compared on stacks with a truth: our default and its parts switched off, other tools, folders of results, and
the best possible choice of pixels."""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.io.files import file_digest, read_json
from data.io.image_folder import ImageFolder
from data.io.image_io import read_image
from data.io.listing import natural_key
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from data.runtime.names import checked_name
from model.fusion.fuser import Fuser

OUR_DEFAULT = "default"
"""Our method as `fuse.py` runs it without options."""

STACK_VARIANTS: dict[str, dict[str, Any]] = {
    OUR_DEFAULT: {},
    "not-aligned": {"align": "none"},
    "brightness-as-is": {"match_exposure": "none"},
    "no-volume": {"use_volume": False},
    "lights-as-all": {"find_lights": False},
    "not-averaged": {"average": "none"},
    "small-regions-removed": {"keep_visible": False},
    "refined": {"strategy": "refined"},
}
"""Our variants, each with one part switched off or another strategy: name to what `fuse_stack` is given."""

TOOLS: dict[str, tuple[str, ...]] = {
    "focus-stack": ("focus-stack", "--output={result}", "{frames}"),
    # What enfuse's manual recommends for focus stacks: contrast alone decides, each pixel comes from one frame.
    "enfuse": (
        *("enfuse", "--exposure-weight=0", "--saturation-weight=0", "--contrast-weight=1", "--hard-mask"),
        *("--output={result}", "{frames}"),
    ),
}
"""Command lines of tools that run if they are on the PATH. Shine Stacker has no command line: give a folder of its
results."""

CHOICE = "choice"
"""Name of the upper bound, `best_choice`."""

DIFFERENCES = ("breathing", "drift", "turn", "flicker", "vignetting")
"""Keys of `scene.json` that are not zero where frames are not aligned or differ in exposure."""

CHOICE_SIGMA = 1.5
"""Standard deviation in pixels of the window in which the choice compares errors: from pixel to pixel it would fit the
noise."""

LONGEST_RUN = 1800
"""Seconds after which a tool is stopped."""

TRUTH = "truth.png"
"""File of the sharp scene in the folder of a stack; images whose names are numbers are its frames."""


@dataclass(frozen=True)
class RenderedStack:
    """Frames of one scene, and the sharp scene.

    Attributes:
        name: Its folder, below the one that was searched.
        frames: In natural order of their names.
        truth: The sharp scene, as the middle frame shows it.
        differs: Whether the frames are not aligned or differ in exposure, according to `scene.json`.
    """

    name: str
    frames: tuple[Path, ...]
    truth: Path
    differs: bool = False

    def read(self) -> list[np.ndarray]:
        """Reads the frames, (H, W, 3) uint8 RGB each."""
        return [read_image(path) for path in self.frames]


@dataclass(frozen=True)
class StackMethod:
    """A method that fuses a stack into one picture.

    Attributes:
        fuse: Fuses a stack; returns (H, W, 3) uint8 RGB.
        inputs: What decides the result besides the frames, for one stack; JSON values.
        bound: Whether it is an upper bound, which is not ranked, and known only of frames that differ in
            nothing but focus.
    """

    fuse: Callable[[RenderedStack], np.ndarray]
    inputs: Callable[[RenderedStack], Any]
    bound: bool = False


def fuse_stack(
    frames: Sequence[np.ndarray],
    *,
    strategy: str | None = None,
    align: str = "auto",
    match_exposure: str = "auto",
    **parts: Any,
) -> np.ndarray:
    """Fuses a stack with the bundled weights.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        strategy: As for `load_fuser`.
        align: As for `PreparedFrames`.
        match_exposure: As for `PreparedFrames`.
        parts: Attributes of `LearnedStrategy` that are set for this stack.
    """
    prepared = PreparedFrames(frames, align=align, match_exposure=match_exposure)
    return fuse_prepared(prepared, strategy=strategy, **parts)


def fuse_prepared(images: PreparedFrames, *, strategy: str | None = None, **parts: Any) -> np.ndarray:
    """Fuses a prepared stack; arguments as `fuse_stack`."""
    return _fuser(strategy, tuple(parts.items()))(images)


def best_choice(frames: Iterable[np.ndarray], truth: np.ndarray) -> np.ndarray:
    """Takes each pixel from the frame that is closest to the truth around it: the best result that a choice of pixels
    can give.

    Args:
        frames: (H, W, 3) uint8 RGB each, lying on each other and on the truth.
        truth: The sharp scene.
    """
    best, least = np.empty_like(truth), np.full(truth.shape[:2], np.inf)
    for frame in frames:
        error = cv2.GaussianBlur(np.square(frame.astype(np.float32) - truth).sum(-1), (0, 0), CHOICE_SIGMA)
        closer = error < least
        best[closer], least[closer] = frame[closer], error[closer]
    return best


def choose(names: Sequence[str] | None, folders: Mapping[str, Path]) -> tuple[dict[str, StackMethod], list[str]]:
    """Chooses the methods of a comparison.

    Args:
        names: In `STACK_VARIANTS` or `TOOLS`, or `CHOICE`; None takes all.
        folders: Name to a folder of results, STACK.png or with another image suffix.

    Returns:
        Name to method, ours first, and the tools that are not installed.

    Raises:
        InputError: if a folder cannot be listed, or its name is taken or cannot name a folder.
    """
    names = [*STACK_VARIANTS, *TOOLS, CHOICE] if names is None else names
    absent = [name for name in names if name in TOOLS and shutil.which(TOOLS[name][0]) is None]
    methods = {name: _to_run(name) for name in names if name not in absent}
    for name, folder in folders.items():
        if checked_name(name, "a method") in (*STACK_VARIANTS, *TOOLS, CHOICE):
            raise InputError(f"--fused: {name} is the name of a method of this command; name the folder otherwise.")
        methods[name] = _from_folder(ImageFolder(folder))
    return methods, absent


def find_rendered(folder: Path) -> list[RenderedStack]:
    """Finds every stack with a truth below a folder, at any depth, in natural order.

    Raises:
        InputError: if there is none, two have one name, one has fewer than two frames, or a `scene.json` is damaged.
    """
    found: dict[str, RenderedStack] = {}
    for truth in folder.rglob(TRUTH):
        images = {path.stem: path for path in truth.parent.iterdir() if path.stem.isdecimal()}
        if len(images) < 2:
            raise InputError(f"{truth.parent} has {len(images)} frames (00.png and so on) beside {TRUTH}; give two.")
        name = checked_name("-".join(truth.parent.relative_to(folder).parts) or folder.resolve().name, "a stack")
        if name in found:
            raise InputError(f"{truth.parent} and {found[name].truth.parent} would have one name; rename one.")
        notes = truth.parent / "scene.json"
        scene = read_json(notes) if notes.exists() else {}
        differs = isinstance(scene, dict) and any(scene.get(key) for key in DIFFERENCES)
        frames = tuple(images[stem] for stem in sorted(images, key=natural_key))
        found[name] = RenderedStack(name, frames, truth, differs)
    if not found:
        raise InputError(f"no {TRUTH} below {folder}; make stacks with `python -m data.stacks -o {folder}`.")
    return [found[name] for name in sorted(found, key=natural_key)]


def _to_run(name: str) -> StackMethod:
    if name == CHOICE:
        fuse = lambda stack: best_choice(stack.read(), read_image(stack.truth))  # noqa: E731
        return StackMethod(fuse, lambda _: [CHOICE, CHOICE_SIGMA], bound=True)
    if name in TOOLS:
        command = TOOLS[name]
        digest = file_digest(shutil.which(command[0]) or command[0], "sha256")
        return StackMethod(lambda stack: _run_tool(command, stack.frames), lambda _: [*command, digest])
    options = STACK_VARIANTS[name]
    return StackMethod(lambda stack: fuse_stack(stack.read(), **options), lambda _: options)


def _from_folder(images: ImageFolder) -> StackMethod:
    return StackMethod(
        lambda stack: read_image(images.find(stack.name)),
        lambda stack: file_digest(images.find(stack.name), "sha256"),
    )


def _run_tool(command: Sequence[str], frames: Sequence[Path]) -> np.ndarray:
    """Runs a tool on the files of a stack.

    Raises:
        InputError: if it fails; the message holds the last line that it said.
    """
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.png"
        files = [str(frame.resolve()) for frame in frames]
        words = [word for part in command for word in (files if part == "{frames}" else [part.format(result=result)])]
        try:
            done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=LONGEST_RUN)
        except subprocess.TimeoutExpired as error:
            raise InputError(f"{command[0]} did not end within {LONGEST_RUN} seconds.") from error
        if done.returncode or not result.exists():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise InputError(f"{command[0]} ended with {done.returncode} and no result; it said: {said}")
        return read_image(result)


@cache
def _fuser(strategy: str | None, parts: tuple[tuple[str, Any], ...]) -> "Fuser":
    from model import load_fuser

    fuser = load_fuser(strategy=strategy)
    for name, value in parts:
        setattr(fuser.strategy, name, value)
    return fuser
