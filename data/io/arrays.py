"""Reads arrays from files; bounds their size before they are read, and refuses NaN and infinity."""

import io
import math
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from data.io.files import open_file
from data.runtime.errors import InputError, in_one_line

NUMBERS = "biuf"
"""Kinds of numpy's types that are read; no objects, so nothing is unpickled."""

_SUFFIX = ".npy"
"""Suffix of each array in an archive."""

_END = struct.Struct("<4s6sH10s")
"""The end of a zip archive without a comment: signature, numbers of disks, count of entries, the directory's place."""


def check_finite(path: Path | str, arrays: Mapping[str, np.ndarray]) -> None:
    """Refuses weights that hold NaN or infinity.

    Args:
        path: Where they are from, for the message.
        arrays: Name to array, of any shape and type of numbers.

    Raises:
        InputError: One holds such a value; the message names it.
    """
    for name, values in arrays.items():
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InputError(f"{path} cannot be used: {name} holds values that are NaN or infinite.")


def read_arrays(path: Path, largest: int | None = None) -> dict[str, np.ndarray]:
    """Reads all arrays of an `.npz` file in bounded memory, whatever the file says.

    Args:
        path: The file, as `np.savez` or `np.savez_compressed` writes it.
        largest: Bytes that compressed arrays may have in all; None takes only what is stored as it is, so that the
            arrays are no larger than the file.

    Returns:
        Name to array, of integers, floats or booleans.

    Raises:
        InputError: The file cannot be read, is damaged, larger than declared, or an array holds NaN or infinity.
    """
    with open_file(path) as file:
        try:
            with zipfile.ZipFile(file) as archive:
                arrays = _read_members(archive, file, largest)
        except MemoryError:
            raise
        except Exception as error:  # zipfile raises a dozen types of errors
            raise InputError(f"{path} is damaged ({reason(error)}).") from error
    check_finite(path, arrays)
    return arrays


def reason(error: BaseException) -> str:
    """Returns what another library says of a file, in one short line."""
    return in_one_line(error, 200) or type(error).__name__


def _read_members(archive: zipfile.ZipFile, file: BinaryIO, largest: int | None) -> dict[str, np.ndarray]:
    members = archive.infolist()
    file.seek(-_END.size, io.SEEK_END)
    signature, _, count, _ = _END.unpack(file.read())
    # A changed length in the directory can make one entry swallow the next, which zipfile does not notice.
    if signature != b"PK\x05\x06" or count != len(members):
        raise ValueError("its directory has not as many arrays as it says")
    if len({member.filename.removesuffix(_SUFFIX) for member in members}) < len(members):
        raise ValueError("two arrays have one name")
    if largest is None:
        if any((m.compress_type, m.compress_size) != (zipfile.ZIP_STORED, m.file_size) for m in members):
            raise ValueError("an array is compressed")
        largest = file.seek(0, io.SEEK_END)
    if sum(member.file_size for member in members) > largest:
        raise ValueError("the arrays are declared larger than they can be")
    return {member.filename.removesuffix(_SUFFIX): _read_member(archive, member) for member in members}


def _read_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        content = io.BytesIO(file.read(member.file_size))  # no more than that; its checksum is compared at the end
    if np.lib.format.read_magic(content) != (1, 0):
        raise ValueError(f"{member.filename} has another version")
    shape, _, dtype = np.lib.format.read_array_header_1_0(content)
    if dtype.kind not in NUMBERS or min(shape, default=0) < 0:
        raise ValueError(f"{member.filename} is no array of numbers")
    if content.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
        raise ValueError(f"{member.filename} declares another size than it has")
    content.seek(0)
    return np.lib.format.read_array(content, allow_pickle=False)
