"""Fusion for the page and for programs: fusers that stay loaded, and errors that name frames as their owner does."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from data.io.frames import Frames
from data.io.listing import Stack
from data.registration.prepared import Observer, PreparedFrames
from data.runtime.errors import InputError
from model.fusion.fuser import Fuser, load_fuser
from model.fusion.project import Settings

FORMATS = {"png": "image/png", "tif": "image/tiff", "jpg": "image/jpeg"}
"""Types that a result is saved in."""


class Fusers:
    """Fusers by what they are asked for, loaded once; for the one thread of a worker.

    Args:
        load: Loads a fuser; see `load_fuser`.
    """

    def __init__(self, load: Callable[..., Fuser] = load_fuser):
        self._load, self._loaded = load, {}
        self._observe = None

    def __call__(self, settings: Settings, observe: Observer) -> Fuser:
        """The fuser for settings, which tells `observe` of its progress."""
        self._observe = observe
        key = settings.strategy, settings.prefer
        if key not in self._loaded:
            observe("loading the network", 0, 1)
            tell = lambda *progress: self._observe(*progress)  # noqa: E731
            self._loaded[key] = self._load(strategy=settings.strategy, prefer=settings.prefer, observe=tell)
        return self._loaded[key]


def prepare(paths: Sequence[Path], settings: Settings, observe: Observer) -> tuple[Frames, PreparedFrames]:
    """The frames of a stack as they are, and laid on each other as the settings say."""
    frames = Frames(Stack("stack", tuple(paths)))
    options = {"align": settings.align, "crop": settings.crop, "match_exposure": settings.match_exposure}
    return frames, PreparedFrames(frames, **options, observe=observe)


@contextmanager
def named(names: Mapping[Path, str]) -> Iterator[None]:
    """Names files in the message of an `InputError` as their owner knows them."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for path, name in names.items():
            text = text.replace(str(path), name)
        raise InputError(text) from error
