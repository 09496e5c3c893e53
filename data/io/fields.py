"""Checks the types of values from files against annotations."""

import math
import reprlib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.io.files import read_json
from data.runtime.errors import InputError

LARGEST_INTEGER = 2**63 - 1
"""Largest integer of TensorFlow and numpy."""

_WORDS = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    dict: "an object",
    types.NoneType: "null",
}
"""Names of types in messages."""


def check_values(kinds: Mapping[str, Any], values: Mapping[str, Any], finite: bool = True) -> None:
    """Checks that values are there and of their types.

    Args:
        kinds: Name to type: str, bool, int, float, None, dict, Any, or of these a union, list, dict or tuple. A bool is
            no int; an int is a float.
        values: Name to value; names without a type are not looked at.
        finite: Whether floats must be finite.

    Raises:
        ValueError: One is missing or of another type; the message names the first.
    """
    for name, kind in kinds.items():
        if name not in values:
            raise ValueError(f"{name} is missing")
        if not _fits(values[name], kind, finite):
            raise ValueError(f"{name} must be {_describe(kind)}, received {reprlib.repr(values[name])}")


def read_object(path: Path, kinds: Mapping[str, Any], remedy: str) -> dict[str, Any]:
    """Reads a JSON file that holds an object.

    Args:
        path: The file.
        kinds: What it must hold, as in `check_values`; it may hold more.
        remedy: What to do where it is damaged.

    Raises:
        InputError: It cannot be read, is no JSON or no object, or a value is missing or of another type.
    """
    content = read_json(path)
    try:
        if not isinstance(content, dict):
            raise ValueError(f"it holds {reprlib.repr(content)} in place of an object")
        check_values(kinds, content)
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}; {remedy}.") from error
    return content


def _fits(value: Any, kind: Any, finite: bool) -> bool:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if kind is Any:
        return True
    if kind is int:
        return type(value) is int and abs(value) <= LARGEST_INTEGER
    if kind is float:
        return _fits(value, int, finite) or (isinstance(value, float) and (not finite or math.isfinite(value)))
    if origin is types.UnionType:
        return any(_fits(value, part, finite) for part in parts)
    if not isinstance(value, origin or kind):
        return False
    if origin is dict:
        return all(_fits(one, part, finite) for item in value.items() for one, part in zip(item, parts, strict=True))
    if origin is list or parts[1:] == (...,):
        return all(_fits(one, parts[0], finite) for one in value)
    if origin is tuple:
        return len(value) == len(parts) and all(map(_fits, value, parts, [finite] * len(value)))
    return True


def _describe(kind: Any) -> str:
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:
        return " or ".join(map(_describe, parts))
    if origin in (tuple, list):
        return f"a list (of each: {_describe(parts[0])})"
    if origin is dict:
        return f"an object (of each value: {_describe(parts[1])})"
    return _WORDS.get(kind, str(kind))
