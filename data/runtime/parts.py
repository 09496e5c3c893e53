"""Work of many parts, such as pairs or runs: a failure in one is reported, and the others go on."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from data.runtime.errors import StoppedError, report


@dataclass
class Part:
    """One part of the work.

    Attributes:
        failure: The sentence on what was raised in it; None where nothing was.
    """

    failure: str | None = None


@contextmanager
def alone(name: str) -> Iterator[Part]:
    """Reports whatever is raised in the block, so that the other parts of the work go on.

    Args:
        name: What the part concerns, for the report.

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
