"""Finding the images of each scene by their names, never by their position in a sorted list."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.io.image_io import IMAGE_SUFFIXES, read_size

LARGEST = 99
"""Images of a stack."""

_ENDING = re.compile(r"(?:(?P<name>.+)[-_])?(?P<side>[a-z]|[1-9]\d?|near|far)", re.IGNORECASE | re.ASCII)
_LAYOUTS = (
    "NAME-A and NAME-B (or _A/_B, -1/-2, _1/_2; -C and so on for more), folders A and B with equal names, "
    "or a folder NAME with A and B"
)

Places = dict[int, list[Path]]


@dataclass(frozen=True)
class Stack:
    """Photographs of one scene, each focused elsewhere.

    Attributes:
        name: What the file names share; names the results.
        images: The files, A (or 1, near) first; at least two.
    """

    name: str
    images: tuple[Path, ...]

    @property
    def near(self) -> Path:
        """The first image, by convention the one that is sharp in the foreground."""
        return self.images[0]

    @property
    def far(self) -> Path:
        """The second image."""
        return self.images[1]


@dataclass(frozen=True)
class Listing:
    """What a folder holds.

    Attributes:
        stacks: The usable ones, in natural order of their names (lytro-2 before lytro-10).
        problems: One sentence for every image that belongs to no usable stack. An empty list says that nothing was
            left out.
    """

    stacks: list[Stack]
    problems: list[str]


def find_stacks(folder: str | os.PathLike, *, largest: int = LARGEST) -> Listing:
    """Finds the stacks of a folder by name.

    Three layouts are known. Files in one folder: `NAME-A`, `NAME-B`, `NAME-C` and so on, with `_` for `-`, numbers from
    1 for letters, or `near`/`far`, in either case. Folders `A`, `B` and so on (or `1`/`2`, `near`/`far`) with files of
    equal names. One folder for each stack, with `A`, `B` and so on inside. Subfolders count only where the folder
    itself has no file named as part of a stack; hidden files and files of other types never count.

    Args:
        folder: The folder to look through, one level deep.
        largest: How many images a stack may have.

    Returns:
        The stacks with equal sizes, and a sentence on everything that is in the way: an image without its partner, a
        gap, two files for one place, too many images, unequal sizes, an unreadable header, a name without an ending.

    Raises:
        InputError: `folder` is missing or not a folder, or holds no usable stack.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"cannot look for pairs in {folder}: there is no such folder; check the name.")
    if not folder.is_dir():
        raise InputError(f"cannot look for pairs in {folder}: it is a file; give the folder that holds the pairs.")
    groups, problems = _group(folder)
    stacks = []
    for name in sorted(groups, key=natural_key):
        stack = _stack(name, groups[name], largest)
        if isinstance(stack, Stack):
            stacks.append(stack)
        else:
            problems.append(stack)
    if not stacks:
        if not problems:
            raise InputError(f"no image pair in {folder}; it must hold {_LAYOUTS}.")
        others = len(problems) - 1
        more = f" (and {others} more problem{'s' * (others > 1)})" if others else ""
        raise InputError(f"no usable image pair in {folder}: {problems[0].rstrip('.')}{more}.")
    return Listing(stacks, problems)


def find_pairs(folder: str | os.PathLike) -> Listing:
    """As `find_stacks`, with two images each; larger stacks are problems."""
    return find_stacks(folder, largest=2)


def check_stack(*images: str | os.PathLike) -> Stack:
    """Makes a stack of files that the user names.

    Args:
        images: At least two.

    Returns:
        The stack, in this order. Its name is what the file names share (`lytro-01` of `lytro-01-A` and `lytro-01-B`,
        `x` of `A/x` and `B/x`, the folder's name for `A` and `B`), else the first and the last stem joined by "-".

    Raises:
        InputError: A file cannot be read, one is given twice, or their sizes differ.
    """
    paths = tuple(Path(image) for image in images)
    difference = _size_problem(paths)
    if difference is not None:
        raise InputError(difference)
    for number, path in enumerate(paths):
        if any(path.samefile(earlier) for earlier in paths[:number]):
            raise InputError(f"cannot pair {path} with itself; give images with different focus.")
    return Stack(_common_name(paths), paths)


