"""Errors that a user can cause, and how every command reports them: one sentence, an exit code, no traceback."""

import argparse
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from typing import Any, TextIO

from tqdm import tqdm

from metrics.checks import RefusedError
from metrics.markup import printable

EXIT_DONE = 0
"""Exit code of a command that did everything."""

EXIT_FAILED = 1
"""Exit code where some input failed."""

EXIT_USAGE = 2
"""Exit code of argparse for wrong usage."""

_LONGEST_MESSAGE = 600
"""Most characters of an unexpected error's message that are shown; some libraries print pages."""

_debug = False
"""Whether `--debug` was given."""


class InputError(ValueError):
    """Raised where something that the user gave cannot be used; the message is a sentence with value and remedy."""


class StoppedError(Exception):
    """Raised where a signal asks the work to end; what was done is saved, and nothing further should begin."""


def run_command(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Runs a command line's `main`; whatever it raises becomes one sentence and an exit code.

    Args:
        main: The command; takes the arguments (None = `sys.argv[1:]`), returns an exit code.
        argv: Arguments handed to `main`.

    Returns:
        What `main` returned; 1 where it raised or was interrupted.
    """
    global _debug
    _debug = False
    warnings.showwarning = _show_warning
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed, as of services without a console; no file may take its number
            setattr(sys, name, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - stays open to the end
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # for names that the terminal cannot show
    # TensorFlow prints much about processors and absent GPUs; train.py itself prints what a run uses.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return main(argv)
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115 - nobody reads what we print
    except KeyboardInterrupt:
        say("error: interrupted; what was finished before is kept.")
    except Exception as error:
        report(error)
    return EXIT_FAILED


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Adds the option `--debug`, which shows where in the code an error arose."""
    parser.add_argument("--debug", action=_Debug, nargs=0, help="with every error, show where in the code it arose")


def report(error: BaseException, name: str = "") -> str:
    """Prints an error; the one place where a failure becomes a line.

    Args:
        error: Whatever was raised.
        name: What it concerns, such as a scene.

    Returns:
        The sentence, without `name`.
    """
    sentence = explain(error)
    say(f"error: {name}: {sentence}" if name else f"error: {sentence}")
    if _debug:
        tqdm.write("".join(traceback.format_exception(error)), file=sys.stderr)
    return sentence


def explain(error: BaseException) -> str:
    """Returns one sentence on an error, whoever caused it."""
    if isinstance(error, InputError | RefusedError | StoppedError):
        return str(error)
    if isinstance(error, OSError):
        named = f": {error.filename}" if error.filename else ""
        return f"{error.strerror or error}{named}"
    if isinstance(error, MemoryError):
        return "there is not enough memory for this; use smaller images, or fewer at once."
    message = in_one_line(error, _LONGEST_MESSAGE) or "no message"
    return f"unexpected {type(error).__name__}: {message} (--debug shows where; please report it)."


def in_one_line(error: BaseException, longest: int) -> str:
    """Returns an error's message as one line, cut after `longest` characters."""
    message = " ".join(str(error).split())
    return message if len(message) <= longest else f"{message[:longest]}..."


def say(text: str) -> None:
    """Prints one line to the standard error stream, around a progress bar if there is one."""
    tqdm.write(printable(text), file=sys.stderr)


class _Debug(argparse.Action):
    def __call__(self, *_: Any) -> None:
        global _debug
        _debug = True


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints a warning in one line, without the place in the code; replaces `warnings.showwarning`."""
    say(f"warning: {message}")
