"""Parallel work in processes or on a cluster, with results in the order of the items."""

import multiprocessing
import os
import signal
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ALL_COMPLETED, FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from importlib.util import find_spec
from multiprocessing import connection
from typing import TypeVar
from urllib.parse import urlsplit

from data.runtime.errors import InputError
from data.runtime.installation import install_hint

Item = TypeVar("Item")
Result = TypeVar("Result")

RAY = "ray"
"""Beginning of the address of a Ray cluster; those of Dask begin with tcp:// and the like."""

KILLED = "its process was killed, as systems do when memory runs out; use fewer --jobs"
"""What is said of an item whose process died twice."""

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Variables that tell libraries how many threads a process has."""

PATIENCE = 10.0
"""Seconds in which a scheduler must answer."""


def spread(
    function: Callable[[Item], Result],
    items: Iterable[Item],
    jobs: int = 1,
    cluster: str | None = None,
    lost: Callable[[Item, str], Result] | None = None,
) -> Iterator[Result]:
    """Calls a function with each item.

    Args:
        function: Must be picklable, as its items and results, and idempotent: a cluster repeats the work of a machine
            that died.
        items: Its arguments.
        jobs: Number of processes on this machine; 1 works in the calling process.
        cluster: The address of a scheduler, tcp://HOST:PORT of Dask or ray://HOST:PORT of Ray, in place of processes;
            its machines must have this project and see the same files.
        lost: Makes the result of an item whose process was killed, from it and a sentence; None: that is an error.

    Yields:
        What the function returned, in the order of the items.

    Raises:
        InputError: A library is missing, there is no scheduler at the address, or a process was killed.
    """
    if jobs == 1 and cluster is None:
        yield from map(function, items)
        return
    if cluster is None:
        yield from _in_processes(function, list(items), jobs, lost)
    else:
        yield from (_on_ray if cluster.startswith(RAY) else _on_dask)(function, items, cluster)


def _in_processes(
    function: Callable[[Item], Result],
    items: Sequence[Item],
    jobs: int,
    lost: Callable[[Item, str], Result] | None,
) -> Iterator[Result]:
    """Works in processes of this machine. Where one dies, all in hand are done again, each alone; then it is known
    which of them ends its process."""
    waiting, done, following = deque(enumerate(items)), dict[int, Result](), 0
    while following < len(items):
        with _pool(min(jobs, len(items))) as pool:
            running: dict[Future[Result], int] = {}
            broken = False
            while (waiting or running) and not broken:
                while waiting and len(running) < jobs and not broken:
                    try:
                        running[pool.submit(function, waiting[0][1])] = waiting[0][0]
                        waiting.popleft()
                    except BrokenProcessPool:  # one died since the last look
                        broken = True
                finished, _ = wait(running, return_when=ALL_COMPLETED if broken else FIRST_COMPLETED)
                for future in finished:
                    if isinstance(future.exception(), BrokenProcessPool):
                        broken = True
                    else:
                        done[running.pop(future)] = future.result()
                while following in done:
                    yield done.pop(following)
                    following += 1
        for index in sorted(running.values()):
            done[index] = _alone(function, items[index], lost)
            while following in done:
                yield done.pop(following)
                following += 1


def _alone(function: Callable[[Item], Result], item: Item, lost: Callable[[Item, str], Result] | None) -> Result:
    """Does the work of one item in a process of its own."""
    with _pool(1) as pool:
        try:
            return pool.submit(function, item).result()
        except BrokenProcessPool as death:
            if lost is None:
                raise InputError(f"{item}: {KILLED}.") from death
            return lost(item, KILLED + ".")


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Starts processes that share the threads of this machine, and ends them with the block, whatever they do."""
    before = {process.pid for process in multiprocessing.active_children()}
    threads = str(max(1, (os.cpu_count() or 1) // processes))
    added = {name: threads for name in THREADS if name not in os.environ}
    os.environ |= added  # processes are started with it
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, context, _begin)
    try:
        yield pool
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
        for process in multiprocessing.active_children():
            if process.pid not in before:
                process.terminate()
        for name in added:
            os.environ.pop(name, None)


def _begin() -> None:
    """Prepares a process: it leaves Ctrl-C to its parent, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os._exit(1)


def _on_dask(function: Callable[[Item], Result], items: Iterable[Item], address: str) -> Iterator[Result]:
    _require("distributed")
    from dask.distributed import Client, KilledWorker

    try:
        _require_greeting(address)
        client = Client(address, timeout=f"{PATIENCE:g}s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"there is no scheduler of Dask at {address} ({type(error).__name__}).") from error
    with client, _deaths(address, KilledWorker):
        for future in client.map(function, list(items), pure=False):
            yield future.result()


def _require_greeting(address: str) -> None:
    """Checks that something at an address speaks first, as a scheduler of Dask does; its client waits for ever.

    Raises:
        OSError: Nothing does.
        ValueError: It is no address.
    """
    place = urlsplit(address)
    if place.scheme != "tcp":
        return
    with socket.create_connection((place.hostname or "", place.port or 0), PATIENCE) as greeted:
        greeted.settimeout(PATIENCE)
        if not greeted.recv(1):
            raise ConnectionError("nothing was said")


def _on_ray(function: Callable[[Item], Result], items: Iterable[Item], address: str) -> Iterator[Result]:
    _require("ray")
    import ray

    try:
        ray.init(address=address)
    except (ConnectionError, ValueError) as error:
        raise InputError(f"there is no cluster of Ray at {address} ({type(error).__name__}).") from error
    try:
        task = ray.remote(_call)
        results = [task.remote(function, item) for item in items]
        with _deaths(address, ray.exceptions.WorkerCrashedError):
            yield from map(ray.get, results)
    finally:
        ray.shutdown()


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    return function(item)  # Ray takes functions alone, nothing else that can be called


@contextmanager
def _deaths(address: str, error: type[Exception]) -> Iterator[None]:
    """Turns the error that a library raises when one task ends process after process into a sentence."""
    try:
        yield
    except error as death:
        raise InputError(f"the cluster at {address} gave up: its processes die ({death}).") from death


def _require(library: str) -> None:
    if find_spec(library) is None:
        raise InputError(f"{library} is not installed: {install_hint('cluster')}.")
