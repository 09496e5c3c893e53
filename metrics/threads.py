"""Metrics, and parts of one, on several cores: NumPy lets go of the interpreter while it computes."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from threading import Lock
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def shared(function: Callable[..., Result]) -> Callable[..., Result]:
    """Returns a function that computes each result once; other threads that ask meanwhile wait for it."""
    known, lock = cache(function), Lock()

    def ask(*arguments: Any, **named: Any) -> Result:
        with lock:
            return known(*arguments, **named)

    return ask


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Calls a function with each item, on as many cores as there are; returns the results in order."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(function, items))
