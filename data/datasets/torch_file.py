"""Reads the tensors of a file in PyTorch's old format, without PyTorch and without running what the file says.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the dictionary of tensors, the keys of
their storages), followed by the numbers of each storage. Python's unpickler runs the instructions of a pickle, so they
are checked before, and it finds stand-ins for the names that a dictionary of tensors uses, and no other names.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.io.arrays import check_finite
from data.io.files import read_bytes
from data.runtime.errors import InputError

MAGIC = 0x1950A86A20F9469CFC6C
"""First number of a file in the old format."""

VERSION = 1001
"""Second number of such a file."""

LARGEST_FILE = 64 * 2**20
"""Largest size in bytes of a file, and of its tensors together; VGG-19 in 8 bits has 20 MB."""

MOST_INSTRUCTIONS = 10_000
"""Most instructions of a pickle; tensors need about 40 each. Python hashes nested tuples by recursion in C."""

MOST_DIMENSIONS = 8
"""Most dimensions of a tensor; weights of convolutions have four."""

LONGEST_NAME = 1000
"""Most characters of a name."""

_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8", "torch ByteStorage": "|u1"}
"""Types of storages, by the names that pickles have for them."""

_SHARED = {"BINUNICODE", "GLOBAL", "EMPTY_DICT", "EMPTY_LIST", "REDUCE", "BINPERSID"}
"""Instructions whose value may be used again; tuples that share their parts could take forever to hash."""

_ALLOWED = _SHARED | {
    *("PROTO", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT"),
    *("EMPTY_TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "TUPLE", "APPEND", "APPENDS", "SETITEM", "SETITEMS"),
    *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "BUILD"),
}
"""Instructions that a dictionary of tensors needs."""

_BROKEN = (
    *(ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, EOFError),
    pickle.UnpicklingError,
)
"""What reading arbitrary bytes can raise."""


class _Storage(NamedTuple):
    dtype: np.dtype
    key: str
    length: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


class _Dictionary(dict[Any, Any]):
    """Stands for OrderedDict; the attribute that one has in these files, the versions of modules, is not needed."""

    def __setstate__(self, state: object) -> None:
        pass


class _Function(NamedTuple):
    """Stands for a function; as a tuple, it has no attributes that a pickle could set."""

    call: Callable[..., _Tensor | _Dictionary]

    def __call__(self, *arguments: Any) -> _Tensor | _Dictionary:
        return self.call(*arguments)


class _Unpickler(pickle.Unpickler):
    """Describes storages and tensors; checks the type and length of a value before it looks into it."""

    def find_class(self, module: str, name: str) -> str | _Function:
        full = f"{module} {name}"
        return full if full in _TYPES else _FUNCTIONS[full]

    def persistent_load(self, pid: Any) -> _Storage:
        _expect(type(pid) is tuple and len(pid) == 6, "a storage is described in another way")
        what, kind, key, _, count, view = pid
        _expect(all(type(one) is str for one in (what, kind, key)) and what == "storage", "no storage")
        _expect(_are_counts((count,)) and view is None, "a storage of another size")
        return _Storage(np.dtype(_TYPES[kind]), key, count)


def _new_dictionary() -> _Dictionary:
    return _Dictionary()


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    _expect(type(storage) is _Storage and _are_counts((offset,)), "a tensor without a storage")
    _expect(_are_counts(shape) and _are_counts(strides) and len(shape) == len(strides), "a shape of other things")
    for place, (side, stride) in enumerate(zip(shape, strides, strict=True)):
        _expect(side <= 1 or stride == math.prod(shape[place + 1 :]), "a tensor is not laid out row by row")
    return _Tensor(storage, offset, shape)


_FUNCTIONS = {
    "collections OrderedDict": _Function(_new_dictionary),
    "torch._utils _rebuild_tensor_v2": _Function(_rebuild_tensor),
}
"""Stand-ins for the functions that make a dictionary of tensors."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors.

    Args:
        path: A file that `torch.save` wrote from a `state_dict()`, in the format before PyTorch 1.6.

    Returns:
        Name to array, float32, int64 or uint8.

    Raises:
        InputError: It is no such file, is damaged, or holds anything else, NaN or infinity.
    """
    content = read_bytes(path, LARGEST_FILE)
    if content[:2] == b"PK":
        raise InputError(f"{path} has PyTorch's new format; the authors published theirs in the old one.")
    try:
        tensors = _read(io.BytesIO(content))
    except _BROKEN as error:
        raise InputError(f"{path} is no dictionary of tensors in PyTorch's old format, or it is damaged.") from error
    check_finite(path, tensors)
    return tensors


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    magic, version, _, state, keys = (_unpickle(file) for _ in range(5))
    _expect(type(magic) is int and magic == MAGIC and type(version) is int and version == VERSION, "no magic number")
    _expect(isinstance(state, dict) and type(keys) is list, "no dictionary and list of keys")
    _expect(all(type(name) is str and type(one) is _Tensor for name, one in state.items()), "more than tensors")
    # Many may share one storage, and each becomes an array of its own.
    size = sum(tensor.size * tensor.storage.dtype.itemsize for tensor in state.values())
    _expect(size <= LARGEST_FILE, "tensors larger than the file")
    described: dict[str, _Storage] = {}
    for tensor in state.values():
        _expect(described.setdefault(tensor.storage.key, tensor.storage) == tensor.storage, "one storage of two kinds")
    _expect(all(type(key) is str for key in keys), "the key of a storage is no text")
    _expect(sorted(described) == sorted(keys), "storages differ from what the tensors use")
    values = {key: _read_storage(file, described[key]) for key in keys}
    return {name: _array(tensor, values[tensor.storage.key]) for name, tensor in state.items()}


def _unpickle(file: io.BytesIO) -> Any:
    """Checks the instructions of one pickle and carries them out; leaves the file at its end."""
    start, previous = file.tell(), ""
    shared: set[int] = set()
    argument: Any
    for number, (instruction, argument, _) in enumerate(pickletools.genops(file)):
        name = instruction.name
        _expect(name in _ALLOWED and number < MOST_INSTRUCTIONS, "instructions that tensors do not need")
        _expect(not isinstance(argument, str) or len(argument) <= LONGEST_NAME, "a name of endless length")
        if name.endswith("BINPUT"):
            _expect(argument <= MOST_INSTRUCTIONS, "a memo of endless length")
            (shared.add if previous in _SHARED else shared.discard)(argument)
        _expect(not name.endswith("BINGET") or argument in shared, "a value that may not be used again")
        previous = name
    return _Unpickler(io.BytesIO(file.getbuffer()[start : file.tell()])).load()


def _read_storage(file: io.BytesIO, storage: _Storage) -> np.ndarray:
    _expect(int.from_bytes(file.read(8), "little") == storage.length, "a storage has another size")
    return np.frombuffer(file.read(storage.length * storage.dtype.itemsize), storage.dtype, storage.length)


def _array(tensor: _Tensor, values: np.ndarray) -> np.ndarray:
    end = tensor.offset + tensor.size
    _expect(end <= values.size, "a tensor reaches beyond its storage")
    return values[tensor.offset : end].reshape(tensor.shape).copy()


def _are_counts(values: Any) -> bool:
    """Returns whether this is a short tuple of numbers that can be sizes."""
    short = type(values) is tuple and len(values) <= MOST_DIMENSIONS
    return short and all(type(value) is int and 0 <= value <= LARGEST_FILE for value in values)


def _expect(fits: bool, problem: str) -> None:
    if not fits:
        raise ValueError(problem)
