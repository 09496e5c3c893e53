"""Frames numbered by a camera or a program: which files of a folder are one series, and in which order."""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC
from functools import partial
from pathlib import Path

from data.io.image_header import READ_SUFFIXES, taken_at
from data.runtime.errors import InputError

_NUMBER = re.compile(r"\d+", re.ASCII)
"""Run of digits in a name."""

LARGE_GAP = 10
"""Usual steps of the numbers of a series from which a gap is said."""

LAST_NUMBER = 9999
"""Number after which cameras begin anew."""

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

    Where the last numbers of such names repeat (`a1_001`, `a2_001`; `z00_ch00`, `z01_ch00`), one number alone may
    differ: the one that has the most values, of several the last. Of frames that are there in several types, one type
    is taken: that of the most frames, else a developed one before the raw files. Where a camera's counter starts anew
    (`DSC_9999`, `DSC_0001`), the frames before that come first, unless their EXIF times say otherwise.

    Args:
        images: Files of one folder.

    Returns:
        Each series of two or more frames in natural order, the longest series first.
    """
    series = []
    numbered = [image for image in images if _NUMBER.search(image.stem)]
    for group in _group(numbered, lambda path: _NUMBER.sub("#", path.stem.lower())):
        numbers = [_NUMBER.findall(path.stem) for path in group]
        place = len(numbers[0]) - 1
        if len({one[place] for one in numbers}) < len({path.stem.lower() for path in group}):
            values = [len({int(one[index]) for one in numbers}) for index in range(place + 1)]
            place = max(range(place + 1), key=lambda index: (values[index], index))
            parts = _group(group, partial(_without_number, place=place))
        else:
            parts = [group]
        series += [_in_order(_choose_type(part), place) for part in parts]
    return sorted((frames for frames in series if len(frames) > 1), key=len, reverse=True)


def largest_gap(frames: Sequence[Path]) -> tuple[int, int]:
    """Finds where most numbers are missing in a series.

    Args:
        frames: A series in the order of its numbers.

    Returns:
        How many are missing, and the index of the frame before the gap; 0 where the numbers step evenly.
    """
    numbers = [list(map(int, _NUMBER.findall(path.stem))) for path in frames]
    if len({len(one) for one in numbers}) > 1 or len(frames) < 3:
        return 0, 0
    varying = [place for place, values in enumerate(zip(*numbers, strict=True)) if len(set(values)) > 1]
    if len(varying) != 1:
        return 0, 0
    values = [one[varying[0]] for one in numbers]
    steps = [after - before for before, after in itertools.pairwise(values)]
    usual = sorted(steps)[len(steps) // 2]
    widest = max(range(len(steps)), key=steps.__getitem__)
    return (steps[widest] - 1, widest) if steps[widest] >= LARGE_GAP * max(1, usual) else (0, 0)


def parse_division(text: str) -> tuple[str, float]:
    """Reads "count:N" or "gap:SECONDS"; returns the kind and the number.

    Raises:
        InputError: It is neither.
    """
    kind, _, number = text.partition(":")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    wrong_count = kind == "count" and (value < 2 or not value.is_integer())
    if kind not in ("gap", "count") or not 0 < value < float("inf") or wrong_count:
        raise InputError(f"a division is count:N, from 2 on, or gap:SECONDS, received {text!r}.")
    return kind, value


def divide(frames: Sequence[Path], division: str) -> list[tuple[Path, ...]]:
    """Divides a series into scenes.

    Args:
        frames: The series.
        division: "count:N", scenes of N frames; or "gap:SECONDS", a new scene where more time passed between two
            frames, by their EXIF data, or by their files where these have none.

    Raises:
        InputError: There is no such division.
    """
    kind, value = parse_division(division)
    if kind == "count":
        return [tuple(frames[start : start + int(value)]) for start in range(0, len(frames), int(value))]
    taken = [taken_at(frame) for frame in frames]
    times = [
        frame.stat().st_mtime if one is None else one.replace(tzinfo=UTC).timestamp()
        for frame, one in zip(frames, taken, strict=True)
    ]
    starts = [0, *(index for index in range(1, len(frames)) if abs(times[index] - times[index - 1]) > value)]
    return [tuple(frames[start:end]) for start, end in zip(starts, [*starts[1:], len(frames)], strict=True)]


def _in_order(frames: tuple[Path, ...], place: int) -> tuple[Path, ...]:
    """Puts the frames before a counter's restart first; `frames` are in the order of the number at `place`.

    Cameras count to 9999: both runs, up to there and from 0 or 1 on, must be without a gap.
    """
    texts = [_NUMBER.findall(path.stem)[place] for path in frames]
    numbers = [int(text) for text in texts]
    if len(frames) < 3 or set(map(len, texts)) != {4} or numbers[0] > 1 or numbers[-1] != LAST_NUMBER:
        return frames
    gaps = [index for index in range(1, len(numbers)) if numbers[index] != numbers[index - 1] + 1]
    if len(gaps) != 1:
        return frames
    (start,) = gaps
    first, other = taken_at(frames[0]), taken_at(frames[-1])
    if first and other and first < other:
        return frames
    return frames[start:] + frames[:start]


def _without_number(path: Path, place: int) -> str:
    """Returns a name without its number at a place."""
    parts = re.split(r"(\d+)", path.stem.lower(), flags=re.ASCII)
    parts[2 * place + 1] = "#"
    return "".join(parts)


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
