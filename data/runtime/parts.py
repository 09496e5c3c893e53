"""Isolates the parts of a larger work, such as pairs or runs: an error in one is reported, and the others go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from data.runtime.errors import StoppedError, report


@dataclass
class Part:
    """One part of the work.

    Attributes:
        failure: A sentence on the error in it; None where there was none.
    """

    failure: str | None = None


@contextmanager
def isolate_errors(name: str) -> Iterator[Part]:
    """Reports any error in the block instead of raising it, so that the other parts of the work go on.

    Args:
        name: Name of the part, for the report.

    Yields:
        The part; look at its `failure` behind the block.

    Raises:
        StoppedError: A signal asked for the end; so do KeyboardInterrupt and SystemExit.
    """
    part = Part()
    try:
        yield part
    except StoppedError:
        raise
    except Exception as error:
        part.failure = report(error, name)
