"""Errors a user can cause, and the exit codes that every command of the project shares."""

import os
import sys
import warnings
from collections.abc import Callable, Sequence

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2


class InputError(ValueError):
    """Something the user gave cannot be used; the message is one sentence with the value and the remedy."""


class StoppedError(InputError):
    """A signal asked the work to end; what was done is saved, and nothing further should begin."""


def run_command(main: Callable[[Sequence[str] | None], int], argv: Sequence[str] | None = None) -> int:
    """Runs a command line's `main` and turns what a user can cause into one sentence and an exit code.

    Args:
        main: The command; takes the arguments (None = `sys.argv[1:]`), returns an exit code.
        argv: Arguments handed to `main`.

    Returns:
        What `main` returned; 1 where it raised `InputError` or `OSError` (missing file, no permission, full disk), or
        was interrupted.
    """
    warnings.showwarning = _show_warning
    # TensorFlow says much about processors and absent GPUs; what a run uses, train.py says itself.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        return main(argv)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
    except OSError as error:
        named = f": {error.filename}" if error.filename else ""
        print(f"error: {error.strerror or error}{named}", file=sys.stderr)
    except KeyboardInterrupt:
        print("error: interrupted; what was finished before is kept.", file=sys.stderr)
    return EXIT_FAILED


def _show_warning(message, category, filename, lineno, file=None, line=None):
    """Says a warning in one line, without the place in the code."""
    print(f"warning: {message}", file=file or sys.stderr)
