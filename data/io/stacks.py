"""Finding the images of each scene by their names, never by their position in a sorted list."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.io.image_io import IMAGE_SUFFIXES, read_size

LARGEST = 99
"""Images of a stack."""

_ENDING = re.compile(r"(?:(?P<name>.+)[-_])?(?P<side>[a-z]|[1-9]\d?|near|far)", re.IGNORECASE | re.ASCII)
"""A file's name without its suffix: that of the stack, and the side, which tells the place in it."""

_LAYOUTS = (
    "NAME-A and NAME-B (or _A/_B, -1/-2, _1/_2; -C and so on for more), folders A and B with equal names, "
    "or a folder NAME with A and B"
)
"""The layouts of a folder that are known, for messages."""

Member = tuple[str, int, Path]
"""The name of a stack, the place of an image in it from 1 on, and the image."""


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
    members, problems = _find_members(folder)
    groups: dict[str, dict[int, list[Path]]] = {}
    for name, place, image in members:
        groups.setdefault(name, {}).setdefault(place, []).append(image)
    stacks = []
    for name in sorted(groups, key=natural_key):
        try:
            stacks.append(_make_stack(name, groups[name], largest))
        except InputError as error:
            problems.append(str(error))
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
    _check_sizes(paths)
    for number, path in enumerate(paths):
        if any(path.samefile(earlier) for earlier in paths[:number]):
            raise InputError(f"cannot pair {path} with itself; give images with different focus.")
    return Stack(_common_name(paths), paths)


def natural_key(name: str) -> list[str | int]:
    """Returns a sorting key that compares runs of digits as numbers and ignores case."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _images(folder: Path) -> list[Path]:
    """The image files of a folder in natural order, without hidden ones."""
    # What is no regular file counts too: reading its size says what is wrong with it.
    found = (entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and not entry.is_dir())
    return sorted((file for file in found if not file.name.startswith(".")), key=lambda file: natural_key(file.name))


def _split(stem: str) -> tuple[str, int] | None:
    """Splits a file's name into the stack's ("" for a bare A or B) and the place; None for one without an ending."""
    match = _ENDING.fullmatch(stem)
    if match is None:
        return None
    side = match["side"].lower()
    place = int(side) if side.isdecimal() else {"near": 1, "far": 2}.get(side) or ord(side) - ord("a") + 1
    return match["name"] or "", place


def _find_members(folder: Path) -> tuple[list[Member], list[str]]:
    """Finds the images of `folder`, and of its folders where it has none named as part of a stack.

    Returns:
        What belongs to a stack, and the problems with names.
    """
    members, strays = _named_members(folder)
    if members:
        return members, strays
    folders = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    sides = {entry: split[1] for entry in folders if (split := _split(entry.name)) and not split[0]}
    if {1, 2} <= set(sides.values()):
        return [(image.stem, place, image) for entry, place in sides.items() for image in _images(entry)], strays
    for entry in folders:
        found, others = _named_members(entry)
        members += [(entry.name, place, image) for _, place, image in found]
        strays += others
    return members, strays


def _named_members(folder: Path) -> tuple[list[Member], list[str]]:
    """Sorts the images of one folder by their names; a bare A or B belongs to the stack of the folder's name."""
    members, strays = [], []
    for image in _images(folder):
        if split := _split(image.stem):
            members.append((split[0] or folder.resolve().name, split[1], image))
        else:
            strays.append(_stray(image))
    return members, strays


def _stray(image: Path) -> str:
    return f"{image} belongs to no pair: its name ends in none of -A/-B, -1/-2, -near/-far; rename or remove it."


def _make_stack(name: str, places: dict[int, list[Path]], largest: int) -> Stack:
    """Makes one stack of the images at each place; raises an InputError that says why there is none."""
    for files in places.values():
        if len(files) > 1:
            raise InputError(f"{name} has two files for one side, {files[0]} and {files[1]}; remove or rename one.")
    images = tuple(places[place][0] for place in sorted(places))
    if len(images) == 1:
        if 1 not in places and 2 not in places:
            raise InputError(_stray(images[0]))
        wanted = "B" if 1 in places else "A"
        raise InputError(
            f"{images[0]} has no partner, no {wanted} of the same name; add that image or remove this one."
        )
    if missing := set(range(1, max(places))) - set(places):
        raise InputError(
            f"{name} has {len(images)} images, {images[-1]} among them, but lacks number {min(missing)}; add it."
        )
    if len(images) > largest:
        raise InputError(f"{name} has more than {largest} images, {images[largest]} among them; remove it.")
    _check_sizes(images)
    return Stack(name, images)


def _check_sizes(images: Sequence[Path]) -> None:
    """Raises an InputError where the images differ in size, or a header cannot be read."""
    sizes = [read_size(image) for image in images]
    for image, size in zip(images, sizes, strict=True):
        if size != sizes[0]:
            first, other = (f"{width}x{height}" for height, width in (sizes[0], size))
            raise InputError(
                f"{images[0]} is {first} pixels but {image} is {other}; images of one scene must be equal."
            )


def _common_name(images: Sequence[Path]) -> str:
    stems = [image.stem for image in images]
    if len(set(stems)) == 1:
        return stems[0]
    splits = [_split(stem) for stem in stems]
    if None in splits or len({name for name, _ in splits}) > 1 or len(set(splits)) < len(splits):
        return f"{stems[0]}-{stems[-1]}"
    return splits[0][0] or images[0].resolve().parent.name
