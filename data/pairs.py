"""Finding the two images of each pair by their names, never by their position in a sorted list."""

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from data.errors import InputError
from data.image_io import IMAGE_SUFFIXES, read_size

NEAR, FAR, THIRD = "near", "far", "third"

_SIDES = {"a": NEAR, "1": NEAR, "near": NEAR, "b": FAR, "2": FAR, "far": FAR, "c": THIRD, "3": THIRD}
_ENDING = re.compile(r"(?:(?P<name>.+)[-_])?(?P<side>a|b|c|1|2|3|near|far)", re.IGNORECASE)
_LAYOUTS = "NAME-A and NAME-B (or _A/_B, -1/-2, _1/_2), folders A and B with equal names, or a folder NAME with A and B"


@dataclass(frozen=True)
class Pair:
    """Two photographs of one scene.

    Attributes:
        name: What the two file names share; names the results.
        near: The image that is sharp in the foreground, by convention the A or 1 of the name.
        far: The other.
    """

    name: str
    near: Path
    far: Path


@dataclass(frozen=True)
class PairListing:
    """What a folder holds.

    Attributes:
        pairs: The usable pairs, in natural order of their names (lytro-2 before lytro-10).
        problems: One sentence for every image that belongs to no usable pair. An empty list says that nothing was
            left out.
    """

    pairs: list[Pair]
    problems: list[str]


