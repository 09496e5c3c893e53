"""Parts of one metric on several cores: NumPy lets go of the interpreter while it computes."""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_threads(function: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Calls a function with each item, on as many cores as there are; returns the results in order."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as threads:
        return list(threads.map(function, items))
