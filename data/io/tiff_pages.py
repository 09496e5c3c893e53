"""What the directories of a TIFF file say of its pages: how many are whole pictures, and of which samples.

Pillow counts thumbnails as pages and knows no floating-point color; both must be told from what is damaged.
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO

from PIL.ExifTags import Base as Tag

MOST_PAGES = 1000
"""Most directories that are looked at."""

_MOST_ENTRIES = 4096
"""Most entries of a directory; more are damage."""

_FORMATS = {3: "H", 4: "I", 16: "Q"}
"""Types of the values that are read (TIFF 6.0, BigTIFF), as codes of `struct`."""

_TOLD = (Tag.NewSubfileType, Tag.SubfileType, Tag.SampleFormat)
"""Tags that are read."""

_DAMAGE = (OSError, OverflowError, ValueError, struct.error)
"""What places beyond any file raise."""

_REDUCED, _FLOATING = 1, 3
"""Bit of NewSubfileType for a thumbnail, and SampleFormat of floating point."""


def count_pages(file: BinaryIO) -> int:
    """Counts the pages of a TIFF that are no thumbnails of others; 0 for another type. Reads the file from anywhere."""
    return sum(not _is_thumbnail(tags) for tags in _directories(file))


def is_floating(file: BinaryIO) -> bool:
    """Returns whether the first page of a TIFF has floating-point samples. Reads the file from anywhere."""
    first = next(_directories(file), {})
    return first.get(Tag.SampleFormat) == _FLOATING


def _is_thumbnail(tags: dict[int, int]) -> bool:
    return bool(tags.get(Tag.NewSubfileType, 0) & _REDUCED) or tags.get(Tag.SubfileType) == 2


def _directories(file: BinaryIO) -> Iterator[dict[int, int]]:
    """Yields for each directory those of its tags that are told, with the first value of each; ends at damage."""
    file.seek(0)
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 16:
        return
    version = struct.unpack(f"{order}H", start[2:4])[0]
    if version not in (42, 43):
        return
    big = version == 43
    place = struct.unpack(f"{order}{'Q' if big else 'I'}", start[8:16] if big else start[4:8])[0]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MOST_PAGES:
        seen.add(place)
        try:
            file.seek(place)
            found = _read_directory(file, order, big)
        except _DAMAGE:
            return
        if found is None:
            return
        tags, place = found
        yield tags


def _read_directory(file: BinaryIO, order: str, big: bool) -> tuple[dict[int, int], int] | None:
    """Reads a directory at the file's place: its tags, and the place of the next; None where the file ends."""
    counter, size, pointer = ("Q", 20, "Q") if big else ("H", 12, "I")
    head = file.read(struct.calcsize(counter))
    if len(head) < struct.calcsize(counter):
        return None
    count = struct.unpack(order + counter, head)[0]
    if count > _MOST_ENTRIES:
        return None
    body = file.read(count * size + struct.calcsize(pointer))
    if len(body) < count * size + struct.calcsize(pointer):
        return None
    tags = {}
    for index in range(count):
        entry = body[index * size : (index + 1) * size]
        tag, kind, length = struct.unpack(f"{order}HH{pointer}", entry[: 12 if big else 8])
        if tag not in _TOLD or kind not in _FORMATS:
            continue
        code, value = order + _FORMATS[kind], entry[12 if big else 8 :]
        wide = struct.calcsize(code)
        if length * wide > len(value):  # it is where these values stand
            file.seek(struct.unpack(order + pointer, value)[0])
            value = file.read(wide)
        if wide <= len(value):
            tags[tag] = struct.unpack(code, value[:wide])[0]
    return tags, struct.unpack(order + pointer, body[count * size :])[0]