def find_pairs(folder: str | os.PathLike) -> PairListing:
    """Finds the image pairs of a folder by name.

    Three layouts are known. Files in one folder: `NAME-A`/`NAME-B`, with `_` for `-`, `1`/`2` or `near`/`far` for
    `A`/`B`, in either case. Two folders `A` and `B` (or `1`/`2`, `near`/`far`) with files of equal names. One folder
    for each pair, with an `A` and a `B` inside. Subfolders count only where the folder itself has no file named as
    part of a pair; hidden files and files of other types never count.

    Args:
        folder: The folder to look through, one level deep.

    Returns:
        The pairs with equal sizes, and a sentence on everything that is in the way: an image without its partner, two
        files for one side, a third image, unequal sizes, an unreadable header, a name without one of the endings.

    Raises:
        InputError: `folder` is missing or not a folder, or holds no usable pair.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"cannot look for pairs in {folder}: there is no such folder; check the name.")
    if not folder.is_dir():
        raise InputError(f"cannot look for pairs in {folder}: it is a file; give the folder that holds the pairs.")
    groups, problems = _group(folder)
    pairs = []
    for name in sorted(groups, key=natural_key):
        pair, problem = _pair(name, groups[name])
        if pair is not None:
            pairs.append(pair)
        if problem is not None:
            problems.append(problem)
    if not pairs:
        if not problems:
            raise InputError(f"no image pair in {folder}; it must hold {_LAYOUTS}.")
        others = len(problems) - 1
        more = f" (and {others} more problem{'s' * (others > 1)})" if others else ""
        raise InputError(f"no usable image pair in {folder}: {problems[0].rstrip('.')}{more}.")
    return PairListing(pairs, problems)


def check_pair(near: str | os.PathLike, far: str | os.PathLike) -> Pair:
    """Makes a pair of two files that the user names.

    Args:
        near: First image.
        far: Second image.

    Returns:
        The pair, in this order. Its name is what the file names share (`lytro-01` of `lytro-01-A` and `lytro-01-B`,
        `x` of `A/x` and `B/x`, the folder's name for `A` and `B`), else both stems joined by "-".

    Raises:
        InputError: A file cannot be read, both are the same file, or their sizes differ.
    """
    near, far = Path(near), Path(far)
    difference = _size_problem(near, far)
    if difference is not None:
        raise InputError(difference)
    if near.samefile(far):
        raise InputError(f"cannot pair {near} with itself; give two images with different focus.")
    return Pair(_common_name(near, far), near, far)


def natural_key(name: str) -> list[str | int]:
    """Returns a sorting key that compares runs of digits as numbers and ignores case."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def _images(folder: Path) -> list[Path]:
    """Returns the image files of a folder in natural order, without hidden ones."""
    found = (entry for entry in folder.iterdir() if entry.suffix.lower() in IMAGE_SUFFIXES and entry.is_file())
    return sorted((file for file in found if not file.name.startswith(".")), key=lambda file: natural_key(file.name))


def _split(stem: str) -> tuple[str, str] | None:
    """Returns the pair's name ("" for a bare A or B) and the side, or None for a name without one of the endings."""
    match = _ENDING.fullmatch(stem)
    return None if match is None else (match["name"] or "", _SIDES[match["side"].lower()])


def _group(folder: Path) -> tuple[dict[str, dict[str, list[Path]]], list[str]]:
    """Sorts the images of `folder` by pair name and side; returns them and the problems with names."""
    images = _images(folder)
    parts = [(split, image) for image in images if (split := _split(image.stem)) is not None]
    problems = [_stray(image) for image in images if _split(image.stem) is None]
    if parts:
        return _collect((name or folder.resolve().name, side, image) for (name, side), image in parts), problems
    folders = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    sides = {entry: _SIDES[entry.name.lower()] for entry in folders if entry.name.lower() in _SIDES}
    if set(sides.values()) >= {NEAR, FAR}:
        return _collect(
            (image.stem, side, image) for entry, side in sides.items() for image in _images(entry)
        ), problems
    members = []
    for entry in folders:
        for image in _images(entry):
            split = _split(image.stem)
            if split is None:
                problems.append(_stray(image))
            else:
                members.append((entry.name, split[1], image))
    return _collect(members), problems


def _collect(members: Iterable[tuple[str, str, Path]]) -> dict[str, dict[str, list[Path]]]:
    groups: dict[str, dict[str, list[Path]]] = {}
    for name, side, image in members:
        groups.setdefault(name, {NEAR: [], FAR: [], THIRD: []})[side].append(image)
    return groups


def _stray(image: Path) -> str:
    return f"{image} belongs to no pair: its name ends in none of -A/-B, -1/-2, -near/-far; rename or remove it."


def _pair(name: str, sides: dict[str, list[Path]]) -> tuple[Pair | None, str | None]:
    """Makes one pair; returns it, or the sentence that says why there is none."""
    for files in sides.values():
        if len(files) > 1:
            return None, f"{name} has two files for one side, {files[0]} and {files[1]}; remove or rename one."
    if not sides[NEAR] and not sides[FAR]:
        return None, _stray(sides[THIRD][0])
    if sides[THIRD]:
        return None, f"{name} has more than two images, {sides[THIRD][0]} besides A and B; only pairs can be fused."
    if not sides[NEAR] or not sides[FAR]:
        (alone,) = sides[NEAR] or sides[FAR]
        wanted = "B" if sides[NEAR] else "A"
        return None, f"{alone} has no partner, no {wanted} of the same name; add that image or remove this one."
    (near,), (far,) = sides[NEAR], sides[FAR]
    try:
        problem = _size_problem(near, far)
    except InputError as error:
        return None, str(error)
    return (None, problem) if problem is not None else (Pair(name, near, far), None)


def _size_problem(near: Path, far: Path) -> str | None:
    near_size, far_size = read_size(near), read_size(far)
    if near_size == far_size:
        return None
    shown = [f"{width}x{height}" for height, width in (near_size, far_size)]
    return f"{near} is {shown[0]} pixels but {far} is {shown[1]}; both images of a pair must have the same size."


def _common_name(near: Path, far: Path) -> str:
    if near.stem == far.stem:
        return near.stem
    first, second = _split(near.stem), _split(far.stem)
    if first is None or second is None or first[0] != second[0] or first[1] == second[1]:
        return f"{near.stem}-{far.stem}"
    return first[0] or near.resolve().parent.name
