"""What a comparison compares: methods that are run, and folders of images that others made."""

from argparse import ArgumentTypeError
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

from data.io.files import file_digest
from data.io.image_folder import ImageFolder
from data.io.image_io import read_image
from data.io.listing import Stack
from data.runtime.errors import InputError
from data.runtime.names import checked_name
from model.baselines import BASELINES, SELF_CONTAINED
from model.baselines.channels import Method
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, default_strategy
from model.fusion.fuser import Fuser
from model.networks.stages import STRIDE

OWN = {
    "proposed": ("Proposed", None),
    "proposed-refined": ("Proposed, refined strategy", "refined"),
    "proposed-paper": ("Proposed, paper's strategy", "paper"),
}
"""Our methods: their titles and strategies; None is the default with their weights."""

PAPER = "proposed-paper"
"""Our method that does what the paper does."""

CORNER = 64
"""Rows and columns of the corner of an image that a method fuses once before its time is measured."""


@dataclass(frozen=True)
class Run:
    """A method that is run.

    Attributes:
        title: As tables name it.
        key: What, with the sources, decides its results.
        load: Makes the method; called once, when there is something to do.
        pairs_only: Whether it takes two images and no more.
    """

    title: str
    key: str
    load: Callable[[], Callable[..., np.ndarray]]
    pairs_only: bool = True

    @cached_property
    def _method(self) -> Callable[..., np.ndarray]:
        return self.load()

    def fuser(self) -> Fuser:
        """Returns the fuser of a method of ours.

        Raises:
            TypeError: It is a method of others.
        """
        if not isinstance(self._method, Fuser):
            raise TypeError(f"{self.title} has no decision to show.")
        return self._method

    def inputs(self, stack: Stack) -> str:
        """Identifies everything besides the sources that decides the result."""
        return self.key

    def prepare(self, stack: Stack) -> None:
        """Loads the method and runs it once on a corner, so that times hold no loading and no compiling."""
        if "_method" not in self.__dict__:
            self.fuse(stack, *(read_image(path)[:CORNER, :CORNER] for path in stack.images))

    def fuse(self, stack: Stack, *images: np.ndarray) -> np.ndarray:
        """Fuses a pair, or a stack where the method can."""
        return self._method(*images)


@dataclass(frozen=True)
class Folder:
    """Images that were fused elsewhere.

    Attributes:
        title: As tables name it.
        images: The folder.
    """

    title: str
    images: ImageFolder

    def inputs(self, stack: Stack) -> str:
        """Returns the digest of the image.

        Raises:
            InputError: if there is none.
        """
        return file_digest(self.images.find(stack.name), "sha256")

    def prepare(self, stack: Stack) -> None:
        """Does nothing: the images are made already."""

    def fuse(self, stack: Stack, *images: np.ndarray) -> np.ndarray:
        """Reads the image."""
        return read_image(self.images.find(stack.name))


Competitor = Run | Folder
"""One method of a comparison."""


def choose(
    names: Iterable[str] | None, folders: Mapping[str, Path], weights: Mapping[str, Path], size: int | None = None
) -> dict[str, Competitor]:
    """Chooses the methods of a comparison.

    Args:
        names: Methods to run; None takes ours, all that run with nothing but this repository, and those with weights.
        folders: Title to a folder of fused images.
        weights: Name of a method to its file; see `to_run`. Files for ours are loaded here, so that a wrong one is
            found before anything is fused.
        size: See `to_run`.

    Returns:
        Name to competitor, ours first, folders last.

    Raises:
        InputError: if a name is unknown, a title cannot name a folder or stands for something else already, a file is
            missing or cannot be used, a folder cannot be listed, or `size` is given and no method is ours.
    """
    names = default_names(weights) if names is None else list(dict.fromkeys(names))
    unknown = [name for name in (*names, *weights) if name not in BASELINES and name not in OWN]
    if unknown:
        raise InputError(f"there is no method {unknown[0]!r}; there are {', '.join([*OWN, *BASELINES])}.")
    idle = [name for name in weights if name not in names]
    if idle:
        raise InputError(f"{idle[0]} has a file of weights and is not among the methods; add it to --methods.")
    own = [name for name in names if name in OWN]
    if size is not None and not own:
        raise InputError(f"--size is for our methods; add one of {', '.join(OWN)} to --methods.")
    run = {name: to_run(name, weights.get(name), size) for name in names}
    chosen: dict[str, Competitor] = {**run}
    titles: dict[str, str] = {}
    for name in own:
        title = chosen[name].title
        if title in titles:
            raise InputError(f"{titles[title]} and {name} would both be called {title!r}; leave one of them out.")
        titles[title] = name
        if name in weights:
            run[name].load()
    taken = {"a": "source A", "b": "source B", **{name.casefold(): f"the method {name}" for name in chosen}}
    for title, folder in folders.items():
        checked_name(title, "a method")
        if title in chosen:
            raise InputError(f"{title} is both run and taken from {folder}; name the folder otherwise.")
        if title.casefold() in taken:  # some file systems do not tell them apart
            raise InputError(f"{title}={folder} has the name of {taken[title.casefold()]}; name the folder otherwise.")
        taken[title.casefold()] = f"the method {title}"
        chosen[title] = Folder(title, ImageFolder(folder))
    return chosen


