"""Frames numbered by a camera or a program: which files of a folder are one series, and in which order."""

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from data.io.image_header import READ_SUFFIXES

_NUMBER = re.compile(r"\d+", re.ASCII)
"""A run of digits in a name."""

_LAST_NUMBER = re.compile(r"\d+(?=\D*$)", re.ASCII)
"""The last of them."""

_PREFERRED = (".tif", ".tiff", ".png", ".jpg", ".jpeg")
"""Types of which the first is taken where all frames are there in several; raw files come last."""


def natural_key(name: str) -> list[str | int]:
    """Returns a sorting key that compares runs of digits as numbers and ignores case."""
    return [int(part) if part.isdecimal() else part.lower() for part in re.split(r"(\d+)", name)]


def list_images(folder: Path) -> list[Path]:
    """The image files of a folder in natural order, without hidden ones."""
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
    for group in _grouped(images, _NUMBER):
        numbers = {_LAST_NUMBER.search(path.stem)[0] for path in group}
        repeat = len(numbers) < len({path.stem.lower() for path in group})
        series += [_of_one_type(part) for part in (_grouped(group, _LAST_NUMBER) if repeat else [group])]
    return sorted((frames for frames in series if len(frames) > 1), key=len, reverse=True)


def _grouped(images: Iterable[Path], number: re.Pattern) -> list[list[Path]]:
    """Groups files by what their names are without `number`; names without one belong to no group."""
    return _by(
        [image for image in images if number.search(image.stem)], lambda path: number.sub("#", path.stem.lower())
    )


def _of_one_type(files: list[Path]) -> tuple[Path, ...]:
    """One file for each frame, in natural order."""
    chosen = files
    if len({path.stem.lower() for path in files}) < len(files):
        rank = (*_PREFERRED, *(suffix for suffix in READ_SUFFIXES if suffix not in _PREFERRED)).index
        types = _by(files, lambda path: path.suffix.lower())
        chosen = min(types, key=lambda one: (-len(one), rank(one[0].suffix.lower())))
    return tuple(sorted(chosen, key=lambda path: natural_key(path.name)))


def _by(files: Iterable[Path], key: Callable[[Path], str]) -> list[list[Path]]:
    groups: dict[str, list[Path]] = {}
    for file in files:
        groups.setdefault(key(file), []).append(file)
    return list(groups.values())
