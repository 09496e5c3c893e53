"""Sorts the images of a folder by their names: which belong to one stack, and at which place."""

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from data.io.image_header import open_image_file
from data.io.sequences import divide, find_series, largest_gap, list_images
from data.io.tiff_pages import count_pages
from data.io.tiff_stack import SUFFIXES, find_slices, is_page
from data.runtime.errors import InputError

MANIFESTS = ".fused"
"""Name of the folder of manifests beside the results of a batch; a folder with one holds no photographs to fuse."""

_ENDING = re.compile(r"(?:(?P<name>.+)[-_])?(?P<side>[a-z]|[1-9]\d?|near|far)", re.IGNORECASE | re.ASCII)
"""File name without its suffix: name of the stack, and the side, which tells the place in it."""

_SOURCE_FOLDER = re.compile(r"source[-_ ]?(?=[a-z]$|\d{1,2}$)", re.IGNORECASE | re.ASCII)
"""Prefix of the side in the folder names of many data sets: sourceA, source_1."""

Member = tuple[str, int, Path]
"""Name of a stack, place of an image in it from 1 on, and the image."""


@dataclass
class Found:
    """Images of stacks that were found by their names, with problems and notes as in a `Listing`."""

    members: list[Member]
    problems: list[str]
    notes: list[str]


def split_name(stem: str) -> tuple[str, int] | None:
    """Splits a file's name into the stack's ("" for a bare A or B) and the place; None for one without an ending."""
    match = _ENDING.fullmatch(stem)
    if match is None:
        return None
    side = match["side"].lower()
    place = int(side) if side.isdecimal() else {"near": 1, "far": 2}.get(side) or ord(side) - ord("a") + 1
    return match["name"] or "", place


def find_members(folder: Path, places_only: bool, division: str | None = None) -> Found:
    """Finds the images of `folder`, and of its folders where it has none that belong to a stack.

    Args:
        folder: The folder.
        places_only: As in `find_stacks`.
        division: How a series is divided into scenes, see `data.io.sequences.divide`; None: it is one.
    """
    found = _members_of(folder, places_only, division)
    if found.members:
        return found
    folders = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    folders = [entry for entry in folders if not (entry / MANIFESTS).is_dir()]
    names = {entry: _SOURCE_FOLDER.sub("", entry.name) for entry in folders}
    sides = {entry: split[1] for entry in folders if (split := split_name(names[entry])) and not split[0]}
    if {1, 2} <= set(sides.values()):
        members = [(image.stem, place, image) for entry, place in sides.items() for image in list_images(entry)]
        # Folders 1, 2, 3 may also hold a series each; then no name is in two of them.
        if places_only or len({stem for stem, _, _ in members}) < len(members):
            return Found(members, found.problems, [])
    for entry in folders:
        inside = _members_of(entry, places_only, division)
        found.members += [
            (name if division or is_page(image) else entry.name, place, image) for name, place, image in inside.members
        ]
        found.problems += inside.problems
        found.notes += inside.notes
    return found


def find_by_pattern(folder: Path, pattern: str) -> Found:
    """Finds the images of `folder` whose names fit a pattern, and numbers those of a stack from 1 on.

    Args:
        folder: Its folders are not looked into.
        pattern: A name without its suffix, with {name} for what a stack shares and {index} for a letter, a number, near
            or far; "{index}-of-{name}".

    Raises:
        InputError: The pattern lacks one of both, or has one twice.
    """
    parts = re.split(r"(\{name\}|\{index\})", pattern)
    if sorted(parts[1::2]) != ["{index}", "{name}"]:
        raise InputError(f"a pattern has {{name}} and {{index}} once each, received {pattern!r}.")
    places = {"{name}": "(?P<name>.+)", "{index}": r"(?P<index>[a-z]|\d+|near|far)"}
    matcher = re.compile("".join(places.get(part, re.escape(part)) for part in parts), re.IGNORECASE | re.ASCII)
    stacks: dict[str, list[tuple[int, Path]]] = {}
    problems = []
    for image in list_images(folder):
        if match := matcher.fullmatch(image.stem):
            index = match["index"].lower()
            number = int(index) if index.isdecimal() else {"near": 1, "far": 2}.get(index) or ord(index)
            stacks.setdefault(match["name"], []).append((number, image))
        else:
            problems.append(f"{image} does not fit the pattern {pattern}; rename or remove it.")
    members = []
    for name, numbered in stacks.items():
        ranks = sorted({number for number, _ in numbered})
        members += [(name, ranks.index(number) + 1, image) for number, image in numbered]
    return Found(members, problems, [])