def natural_key(name: str) -> list[str | int]:
    """Returns a sorting key that compares runs of digits as numbers and ignores case."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _images(folder: Path) -> list[Path]:
    """Returns the image files of a folder in natural order, without hidden ones."""
    # What is no regular file counts too: reading its size says what is wrong with it.
    found = (entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.is_dir())
    return sorted((file for file in found if not file.name.startswith(".")), key=lambda file: natural_key(file.name))


def _split(stem: str) -> tuple[str, int] | None:
    """Returns the stack's name ("" for a bare A or B) and the place in it from 1 on, or None for a name without one of
    the endings."""
    match = _ENDING.fullmatch(stem)
    return None if match is None else (match["name"] or "", _place(match["side"].lower()))


def _place(side: str) -> int:
    if side in ("near", "far"):
        return 1 if side == "near" else 2
    return int(side) if side.isdecimal() else ord(side) - ord("a") + 1


def _group(folder: Path) -> tuple[dict[str, Places], list[str]]:
    """Sorts the images of `folder` by the stack's name and their place; returns them and the problems with names."""
    images = _images(folder)
    parts = [(split, image) for image in images if (split := _split(image.stem)) is not None]
    problems = [_stray(image) for image in images if _split(image.stem) is None]
    if parts:
        return _collect((name or folder.resolve().name, place, image) for (name, place), image in parts), problems
    folders = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    splits = {entry: _split(entry.name) for entry in folders}
    places = {entry: split[1] for entry, split in splits.items() if split is not None and not split[0]}
    if set(places.values()) >= {1, 2}:
        members = ((image.stem, place, image) for entry, place in places.items() for image in _images(entry))
        return _collect(members), problems
    members = []
    for entry in folders:
        for image in _images(entry):
            split = _split(image.stem)
            if split is None:
                problems.append(_stray(image))
            else:
                members.append((entry.name, split[1], image))
    return _collect(members), problems


def _collect(members: Iterable[tuple[str, int, Path]]) -> dict[str, Places]:
    groups: dict[str, Places] = {}
    for name, place, image in members:
        groups.setdefault(name, {}).setdefault(place, []).append(image)
    return groups


def _stray(image: Path) -> str:
    return f"{image} belongs to no pair: its name ends in none of -A/-B, -1/-2, -near/-far; rename or remove it."


def _stack(name: str, places: Places, largest: int) -> Stack | str:
    """Makes one stack, or the sentence that says why there is none."""
    for files in places.values():
        if len(files) > 1:
            return f"{name} has two files for one side, {files[0]} and {files[1]}; remove or rename one."
    images = tuple(places[place][0] for place in sorted(places))
    if len(images) == 1:
        if 1 not in places and 2 not in places:
            return _stray(images[0])
        wanted = "B" if 1 in places else "A"
        return f"{images[0]} has no partner, no {wanted} of the same name; add that image or remove this one."
    missing = set(range(1, max(places))) - set(places)
    if missing:
        return f"{name} has {len(images)} images, {images[-1]} among them, but lacks number {min(missing)}; add it."
    if len(images) > largest:
        return f"{name} has more than {largest} images, {images[largest]} among them; remove it."
    try:
        return _size_problem(images) or Stack(name, images)
    except InputError as error:
        return str(error)


def _size_problem(images: Sequence[Path]) -> str | None:
    sizes = [read_size(image) for image in images]
    for image, size in zip(images, sizes, strict=True):
        if size != sizes[0]:
            shown = [f"{width}x{height}" for height, width in (sizes[0], size)]
            return f"{images[0]} is {shown[0]} pixels but {image} is {shown[1]}; images of one scene must be equal."
    return None


def _common_name(images: Sequence[Path]) -> str:
    stems = [image.stem for image in images]
    if len(set(stems)) == 1:
        return stems[0]
    splits = [_split(stem) for stem in stems]
    if None in splits or len({name for name, _ in splits}) > 1 or len(set(splits)) < len(splits):
        return f"{stems[0]}-{stems[-1]}"
    return splits[0][0] or images[0].resolve().parent.name
