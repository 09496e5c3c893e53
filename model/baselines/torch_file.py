"""Reads the tensors of a file that PyTorch wrote in its old format, without PyTorch and without running what it says.

Such a file is a row of pickles (a magic number, a version, facts of the machine, the dictionary of tensors, the keys of
their storages) and then the numbers of each storage. A pickle is a program: here only those of its instructions that a
dictionary of tensors needs are carried out, by this module and not by Python's unpickler, and the only names known are
the four that such a dictionary uses.
"""

import io
import pickletools
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from data.errors import InputError

MAGIC = 0x1950A86A20F9469CFC6C
VERSION = 1001
LARGEST = 64 * 2**20
MOST_INSTRUCTIONS = 100_000
"""Bytes of a file and instructions of a pickle beyond which it is refused; both networks here have less than 1 MB."""

_TYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
_ORDERED_DICT, _REBUILD = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {"BININT", "BININT1", "BININT2", "LONG1", "BINUNICODE", "BINFLOAT"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


class _Name(str):
    """A global name that the pickle asks for; never looked up."""


class _Storage(NamedTuple):
    dtype: str
    key: str
    count: int


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors.

    Args:
        path: A file that `torch.save` wrote from a `state_dict()`, in the format before PyTorch 1.6.

    Returns:
        Name to array, float32 or int64.

    Raises:
        InputError: if it is not such a file, is damaged, or holds anything else.
    """
    try:
        if path.stat().st_size > LARGEST:
            raise InputError(f"{path} has more than {LARGEST} bytes: it is none of the networks known here.")
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}.") from error
    if content[:2] == b"PK":
        raise InputError(f"{path} has PyTorch's new format; the authors published theirs in the old one.")
    try:
        return _read(io.BytesIO(content))
    except _BROKEN as error:
        raise InputError(f"{path} is no dictionary of tensors in PyTorch's old format, or it is damaged.") from error


_BROKEN = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
"""What reading any row of bytes can end in."""


def _read(file) -> dict[str, np.ndarray]:
    if _run(file) != MAGIC or _run(file) != VERSION:
        raise ValueError("no magic number")
    _run(file)
    state = _run(file)
    keys = _run(file)
    storages = dict(_storages(file, state, keys))
    return {str(name): _array(tensor, storages) for name, tensor in state.items()}


def _storages(file, state, keys) -> Iterator[tuple[str, np.ndarray]]:
    described = {tensor.storage.key: tensor.storage for tensor in state.values()}
    if sorted(described) != sorted(keys):
        raise ValueError("storages differ from what the tensors use")
    for key in keys:
        storage = described[key]
        count = int.from_bytes(_exactly(file, 8), "little")
        if count != storage.count:
            raise ValueError("a storage has another size")
        dtype = np.dtype(storage.dtype)
        yield key, np.frombuffer(_exactly(file, count * dtype.itemsize), dtype)


def _exactly(file, count):
    data = file.read(count) if 0 <= count <= LARGEST else b""
    if len(data) != count:
        raise ValueError("the file ends early")
    return data


def _array(tensor: _Tensor, storages) -> np.ndarray:
    values = storages[tensor.storage.key]
    size = 1
    for side in tensor.shape:
        size *= side
    if min((tensor.offset, *tensor.shape)) < 0 or tensor.offset + size > values.size:
        raise ValueError("a tensor reaches beyond its storage")
    return values[tensor.offset : tensor.offset + size].reshape(tensor.shape).copy()


def _run(file) -> Any:
    """Carries out one pickle and returns what it makes."""
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for number, (opcode, argument, _) in enumerate(pickletools.genops(file)):
        name = opcode.name
        if number > MOST_INSTRUCTIONS:
            raise ValueError("too many instructions")
        if name == "STOP":
            return stack.pop()
        if name == "PROTO":
            continue
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name == "GLOBAL":
            stack.append(_Name(argument))
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "EMPTY_TUPLE":
            stack.append(())
        elif name == "EMPTY_DICT":
            stack.append({})
        elif name == "EMPTY_LIST":
            stack.append([])
        elif name in _TUPLES:
            items = [stack.pop() for _ in range(_TUPLES[name])]
            stack.append(tuple(reversed(items)))
        elif name == "TUPLE":
            stack.append(tuple(_since_mark(stack)))
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "APPENDS":
            items = _since_mark(stack)
            stack[-1].extend(items)
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][key] = value
        elif name == "SETITEMS":
            items = _since_mark(stack)
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name == "BINPERSID":
            stack.append(_storage(stack.pop()))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_call(function, arguments))
        elif name == "BUILD":
            stack.pop()  # versions of modules, kept as an attribute of the dictionary
        else:
            raise ValueError(f"the instruction {name} is not needed for tensors")
    raise ValueError("a pickle without an end")


def _since_mark(stack):
    items = []
    while (item := stack.pop()) is not _MARK:
        items.append(item)
    return items[::-1]


def _storage(identity):
    kind, dtype, key, _, count, view = identity
    if kind != "storage" or view is not None or not (isinstance(key, str) and isinstance(count, int)):
        raise ValueError("a storage is described in another way")
    return _Storage(_TYPES[_named(dtype)], key, count)


def _call(function, arguments):
    name = _named(function)
    if name == _ORDERED_DICT and arguments == ():
        return {}
    if name == _REBUILD:
        storage, offset, shape, stride = arguments[:4]
        steps = [int(np.prod(shape[place + 1 :])) for place in range(len(shape))]
        if not isinstance(storage, _Storage) or any(
            side > 1 and step != given for side, step, given in zip(shape, steps, stride, strict=True)
        ):
            raise ValueError("a tensor is not laid out row by row")
        return _Tensor(storage, offset, tuple(shape))
    raise ValueError(f"{name} is not needed for tensors")


def _named(value):
    if not isinstance(value, _Name):
        raise ValueError("a name was expected")
    return str(value)
