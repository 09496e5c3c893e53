"""Progress bars and figures of the measurements, as a table or as JSON."""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from tqdm import tqdm

from data.runtime.errors import EXIT_DONE
from metrics.markup import Table

Item = TypeVar("Item")


def with_progress(items: Iterable[Item], arguments: argparse.Namespace, unit: str, title: str = "") -> Iterator[Item]:
    """Iterates with a progress bar, unless a command line asks for JSON or no bar."""
    hidden = arguments.quiet or getattr(arguments, "json", False)
    return iter(tqdm(items, desc=title or None, unit=unit, disable=hidden))


def print_figures(
    arguments: argparse.Namespace, columns: Sequence[str], rows: Sequence[Sequence[Any]], figures: Any = None
) -> int:
    """Prints a table, or the figures as JSON where a command line asks for it; returns the exit code."""
    as_json = getattr(arguments, "json", False)
    print(json.dumps(figures, indent=2) + "\n" if as_json else Table(columns, rows).markdown(), end="")
    return EXIT_DONE
