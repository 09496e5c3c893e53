"""Parallel work in threads, with results in the order of the items."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int | None = None) -> Iterator[Result]:
    """Calls a function with each item, several at once.

    Args:
        function: Called by several threads at a time; it is faster where the function releases Python's lock, as numpy
            and OpenCV do.
        items: Taken by the calling thread, no more than a few ahead of the results.
        workers: Number of threads; None takes one for each core.

    Yields:
        What the function returned, in the order of the items.

    Raises:
        Exception: What the function raised, at its item's turn.
    """
    workers = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
