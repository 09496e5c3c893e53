"""Shared parts of command lines: the parser, types of arguments, and options that several commands have."""

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data.runtime.errors import EXIT_DONE, InputError
from data.runtime.installation import COMMAND_PREFIX, DISTRIBUTION, version

STDOUT = Path("-")
"""In place of a file name: print the content."""

_DEVICE = re.compile(r"auto|cpu|gpu(:\d{1,3})?")
"""Values of `--device`."""


def command_parser(description: str, examples: str, prog: str | None = None) -> argparse.ArgumentParser:
    """Builds the parser of a command with `--help` and `--version` alone.

    Args:
        description: What the command does, shown above its options.
        examples: Shown below its options, line by line. An installed command shows its own name in place of `python
            fuse.py`.
        prog: The command as it is typed, for a module that `python -m` runs; by default the name of the script.
    """
    if Path(sys.argv[0]).name.startswith(COMMAND_PREFIX):
        examples = re.sub(r"\bpython (fuse|train|evaluate)\.py\b", rf"{COMMAND_PREFIX}\1", examples)
    formatter = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog=prog, description=description, epilog=examples, formatter_class=formatter)
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version of the project and exit")
    return parser


def add_shared(parser: argparse._ActionsContainer, *options: str) -> None:
    """Adds options that mean the same in several commands."""
    for option in options:
        parser.add_argument(option, **_SHARED[option])


def add_named(parser: argparse.ArgumentParser, option: str, metavar: str, text: str, *, required: bool = False) -> None:
    """Adds an option that takes any number of NAME=VALUE and may be given again; see `by_name`."""
    parser.add_argument(
        option, type=_name_value, nargs="+", action="extend", default=[], required=required, metavar=metavar, help=text
    )


def by_name(option: str, values: Iterable[tuple[str, str]], kind: Callable[[str], Any] = str) -> dict[str, Any]:
    """Returns the values of `add_named` by their names, each converted by `kind`.

    Raises:
        InputError: A name is given twice.
    """
    chosen: dict[str, Any] = {}
    for name, value in values:
        if name in chosen:
            raise InputError(f"{option} names {name!r} twice, {chosen[name]} and {value}; give every name once.")
        chosen[name] = kind(value)
    return chosen


def natural(text: str) -> int:
    """Parses a whole number from 0 on."""
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{value} is below 0")
    return value


def seconds(text: str) -> float:
    """Parses a time above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no time above 0")
    return value


def port(text: str) -> int:
    """Parses the number of a port: 0 to 65535."""
    value = natural(text)
    if value > 65_535:
        raise argparse.ArgumentTypeError(f"{value} is above 65535")
    return value


def host(text: str) -> str:
    """Parses the name or the address of a host."""
    if not text.strip() or not text.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is no address")
    return text


def positive(text: str) -> int:
    """Parses a whole number from 1 on."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is below 1")
    return value


def rate(text: str) -> float:
    """Parses a finite number above 0."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def duration(text: str) -> float:
    """Parses a finite number from 0 on."""
    value = float(text)
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text} is no duration")
    return value


def device(text: str) -> str:
    """Parses a device to compute on."""
    if not _DEVICE.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is none of auto, cpu, gpu and gpu:N")
    return text


def shard(text: str) -> tuple[int, int]:
    """Parses I/N, the I-th of N parts."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N with I from 1 to N")
    return int(part), int(parts)


def json_path(text: str) -> Path:
    """Parses the name of a file that ends in .json, or `STDOUT`."""
    path = Path(text)
    if path != STDOUT and path.suffix.lower() != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json; give such a name, or - to print")
    return path


class _Version(argparse.Action):
    """Prints the version, which is looked up only then, and exits."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"{DISTRIBUTION} {version()}")
        parser.exit(EXIT_DONE)


def _name_value(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=VALUE")
    return name, value


SCENES_HELP = "VOCdevkit/VOC2012 or a folder above it; or a folder with images/ and masks/, where not 0 is foreground"
"""Help text of options that take training scenes."""

_SHARED: dict[str, dict[str, Any]] = {
    "--voc": {"type": Path, "required": True, "metavar": "DIR", "help": SCENES_HELP},
    "--cache": {"action": "store_true", "help": "keep photographs decoded: 0.75 MB a scene"},
    "--device": {
        "type": device,
        "metavar": "DEVICE",
        "default": "auto",
        "help": "auto (a GPU where there is one), cpu, gpu or gpu:N (auto)",
    },
    "--weights": {"type": Path, "metavar": "FILE", "help": "a weights file (default: the bundled one)"},
    "--pattern": {
        "metavar": "TEXT",
        "help": "pattern of the file names in a folder, without suffix: '{name}_{index}', '{index}-of-{name}'",
    },
    "--jobs": {
        "type": positive,
        "default": 1,
        "metavar": "N",
        "help": "processes at once (%(default)s)",
    },
    "--cluster": {
        "metavar": "ADDRESS",
        "help": "a scheduler of Dask (tcp://...) or Ray (ray://...), in place of --jobs",
    },
    "--seed": {"type": natural, "default": 0, "help": "random seed (%(default)s)"},
    "--overwrite": {"action": "store_true", "help": "replace what exists"},
    "--json": {"action": "store_true", "help": "print JSON"},
    "--quiet": {"action": "store_true", "help": "no progress bar"},
}
"""Options that mean the same in several commands."""
