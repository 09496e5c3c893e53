"""Reads the tensors of a file that PyTorch wrote in its old format, without PyTorch and without running what it says.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the dictionary of tensors, the keys of
their storages) and then the numbers of each storage. A pickle is a program: here only those of its instructions that a
dictionary of tensors needs are carried out, by this module and not by Python's unpickler, and the only names known are
the four that such a dictionary uses.

Each instruction takes a time that does not depend on what the values hold. A few hundred bytes can nest tuples that
share their parts into one with more places than there are atoms, so none is ever hashed, compared, converted or
printed: a value is looked into only where its type and its length are right.
"""

import io
import math
import pickletools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.io.arrays import check_finite
from data.io.files import read_bytes
from data.runtime.errors import InputError

MAGIC = 0x1950A86A20F9469CFC6C
"""The first number in a file of the old format."""

VERSION = 1001
"""The second."""

LARGEST = 64 * 2**20
"""Bytes of a file, and of its tensors together, beyond which it is refused; VGG-19's 8 bits have 20 MB."""

MOST_INSTRUCTIONS = 100_000
"""Of a pickle."""

MOST_DIMENSIONS = 8
"""Of a tensor; those of both networks here have four."""

LONGEST_NAME = 1000
"""Characters of a name."""

_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8", "torch ByteStorage": "|u1"}
"""The kinds of storages, by the names that pickles have for them."""

_MARK = object()
"""Lies on the stack below the items that a later instruction takes together."""

_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "MARK": _MARK}
"""Instructions that put something on the stack, and what."""

_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "BINFLOAT"}
"""Instructions that put their argument on the stack."""