def members_of_file(path: Path) -> list[Member]:
    """Returns the pages of a TIFF that holds stacks; none of another file."""
    if path.suffix.lower() not in SUFFIXES:
        return []
    with suppress(InputError), open_image_file(path) as file:  # what cannot be read is said when it is used
        stacks = find_slices(path, file)
        return [(name, place, page) for name, pages in stacks.items() for place, page in enumerate(pages, 1)]
    return []


def _members_of(folder: Path, places_only: bool, division: str | None) -> Found:
    """Sorts the images of one folder: TIFF files of several pages are stacks, the others go by their names."""
    images, pages = [], []
    for image in list_images(folder):
        inside = [] if places_only else members_of_file(image)
        pages += inside
        images += [] if inside else [image]
    found = _by_name(folder, images, places_only, division)
    found.members += pages
    return found


def _by_name(folder: Path, images: Sequence[Path], places_only: bool, division: str | None) -> Found:
    """Sorts images of a folder by their names; a bare A or B belongs to the stack of the folder's name."""
    name = folder.resolve().name
    try:
        frames = () if places_only else _find_frames(folder, images)
    except InputError as error:
        return Found([], [str(error)], [])
    if frames:
        others = [image.name for image in images if image not in frames]
        series = f"{frames[0].name} to {frames[-1].name}"
        notes = [f"{name}: {_some(others)} left out, not of the series {series}"] if others else []
        if division:
            scenes = divide(frames, division)
            return Found(
                [
                    (f"{name}-{number:0{len(str(len(scenes)))}}", place, image)
                    for number, scene in enumerate(scenes, 1)
                    for place, image in enumerate(scene, 1)
                ],
                [],
                notes,
            )
        missing, before = largest_gap(frames)
        if missing:
            pair = f"{frames[before].name} and {frames[before + 1].name}"
            notes.append(f"{name}: between {pair} {missing} numbers are missing; are all frames of one scene?")
        return Found([(name, place, image) for place, image in enumerate(frames, 1)], [], notes)
    splits = {image: split_name(image.stem) for image in images}
    members = [(split[0] or name, split[1], image) for image, split in splits.items() if split]
    return Found(members, [stray(image) for image, split in splits.items() if not split], [])


def _find_frames(folder: Path, images: Sequence[Path]) -> tuple[Path, ...]:
    """Returns the frames of a folder that is one stack; none where its names have places, which go before.

    Raises:
        InputError: It could be one of two stacks.
    """
    series = find_series(images)
    if not series:
        return ()
    frames = series[0]
    splits = {image: split_name(image.stem) for image in images}
    if all(splits[frame] for frame in frames):
        names, places = zip(*(splits[frame] for frame in frames), strict=True)
        return frames if len(set(names)) == 1 and min(places) > 2 else ()  # numbered by a camera, from x_47 on
    others = {split for image, split in splits.items() if split and image not in frames}
    if any((name, 2) in others for name, place in others if place == 1):
        return ()
    if len(series) > 1 and len(series[1]) == len(frames):
        first, other = (f"{one[0].name} to {one[-1].name}" for one in series[:2])
        raise InputError(f"{folder} holds two series, {first} and {other}; give each a folder of its own.")
    return frames


def _some(names: Sequence[str]) -> str:
    """Lists the first five of many names, and says how many more there are."""
    more = f" and {len(names) - 5} more are" if len(names) > 5 else " is" if len(names) == 1 else " are"
    return ", ".join(names[:5]) + more


def stray(image: Path) -> str:
    """Returns the sentence about an image that belongs to no stack."""
    if image.suffix.lower() in SUFFIXES:
        with suppress(InputError), open_image_file(image) as file:  # which never waits for a pipe
            if (pages := count_pages(file)) > 1:
                return f"{image} holds {pages} pages that differ in size or kind, which are no stack; remove it."
    return (
        f"{image} belongs to no stack: its name ends in none of -A/-B, -1/-2, -near/-far, and no series of numbers has "
        "it; rename or remove it, or say how files are named with --pattern."
    )
