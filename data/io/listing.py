"""Finds the images of each scene by their names, never by their position in a sorted list."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from data.io.image_header import lay_alike, read_header
from data.io.sequences import find_series, natural_key
from data.io.stack_names import Found, find_by_pattern, find_members, members_of_file, split_name, stray
from data.io.tiff_stack import is_page, stored_in
from data.runtime.errors import InputError

MOST_FRAMES = 65_535
"""Most images of a stack: a decision map has 8 bits, or 16."""

SIZE_TOLERANCE, MOST_UNEQUAL = 0.01, 32
"""Largest difference of a side from that of the first image, as a fraction of it and in pixels. Some programs that
align frames or correct lenses crop each frame a little differently."""

_LAYOUTS = (
    "NAME-A and NAME-B (or _A/_B, -1/-2, _1/_2; -C and so on for more), folders A and B with equal names, "
    "a folder NAME with A and B, or numbered frames"
)
"""Known layouts of a folder, for messages."""


@dataclass(frozen=True)
class Stack:
    """Photographs of one scene, each with another focus.

    Attributes:
        name: The part that the file names share; the results are named after it.
        images: The files, A (or 1, near) first; at least two.
    """

    name: str
    images: tuple[Path, ...]

    @property
    def near(self) -> Path:
        """The first image, by convention with a sharp foreground."""
        return self.images[0]

    @property
    def far(self) -> Path:
        """The second image."""
        return self.images[1]

    @property
    def extent(self) -> str:
        """Number and names of the images: "7 frames, pcb_001 to pcb_007"."""
        return f"{len(self.images)} frames, {self.images[0].stem} to {self.images[-1].stem}"


@dataclass(frozen=True)
class Listing:
    """The stacks of a folder.

    Attributes:
        stacks: The usable ones, in natural order of their names (lytro-2 before lytro-10).
        problems: One sentence for every image that belongs to no usable stack. If it is empty, all images with a place
            in their name belong to a stack.
        notes: One sentence for every series of frames beside which images are left out.
    """

    stacks: list[Stack]
    problems: list[str]
    notes: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Returns the lines for the user: the frames of each stack, except for the pairs of a batch, and the notes."""
        told = [stack for stack in self.stacks if len(stack.images) > 2 or len(self.stacks) == 1]
        return [f"{stack.name}: {stack.extent}" for stack in told] + [f"warning: {note}" for note in self.notes]


def find_stacks(
    folder: str | os.PathLike,
    *,
    largest: int = MOST_FRAMES,
    places_only: bool = False,
    pattern: str | None = None,
    division: str | None = None,
) -> Listing:
    """Finds the stacks of a folder by name.

    Three layouts are known. Files in one folder: `NAME-A`, `NAME-B`, `NAME-C` and so on, with `_` for `-`, numbers from
    1 for letters, or `near`/`far`, in either case. Folders `A`, `B` and so on (or `1`/`2`, `near`/`far`,
    `sourceA`/`sourceB`) with files of equal names. One folder for each stack, with `A`, `B` and so on inside.
    Subfolders count only where the folder itself has no file named as part of a stack; hidden files and files of other
    types never count.

    A TIFF of several pages is a stack of them, or one for each channel and time; so is `folder` if it is such a file.
    A folder without any of these is one stack, called as the folder: the longest series of names in it that differ in
    their numbers alone, as cameras give them (see `data.io.sequences`).

    Args:
        folder: The folder to look through, one level deep.
        largest: How many images a stack may have.
        places_only: Whether only the three layouts count, and sizes must be equal to the pixel.
        pattern: Names of another layout in one folder; see `data.io.stack_names.find_by_pattern`.
        division: How a series of frames is divided into scenes; see `data.io.sequences.divide`.

    Returns:
        The stacks with fitting sizes, and a sentence on everything that is in the way: an image without its partner, a
        gap, two files for one place, too many images, unequal sizes, an unreadable header, a name without an ending.

    Raises:
        InputError: `folder` is missing or not a folder, or holds no usable stack.
    """
    folder = Path(folder)
    if not folder.exists():
        raise InputError(f"cannot look for pairs in {folder}: there is no such folder; check the name.")
    if folder.is_dir():
        found = find_by_pattern(folder, pattern) if pattern else find_members(folder, places_only, division)
    else:
        found = Found([] if places_only else members_of_file(folder), [], [])
    if not folder.is_dir() and not found.members:
        raise InputError(f"cannot look for pairs in {folder}: it is a file; give the folder that holds the pairs.")
    problems = found.problems
    groups: dict[str, dict[int, list[Path]]] = {}
    for name, place, image in found.members:
        groups.setdefault(name, {}).setdefault(place, []).append(image)
    stacks = []
    for name in sorted(groups, key=natural_key):
        try:
            stacks.append(_make_stack(name, groups[name], largest, places_only))
        except InputError as error:
            problems.append(str(error))
    if not stacks:
        if not problems:
            wanted = f"names like {pattern}" if pattern else _LAYOUTS
            raise InputError(f"no image pair in {folder}; it must hold {wanted}.")
        others = len(problems) - 1
        more = f" (and {others} more problem{'s' * (others > 1)})" if others else ""
        raise InputError(f"no usable image pair in {folder}: {problems[0].rstrip('.')}{more}.")
    return Listing(stacks, problems, found.notes)