_TUPLES = {"EMPTY_TUPLE": 0, "TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3, "TUPLE": None}
"""Instructions that make a tuple, and of how many items; None: of all since the last mark."""

_BROKEN = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading any row of bytes can end in."""


@dataclass(frozen=True, eq=False)
class _Name:
    """A global name that the pickle asks for; never looked up."""

    text: str


@dataclass(frozen=True, eq=False)
class _Storage:
    dtype: np.dtype
    key: str
    count: int


@dataclass(frozen=True, eq=False)
class _Tensor:
    storage: _Storage
    offset: int
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors.

    Args:
        path: A file that `torch.save` wrote from a `state_dict()`, in the format before PyTorch 1.6.

    Returns:
        Name to array, float32, int64 or uint8.

    Raises:
        InputError: if it is not such a file, is damaged, or holds anything else, NaN or infinity.
    """
    content = read_bytes(path, LARGEST)
    if content[:2] == b"PK":
        raise InputError(f"{path} has PyTorch's new format; the authors published theirs in the old one.")
    try:
        tensors = _read(io.BytesIO(content))
    except _BROKEN as error:
        raise InputError(f"{path} is no dictionary of tensors in PyTorch's old format, or it is damaged.") from error
    check_finite(path, tensors)
    return tensors


def _read(file: io.BytesIO) -> dict[str, np.ndarray]:
    for expected in (MAGIC, VERSION):
        number = _run(file)
        _expect(type(number) is int and number == expected, "no magic number")
    _run(file)
    state, keys = _run(file), _run(file)
    _expect(type(state) is dict and type(keys) is list, "no dictionary and list of keys")
    _expect(all(isinstance(tensor, _Tensor) for tensor in state.values()), "something other than tensors")
    # Many may share one storage, and each becomes an array of its own.
    size = sum(tensor.size * tensor.storage.dtype.itemsize for tensor in state.values())
    _expect(size <= LARGEST, "tensors larger than the file")
    storages = _storages(file, state, keys)
    return {name: _array(tensor, storages) for name, tensor in state.items()}


def _storages(file: io.BytesIO, state: dict[str, _Tensor], keys: list[Any]) -> dict[str, np.ndarray]:
    described: dict[str, _Storage] = {}
    for tensor in state.values():
        storage = described.setdefault(tensor.storage.key, tensor.storage)
        same = (storage.dtype, storage.count) == (tensor.storage.dtype, tensor.storage.count)
        _expect(same, "one storage of two kinds")
    _expect(all(map(_is_name, keys)), "a storage's key is no name")
    _expect(sorted(described) == sorted(keys), "storages differ from what the tensors use")
    values = {}
    for key in keys:
        count = int.from_bytes(_exactly(file, 8), "little")
        _expect(count == described[key].count, "a storage has another size")
        dtype = described[key].dtype
        values[key] = np.frombuffer(_exactly(file, count * dtype.itemsize), dtype)
    return values


def _exactly(file: io.BytesIO, count: int) -> bytes:
    data = file.read(count) if 0 <= count <= LARGEST else b""
    _expect(len(data) == count, "the file ends early")
    return data


def _array(tensor: _Tensor, storages: dict[str, np.ndarray]) -> np.ndarray:
    values = storages[tensor.storage.key]
    end = tensor.offset + tensor.size
    _expect(end <= values.size, "a tensor reaches beyond its storage")
    return values[tensor.offset : end].reshape(tensor.shape).copy()


def _run(file: io.BytesIO) -> Any:
    """Carries out one pickle and returns what it makes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        _expect(number <= MOST_INSTRUCTIONS, "too many instructions")
        if name == "STOP":
            return stack.pop()
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name in ("EMPTY_DICT", "EMPTY_LIST"):
            stack.append({} if name == "EMPTY_DICT" else [])
        elif name in _TUPLES:
            stack.append(tuple(_take(stack, _TUPLES[name])))
        elif name in ("APPEND", "APPENDS"):
            items = _take(stack, 1 if name == "APPEND" else None)
            _expect(type(stack[-1]) is list, "a list was expected")
            stack[-1].extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = _take(stack, 2 if name == "SETITEM" else None)
            _expect(type(stack[-1]) is dict and all(map(_is_name, items[::2])), "a dictionary with names was expected")
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments))
        elif name == "BUILD":
            stack.pop()  # versions of modules, kept as an attribute of the dictionary
        else:
            _expect(name == "PROTO", f"the instruction {name} is not needed for tensors")
    raise ValueError("a pickle without an end")


def _take(stack: list[Any], count: int | None) -> list[Any]:
    """Takes so many items from the stack, or all since the last mark."""
    items = []
    while len(items) != count and (item := stack.pop()) is not _MARK:
        items.append(item)
    _expect(count is None or len(items) == count, "a mark among the items")
    return items[::-1]


def _storage(identity: Any) -> _Storage:
    _expect(type(identity) is tuple and len(identity) == 6, "a storage is described in another way")
    kind, dtype, key, _, count, view = identity
    _expect(type(kind) is str and kind == "storage" and view is None, "no storage")
    _expect(isinstance(dtype, _Name) and _is_name(key), "a storage without a type or key")
    _expect(type(count) is int and 0 <= count <= LARGEST, "a storage of another size")
    return _Storage(np.dtype(_TYPES[dtype.text]), key, count)


def _call(function: Any, arguments: Any) -> Any:
    _expect(isinstance(function, _Name) and type(arguments) is tuple, "no call")
    if function.text == "collections OrderedDict":
        _expect(not arguments, "a dictionary of something")
        return {}
    _expect(function.text == "torch._utils _rebuild_tensor_v2", "a name that is not needed for tensors")
    _expect(len(arguments) >= 4, "a tensor is described in another way")
    storage, offset, shape, strides = arguments[:4]
    _expect(isinstance(storage, _Storage) and _are_counts((offset,)), "a tensor without a storage")
    _expect(_are_counts(shape) and _are_counts(strides) and len(shape) == len(strides), "a shape of other things")
    for place, (side, stride) in enumerate(zip(shape, strides, strict=True)):
        _expect(side <= 1 or stride == math.prod(shape[place + 1 :]), "a tensor is not laid out row by row")
    return _Tensor(storage, offset, shape)


def _is_name(value: Any) -> bool:
    """Whether this is a text so short that comparing it a hundred thousand times is nothing."""
    return type(value) is str and len(value) <= LONGEST_NAME


def _are_counts(values: Any) -> bool:
    """Whether this is a short tuple of numbers that can be sizes."""
    short = type(values) is tuple and len(values) <= MOST_DIMENSIONS
    return short and all(type(value) is int and 0 <= value <= LARGEST for value in values)


def _expect(fits: bool, problem: str) -> None:
    if not fits:
        raise ValueError(problem)
