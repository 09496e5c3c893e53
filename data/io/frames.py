"""The frames of a stack, read from their files as they are needed."""

import operator
from collections import OrderedDict
from collections.abc import Sequence
from functools import partial
from hashlib import sha256
from typing import Literal

import numpy as np

from data.imaging.blocks import Window
from data.imaging.opacity import opaque_part
from data.io.camera_files import is_raw, raw_balance
from data.io.image_header import Header, lay_alike, open_image_file, read_header
from data.io.image_io import read_photograph, read_with_opacity
from data.io.listing import Stack, common_size
from data.io.metadata import Metadata
from data.runtime.errors import InputError

MOST_CACHED = 2
"""Most frames in memory: the work on a stack looks at two neighbors."""

ALPHA = ("cut", "refuse", "drop")
"""What is done with transparency: the part is kept in which all frames are opaque; it is refused; or it is ignored."""

LEAST_OPAQUE = 0.5
"""Least share of the picture that must be left when transparent pixels are cut off."""


class Frames(Sequence[np.ndarray]):
    """The images of a stack as a sequence of arrays, which holds no more than the last `MOST_CACHED` of them in memory.

    Each is (H, W, 3) RGB or (H, W) gray, uint8 or uint16, read-only, and of one shape and type: frames whose sizes
    differ by a few pixels are cut to the size that all have, about their centers, and raw files are developed with the
    white balance of the first. One object serves one thread.

    Args:
        stack: The files.
        alpha: A name in `ALPHA`: transparent pixels, where a program that aligned the frames had nothing to show, are
            cut off all frames ("cut"); or "refuse" and "drop", see `data.io.image_io.read_image`.

    Attributes:
        shape: Of every frame.
        dtype: Of every frame.
        remarks: What the user should know of the frames that were read so far, one sentence each.
        digests: The SHA-256 of the files that were read so far, by the index of the frame.

    Raises:
        InputError: A header cannot be read, or one frame differs from the first in channels, type, or by more than a
            few pixels in size. `frames[i]` raises it where the file has become another since, or is damaged.
    """

    def __init__(self, stack: Stack, alpha: Literal["cut", "refuse", "drop"] = "cut"):
        self._stack, self._alpha = stack, alpha
        given = [read_header(path) for path in stack.images]
        self._headers = lay_alike(given)
        self._laid = [
            None if header.orientation == own.orientation else header.orientation
            for header, own in zip(self._headers, given, strict=True)
        ]
        first = self._headers[0]
        for path, header in zip(stack.images, self._headers, strict=True):
            if header.dtype != first.dtype or len(header.shape) != len(first.shape):
                raise InputError(
                    f"{stack.images[0]} is {_kind(first)} but {path} is {_kind(header)}; images of one scene must be "
                    "of one kind."
                )
        self._size = common_size(stack.images, [header.size for header in self._headers])
        self.shape, self.dtype = (*self._size, *first.shape[2:]), first.dtype
        self._balance = None
        if is_raw(stack.images[0]):
            with open_image_file(stack.images[0]) as file:
                self._balance = raw_balance(stack.images[0], file)
        self.remarks: list[str] = []
        self.digests: dict[int, str] = {}
        self._part = self._opaque_part() if alpha == "cut" else None
        if self._part:
            rows, columns = self._part
            self.shape = (rows.stop - rows.start, columns.stop - columns.start, *first.shape[2:])
        self._read: OrderedDict[int, np.ndarray] = OrderedDict()
        self._profiles: set[bytes | None] = set()
        self._metadata: Metadata | None = None  # of the first frame, once that was read
        turned = [path.name for path, laid in zip(stack.images, self._laid, strict=True) if laid]
        if turned:
            others = f" and {len(turned) - 1} more" if len(turned) > 1 else ""
            self.remarks.append(
                f"the EXIF orientation of {turned[0]}{others} differs from that of most frames, which is used for all"
            )

    def __len__(self) -> int:
        return len(self._headers)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override] # a slice would hold all of them
        place = range(len(self))[operator.index(index)]
        if place not in self._read:
            while len(self._read) >= MOST_CACHED:
                self._read.popitem(last=False)
            self._read[place] = self._load(place)
        self._read.move_to_end(place)
        return self._read[place]

    @property
    def metadata(self) -> Metadata:
        """Color profile and EXIF data of the first frame, which a result takes over."""
        if self._metadata is None:
            self[0]
        return self._metadata or Metadata()

    def _load(self, place: int) -> np.ndarray:
        path = self._stack.images[place]
        laid = self._laid[place]
        alpha: Literal["refuse", "drop", "ignore"] = "ignore" if self._alpha == "cut" else self._alpha
        image, metadata = read_photograph(
            path, alpha=alpha, balance=self._balance, laid=laid, note=partial(self._note, place)
        )
        wanted = self._headers[place]
        if image.shape != wanted.shape or image.dtype != wanted.dtype:
            now = Header(image.shape, image.dtype)
            raise InputError(f"{path} is {_kind(now)} and not {_kind(wanted)}, as its header says; save it again.")
        if place == 0:
            self._metadata = metadata
        self._compare_profile(metadata.profile)
        image = _crop(image, self._size)
        if self._part:
            image = np.ascontiguousarray(image[self._part])
        image.flags.writeable = False  # it may be given out again
        return image

    def _opaque_part(self) -> Window | None:
        """Finds the part in which all frames are opaque; None: everywhere."""
        opaque = np.ones(self._size, bool)
        for path, header, laid in zip(self._stack.images, self._headers, self._laid, strict=True):
            if header.alpha:
                shown = read_with_opacity(path, None, laid)[1]
                if shown is not None:
                    opaque &= _crop(shown, self._size)
        if opaque.all():
            return None
        rows, columns = part = opaque_part(opaque)
        if (rows.stop - rows.start) * (columns.stop - columns.start) < LEAST_OPAQUE * opaque.size:
            name = next(path for path, header in zip(self._stack.images, self._headers, strict=True) if header.alpha)
            raise InputError(f"cannot use {name}: it has transparent pixels; save it without an alpha channel.")
        self.remarks.append(
            f"transparent pixels are cut off: {columns.stop - columns.start}x{rows.stop - rows.start} pixels from "
            f"{columns.start}, {rows.start} are left"
        )
        return part

    def _note(self, place: int, content: bytes) -> None:
        """Notes the digest of a file's content, which must be the same whenever it is read."""
        digest = sha256(content).hexdigest()
        if self.digests.setdefault(place, digest) != digest:
            raise InputError(f"{self._stack.images[place]} has become another file while it was read; fuse again.")

    def _compare_profile(self, profile: bytes | None) -> None:
        """Notes a second color profile, once."""
        if len(self._profiles | {profile}) == 2 > len(self._profiles) > 0:
            name = self._stack.name
            self.remarks.append(f"the images of {name} differ in color profile; the first one's is kept")
        self._profiles.add(profile)


def _crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Crops an image about its center and copies it."""
    top, left = ((side - wanted) // 2 for side, wanted in zip(image.shape, size, strict=False))
    return np.ascontiguousarray(image[top : top + size[0], left : left + size[1]])


def _kind(header: Header) -> str:
    height, width = header.shape[:2]
    return f"{width}x{height} {'gray' if len(header.shape) == 2 else 'RGB'} {header.dtype}"
