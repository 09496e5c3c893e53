"""Checks names from outside before they become files or folders."""

from pathlib import PurePath

from data.runtime.errors import InputError
from metrics.markup import printable

LONGEST_NAME = 100
"""Most bytes of a name that becomes a folder: with our prefix and suffix, short enough for every file system."""


def checked_name(name: str, what: str) -> str:
    """Checks a name that becomes a folder or a file below one that the user gave.

    Args:
        name: The name.
        what: What is called so, for the message: "a method".

    Returns:
        `name`.

    Raises:
        InputError: It is empty or too long, would lead elsewhere (`..`, a separator, a drive), is hidden, or cannot be
            shown.
    """
    wrong = None
    if not name.strip():
        wrong = "it is empty"
    elif name != PurePath(name).name or any(one in name for one in '/\\:*?"<>|'):
        wrong = 'it must not hold any of / \\ : * ? " < > |'
    elif name.startswith(".") or name != name.strip() or name.endswith("."):
        wrong = "it must not begin with a dot or a space, nor end with one"
    elif printable(name) != name:
        wrong = "it holds characters that cannot be shown"
    elif len(name.encode()) > LONGEST_NAME:
        wrong = f"it has more than {LONGEST_NAME} bytes"
    if wrong:
        raise InputError(f"{printable(name)!r} cannot be the name of {what}: {wrong}.")
    return name
