"""Frames numbered by a camera or a program: which files of a folder are one series, and in which order."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from data.io.image_header import READ_SUFFIXES

_NUMBER = re.compile(r"\d+", re.ASCII)
"""Run of digits in a name."""

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)", re.ASCII)
"""Last run of digits in a name."""

_PREFERRED = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Types in the order of preference where all frames exist in several; raw files come last."""


def natural_key(name: str) -> list[str | int]:
    """Returns a sorting key that compares runs of digits as numbers and ignores case."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def list_images(folder: Path) -> list[Path]:
    """Lists the image files of a folder in natural order, without hidden ones."""
    # What is no regular file counts too: reading its size says what is wrong with it.
    found = (entry for entry in folder.iterdir() if entry.suffix.lower() in READ_SUFFIXES and not entry.is_dir())
    return sorted((file for file in found if not file.name.startswith(".")), key=lambda file: natural_key(file.name))


def find_series(images: Iterable[Path]) -> list[tuple[Path, ...]]:
    """Groups files whose names differ in their numbers alone (`DSC_4711`, `DSC_4712`; case does not count).

    Where the last numbers of such names repeat (`a1_001`, `a2_001`), that number alone may differ. Of frames that are
    there in several types, one type is taken: that of the most frames, else a developed one before the raw files.

    Args:
        images: Files of one folder.

    Returns:
        Each series of two or more frames in natural order, the longest series first.
    """
    series = []
    for group in _group_by_name(images, _NUMBER):
        numbers = [_LAST_NUMBER.findall(path.stem)[0] for path in group]
        repeat = len(set(numbers)) < len({path.stem.lower() for path in group})
        series += [_choose_type(part) for part in (_group_by_name(group, _LAST_NUMBER) if repeat else [group])]
    return sorted((frames for frames in series if len(frames) > 1), key=len, reverse=True)


def _group_by_name(images: Iterable[Path], number: re.Pattern) -> list[list[Path]]:
    """Groups files by what their names are without `number`; names without one belong to no group."""
    return _group(
        [image for image in images if number.search(image.stem)], lambda path: number.sub("#", path.stem.lower())
    )


def _choose_type(files: list[Path]) -> tuple[Path, ...]:
    """Takes one file for each frame, in natural order."""
    chosen = files
    if len({path.stem.lower() for path in files}) < len(files):
        rank = (*_PREFERRED, *(suffix for suffix in READ_SUFFIXES if suffix not in _PREFERRED)).index
        types = _group(files, lambda path: path.suffix.lower())
        chosen = min(types, key=lambda one: (-len(one), rank(one[0].suffix.lower())))
    return tuple(sorted(chosen, key=lambda path: natural_key(path.name)))


def _group(files: Iterable[Path], key: Callable[[Path], str]) -> list[list[Path]]:
    """Groups files by a key."""
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(key(file), []).append(file)
    return list(groups.values())
