"""A TIFF file of several pages as a folder: each page is a file in it, `stack.tif/0001.tif`.

A page is taken out as a TIFF of its own, byte for byte as it is stored, so that all else reads it as any photograph.
The axes of microscopes' files come from the descriptions that ImageJ and OME (the Open Microscopy Environment) write.
"""

import io
import os
import re
import struct
from functools import lru_cache
from itertools import accumulate, product
from math import prod
from pathlib import Path
from typing import BinaryIO
from xml.etree import ElementTree

from PIL.ExifTags import Base as Tag

from data.io.files import open_file
from data.io.tiff_pages import DAMAGE, Directory, read_directories
from data.runtime.errors import InputError

SUFFIXES = (".tif", ".tiff")
"""Suffixes of TIFF files, in lower case."""

_PLACES = ((Tag.StripOffsets, Tag.StripByteCounts), (Tag.TileOffsets, Tag.TileByteCounts))
"""Tags of where the pixels of a page stand, and of their lengths."""

_ELSEWHERE = (Tag.SubIFDs, Tag.ExifOffset, Tag.GPSInfo, Tag.ExifInteroperabilityOffset)
"""Tags that point to other directories; a page goes without them."""

_ALIKE = (Tag.ImageWidth, Tag.ImageLength, Tag.SamplesPerPixel, Tag.BitsPerSample)
"""Tags that the pages of one stack share."""

_LONG, _LONG_8 = 4, 16
"""Types of places of 32 and of 64 bits."""

_IMAGEJ, _OME = b"ImageJ=", b"<OME"
"""What the descriptions of such stacks contain."""


def is_page(path: str | os.PathLike) -> bool:
    """Returns whether a path names a page in a TIFF file, in place of a file in a folder."""
    path = Path(path)
    return path.parent.suffix.lower() in SUFFIXES and path.stem.isdecimal() and path.parent.is_file()


def stored_in(path: Path) -> Path:
    """Returns the file that holds an image: of a page its TIFF, else the path itself."""
    return path.parent if is_page(path) else path


def find_slices(path: Path, file: BinaryIO) -> dict[str, tuple[Path, ...]]:
    """Finds the stacks in a TIFF of several pages: one for each channel and each time, along its slices.

    Args:
        path: The file, for the paths of its pages.
        file: The same, open.

    Returns:
        The name of each stack to its pages: `NAME`, or `NAME-c1`, `NAME-t2-c1` and so on. Nothing where it has one
        page, besides thumbnails, or pages that differ in size or kind.
    """
    pages = [(number, page) for number, page in enumerate(read_directories(file), 1) if not page.is_thumbnail]
    if len(pages) < 2 or len({tuple(page.numbers(tag) for tag in _ALIKE) for _, page in pages}) > 1:
        return {}
    paths = [path / f"{number:04d}.tif" for number, _ in pages]
    name = re.sub(r"\.ome$", "", path.stem, flags=re.IGNORECASE) or path.stem
    axes = _axes(pages[0][1], len(paths))
    steps = {axis: prod(size for _, size in axes[:index]) for index, (axis, size) in enumerate(axes)}
    sizes = dict(axes)
    several = [axis for axis in "TC" if sizes.get(axis, 1) > 1]
    if sizes.get("Z", 1) == 1 or not several:
        return {name: tuple(paths)}
    stacks = {}
    for others in product(*(range(sizes[axis]) for axis in several)):
        first = sum(steps[axis] * index for axis, index in zip(several, others, strict=True))
        label = "".join(f"-{axis.lower()}{index + 1}" for axis, index in zip(several, others, strict=True))
        stacks[name + label] = tuple(paths[first + steps["Z"] * index] for index in range(sizes["Z"]))
    return stacks


def open_page(path: str | os.PathLike, largest: int) -> io.BufferedReader:
    """Takes a page out of a TIFF.

    Args:
        path: Of the page.
        largest: Most bytes that a page may have.

    Returns:
        A TIFF of this page alone.

    Raises:
        InputError: There is no such page, or it is damaged or too large.
    """
    number, holder = int(Path(path).stem), Path(path).parent
    with open_file(holder) as file:
        status = os.fstat(file.fileno())
        places = _places(holder, (status.st_ino, status.st_size, status.st_mtime_ns))
        if not 1 <= number <= len(places):
            raise InputError(f"cannot read {path}: {holder.name} has {len(places)} pages.")
        try:
            content = _take_out(next(read_directories(file, places[number - 1])), largest)
        except (*DAMAGE, StopIteration) as error:
            raise InputError(f"cannot read {path}: the page is damaged or cut short ({error}).") from error
    return io.BufferedReader(io.BytesIO(content))


