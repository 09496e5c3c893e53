"""What the directories of a TIFF file say of its pages: how many are whole pictures, of which samples, and where.

Pillow counts thumbnails as pages and knows no floating-point color; both must be told from what is damaged.
"""

import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO

from PIL.ExifTags import Base as Tag

MOST_PAGES = 10_000
"""Most directories that are looked at."""

_MOST_ENTRIES = 4096
"""Most entries of a directory; more are damage."""

SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type (TIFF 6.0, BigTIFF)."""

_FORMATS = {3: "H", 4: "I", 16: "Q"}
"""Types of the numbers that are read, as codes of `struct`."""

LARGEST_VALUE = 2**24
"""Most bytes of an entry's values; more are damage."""

DAMAGE = (OSError, OverflowError, ValueError, struct.error)
"""What places beyond any file raise."""

_REDUCED, _FLOATING = 1, 3
"""Bit of NewSubfileType for a thumbnail, and SampleFormat of floating point."""


@dataclass(frozen=True)
class Directory:
    """A page's directory in an open file.

    Attributes:
        file: The file.
        order: Byte order, as a code of `struct`.
        big: Whether it is a BigTIFF, whose places have 64 bits.
        place: Where it stands.
        entries: Tag to type, number of values, and the field that holds them, or their place.
    """

    file: BinaryIO
    order: str
    big: bool
    place: int
    entries: dict[int, tuple[int, int, bytes]]

    def content(self, tag: int) -> bytes:
        """Reads the values of an entry as they are stored.

        Raises:
            ValueError: They are damaged.
        """
        kind, count, field = self.entries[tag]
        length = count * SIZES.get(kind, 0)
        if not 0 < length <= LARGEST_VALUE:
            raise ValueError(f"the tag {tag} has {count} values of type {kind}")
        if length <= len(field):
            return field[:length]
        self.file.seek(struct.unpack(self.order + ("Q" if self.big else "I"), field)[0])
        content = self.file.read(length)
        if len(content) < length:
            raise ValueError(f"the values of the tag {tag} are cut short")
        return content

    def numbers(self, tag: int) -> tuple[int, ...]:
        """Returns the whole numbers of an entry; none where it is missing, damaged or of another type."""
        with suppress(KeyError, *DAMAGE):
            kind, count, _ = self.entries[tag]
            return struct.unpack(f"{self.order}{count}{_FORMATS[kind]}", self.content(tag))
        return ()

    def number(self, tag: int, default: int) -> int:
        """Returns the first of `numbers`."""
        return (*self.numbers(tag), default)[0]

    @property
    def is_thumbnail(self) -> bool:
        """Whether the page is a smaller version of another."""
        return bool(self.number(Tag.NewSubfileType, 0) & _REDUCED) or self.number(Tag.SubfileType, 0) == 2


def count_pages(file: BinaryIO) -> int:
    """Counts the pages of a TIFF that are no thumbnails of others; 0 for another type. Reads the file from anywhere."""
    return sum(not page.is_thumbnail for page in read_directories(file))


def is_floating(file: BinaryIO) -> bool:
    """Returns whether the first page of a TIFF has floating-point samples. Reads the file from anywhere."""
    first = next(read_directories(file), None)
    return first is not None and first.number(Tag.SampleFormat, 0) == _FLOATING


def read_directories(file: BinaryIO, first: int | None = None) -> Iterator[Directory]:
    """Yields the directory of each page of a TIFF; ends at damage, and yields nothing for another type.

    Args:
        file: The file; it is read from anywhere.
        first: Place of the directory to begin with; None: the first page's.
    """
    file.seek(0)
    start = file.read(16)
    order = {b"II": "<", b"MM": ">"}.get(start[:2])
    if order is None or len(start) < 16:
        return
    version = struct.unpack(f"{order}H", start[2:4])[0]
    if version not in (42, 43):
        return
    big = version == 43
    place = first or struct.unpack(f"{order}{'Q' if big else 'I'}", start[8:16] if big else start[4:8])[0]
    seen: set[int] = set()
    while place and place not in seen and len(seen) < MOST_PAGES:
        seen.add(place)
        try:
            found = _read_directory(file, order, big, place)
        except DAMAGE:
            return
        if found is None:
            return
        directory, place = found
        yield directory


def _read_directory(file: BinaryIO, order: str, big: bool, place: int) -> tuple[Directory, int] | None:
    """Reads the directory at a place, and the place of the next; None where the file ends."""
    file.seek(place)
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
    entries = {}
    for index in range(count):
        entry = body[index * size : (index + 1) * size]
        tag, kind, length = struct.unpack(f"{order}HH{pointer}", entry[: 12 if big else 8])
        entries[tag] = kind, length, entry[12 if big else 8 :]
    return Directory(file, order, big, place, entries), struct.unpack(order + pointer, body[count * size :])[0]