def find_pairs(folder: str | os.PathLike) -> Listing:
    """Finds pairs: `find_stacks` with two images of equal size each, by their places only."""
    return find_stacks(folder, largest=2, places_only=True)


def find_scene(*images: str | os.PathLike, largest: int = MOST_FRAMES, as_given: bool = False) -> Listing:
    """Finds the one scene that the user names.

    Args:
        images: Two or more images, or one folder.
        largest: How many images it may have.
        as_given: Whether images keep their order, however they are numbered.

    Returns:
        A listing of one stack; see `check_stack` for images and `find_stacks` for a folder.

    Raises:
        InputError: As there; or the folder holds several scenes.
    """
    if len(images) > 1:
        return Listing([check_stack(*images, as_given=as_given)], [])
    listing = find_stacks(images[0], largest=largest)
    if len(listing.stacks) > 1:
        first, *_, last = (stack.name for stack in listing.stacks)
        found = f"{len(listing.stacks)} scenes, {first} to {last}"
        raise InputError(f"{images[0]} holds {found}; -i {images[0]} -o DIR fuses each.")
    return listing


def check_stack(*images: str | os.PathLike, as_given: bool = False) -> Stack:
    """Makes a stack of files that the user names.

    Args:
        images: At least two.
        as_given: Whether this order is kept in any case.

    Returns:
        The stack, in this order; three or more of one series in the order of their characters, as a shell lists them,
        get that of their numbers (9 before 10). Its name is what the file names share (`lytro-01` of `lytro-01-A` and
        `lytro-01-B`, `x` of `A/x` and `B/x`, the folder's name for `A` and `B`), else the first and the last stem
        joined by "-".

    Raises:
        InputError: A file cannot be read, one is given twice, or their sizes differ.
    """
    paths = tuple(Path(image) for image in images)
    if len(paths) > MOST_FRAMES:
        raise InputError(f"a stack has at most {MOST_FRAMES} images, received {len(paths)}; leave some out.")
    series = find_series(paths)
    if not as_given and series and len(series[0]) == len(paths) > 2 and list(paths) == sorted(paths):
        paths = series[0]
    common_size(paths, [header.size for header in lay_alike([read_header(path) for path in paths])])
    seen = set()
    for path in paths:
        status = stored_in(path).stat()
        identity = status.st_dev, status.st_ino, path.stem if is_page(path) else ""
        if identity in seen:
            raise InputError(f"cannot pair {path} with itself; give images with different focus.")
        seen.add(identity)
    return Stack(_common_name(paths), paths)


def _make_stack(name: str, places: dict[int, list[Path]], largest: int, exact: bool) -> Stack:
    """Makes one stack of the images at each place; raises an InputError that says why there is none."""
    for files in places.values():
        if len(files) > 1:
            raise InputError(f"{name} has two files for one side, {files[0]} and {files[1]}; remove or rename one.")
    images = tuple(places[place][0] for place in sorted(places))
    if len(images) == 1:
        if 1 not in places and 2 not in places:
            raise InputError(stray(images[0]))
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
    headers = [read_header(image) for image in images]
    common_size(images, [header.size for header in (headers if exact else lay_alike(headers))], exact)
    return Stack(name, images)


def common_size(images: Sequence[Path], sizes: Sequence[tuple[int, int]], exact: bool = False) -> tuple[int, int]:
    """Returns the size, (height, width), to which all images of a stack can be cropped.

    Args:
        images: The files, for messages.
        sizes: (height, width) of each.
        exact: Whether they must be equal; else they may differ a little (`SIZE_TOLERANCE`).

    Raises:
        InputError: One differs too much from the first.
    """
    for image, size in zip(images, sizes, strict=True):
        allowed = [0 if exact else min(SIZE_TOLERANCE * side, MOST_UNEQUAL) for side in sizes[0]]
        if any(abs(side - wanted) > most for side, wanted, most in zip(size, sizes[0], allowed, strict=True)):
            first, other = (f"{width}x{height}" for height, width in (sizes[0], size))
            raise InputError(
                f"{images[0]} is {first} pixels but {image} is {other}; images of one scene must be equal."
            )
    return min(height for height, _ in sizes), min(width for _, width in sizes)


def _common_name(images: Sequence[Path]) -> str:
    stems = [image.stem for image in images]
    if len(set(stems)) == 1:
        return stems[0]
    splits = {split for stem in stems if (split := split_name(stem))}
    names = {name for name, _ in splits}
    if len(splits) < len(stems) or len(names) > 1:
        return f"{stems[0]}-{stems[-1]}"
    return names.pop() or images[0].resolve().parent.name