@lru_cache(4)
def _places(holder: Path, _: tuple[int, int, int]) -> tuple[int, ...]:
    """Returns where the directories of a TIFF stand; the stamp tells another file of that name."""
    with open_file(holder) as file:
        return tuple(page.place for page in read_directories(file))


def _take_out(page: Directory, largest: int) -> bytes:
    """Writes a page as a file of its own: a header, its directory, the values of its entries, and its pixels."""
    order, big = page.order, page.big
    pointer, wide = ("Q", 8) if big else ("I", 4)
    values = {tag: page.content(tag) for tag in sorted(page.entries) if tag not in _ELSEWHERE}
    kinds = {tag: page.entries[tag][:2] for tag in values}
    described = values.get(Tag.ImageDescription, b"")
    if _IMAGEJ in described or _OME in described:
        del values[Tag.ImageDescription]  # a single page is no such stack
    (starts, lengths), *_ = [tags for tags in _PLACES if tags[0] in values] or _PLACES
    places, sizes = page.numbers(starts), page.numbers(lengths)
    if not places or len(places) != len(sizes) or sum(sizes) > largest:
        raise ValueError(f"its pixels are {len(places)} pieces of {sum(sizes):,} bytes")
    kinds[starts], values[starts] = (_LONG_8 if big else _LONG, len(places)), bytes(wide * len(places))
    header = struct.pack(f"{order}HHHQ", 43, 8, 0, 16) if big else struct.pack(f"{order}HI", 42, 8)
    behind = 2 + len(header) + len(values) * (20 if big else 12) + (16 if big else 6)
    apart = {tag: value + bytes(len(value) % 2) for tag, value in values.items() if len(value) > wide}
    pixels = behind + sum(map(len, apart.values()))
    moved = tuple(accumulate(sizes[:-1], initial=pixels))
    values[starts] = struct.pack(f"{order}{len(moved)}{pointer}", *moved)
    if starts in apart:
        apart[starts] = values[starts]
    directory = [struct.pack(order + ("Q" if big else "H"), len(values))]
    for tag, value in values.items():
        field = struct.pack(order + pointer, behind) if tag in apart else value.ljust(wide, b"\0")
        directory.append(struct.pack(f"{order}HH{pointer}", tag, *kinds[tag]) + field)
        behind += len(apart.get(tag, b""))
    pieces = [_read(page.file, place, size) for place, size in zip(places, sizes, strict=True)]
    start = (b"II" if order == "<" else b"MM") + header
    return b"".join([start, *directory, bytes(wide), *apart.values(), *pieces])


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    content = file.read(size)
    if len(content) < size:
        raise ValueError("its pixels are cut short")
    return content


def _axes(first: Directory, count: int) -> list[tuple[str, int]]:
    """Returns the axes of a stack, of those of channels (C), slices (Z) and times (T) that its description names, with
    their sizes; the first changes fastest. A description that does not fit the number of pages is not used."""
    try:
        text = first.content(Tag.ImageDescription).rstrip(b"\0").decode("utf-8", "replace")
    except (KeyError, *DAMAGE):
        return [("Z", count)]
    axes = _imagej_axes(text) if text.startswith(_IMAGEJ.decode()) else _ome_axes(text) if _OME.decode() in text else []
    return axes if prod(size for _, size in axes) == count else [("Z", count)]


def _imagej_axes(text: str) -> list[tuple[str, int]]:
    sizes = dict(re.findall(r"^(channels|slices|frames)=(\d{1,6})\s*$", text, re.MULTILINE))
    return [(axis, int(sizes.get(name, 1))) for axis, name in (("C", "channels"), ("Z", "slices"), ("T", "frames"))]


def _ome_axes(text: str) -> list[tuple[str, int]]:
    try:
        pixels = next(one for one in ElementTree.fromstring(text.encode()).iter() if one.tag.endswith("}Pixels"))
        samples = [int(one.get("SamplesPerPixel", 1)) for one in pixels if one.tag.endswith("}Channel")]
        sizes = {axis: int(pixels.attrib[f"Size{axis}"]) for axis in "ZCT"}
        sizes["C"] //= max(samples, default=1)
        return [(axis, sizes[axis]) for axis in pixels.attrib["DimensionOrder"][2:]]
    except (ElementTree.ParseError, StopIteration, KeyError, ValueError, ZeroDivisionError):
        return []