def beyond_pairs(competitors: Mapping[str, Competitor], stacks: Iterable[Stack]) -> tuple[str, list[str]] | None:
    """Returns a stack of more than two images, and the competitors that take two and no more; None where there is no
    such stack or no such competitor."""
    deep = next((stack.name for stack in stacks if len(stack.images) > 2), None)
    limited = [name for name, one in competitors.items() if isinstance(one, Run) and one.pairs_only]
    return (deep, limited) if deep is not None and limited else None


def default_names(weights: Iterable[str]) -> list[str]:
    """Lists the methods that run by default: ours, those that need no files, and those with `weights`."""
    return list(dict.fromkeys([*OWN, *SELF_CONTAINED, *weights]))


def to_run(name: str, weights: Path | None = None, size: int | None = None) -> Run:
    """Prepares one method.

    Args:
        name: In `OWN` or `BASELINES`.
        weights: For ours a network's, None takes the bundled one; for one of others its authors' file, if it needs one.
        size: Our methods find their maps at size x size; None takes the images' own size. Others have no maps.

    Raises:
        InputError: if a file is missing, or given to a method that has none.
    """
    if name in BASELINES:
        baseline = BASELINES[name]
        if baseline.load and weights is None:
            raise InputError(f"{baseline.title} needs its authors' file: --weights {name}=FILE.")
        if baseline.load is None:
            baseline.method(weights)  # says what is wrong, if something is
        digest = "" if weights is None else f" {file_digest(weights, 'sha256')}"
        return Run(baseline.title, f"{name}{digest}", partial(_baseline, name, weights))

    path = weights or BUNDLED_WEIGHTS
    title, strategy = OWN[name]
    strategy = strategy or default_strategy(path)
    if path != BUNDLED_WEIGHTS:
        titles = {strategy: title for title, strategy in OWN.values()}
        title = f"{titles[strategy]} ({weights_title(path)})"
    files = [path, BUNDLED_COMPARER] if strategy == "learned" else [path]
    key = [name, strategy, *(file_digest(file, "sha256") for file in files)]

    text = " ".join(key if size is None else [*key, f"{size}x{size}"])
    return Run(title, text, partial(_fuser, path, strategy, size), pairs_only=strategy == "paper")


def _baseline(name: str, weights: Path | None) -> Method:
    return BASELINES[name].method(weights)


@cache
def _fuser(path: Path, strategy: str, size: int | None) -> "Fuser":
    from model import load_fuser

    return load_fuser(path, strategy=strategy, size=size)


def weights_title(path: Path) -> str:
    """Returns folder and name of a weights file without its suffix; the name alone is `best` in every run."""
    return f"{path.resolve().parent.name}/{path.name.removesuffix('.h5').removesuffix('.weights')}"


def map_size(text: str) -> int:
    """Parses --size of a command line; see `to_run`."""
    size = int(text)
    if size < STRIDE:
        raise ArgumentTypeError(f"{size} is below {STRIDE}")
    return size


def size_notes(size: int | None) -> list[str]:
    """Returns the notes below the tables of a comparison with this `size`."""
    return [] if size is None else [f"Our methods find their maps at {size}x{size}."]
