"""Types of command-line arguments."""

import argparse
from pathlib import Path

STDOUT = Path("-")
"""In the place of a file: print it."""


def natural(text: str) -> int:
    """A whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def positive(text: str) -> int:
    """A whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def shard(text: str) -> tuple[int, int]:
    """I/N, the I-th of N parts."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N with I from 1 to N")
    return int(part), int(parts)


def json_path(text: str) -> Path:
    """A file that ends in .json, or `STDOUT`."""
    path = Path(text)
    if path != STDOUT and path.suffix.lower() != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json; give such a name, or - to print")
    return path
