"""Parallel work in processes or on a cluster, with results in the order of the items."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TypeVar

from data.runtime.errors import InputError
from data.runtime.installation import install_hint

Item = TypeVar("Item")
Result = TypeVar("Result")

RAY = "ray"
"""Beginning of the address of a Ray cluster; those of Dask begin with tcp:// and the like."""


def spread(
    function: Callable[[Item], Result], items: Iterable[Item], jobs: int = 1, cluster: str | None = None
) -> Iterator[Result]:
    """Calls a function with each item.

    Args:
        function: Must be picklable, as its items and results, and idempotent: a cluster repeats the work of a machine
            that died.
        items: Its arguments.
        jobs: Number of processes on this machine; 1 works in the calling process.
        cluster: The address of a scheduler, tcp://HOST:PORT of Dask or ray://HOST:PORT of Ray, in place of processes;
            its machines must have this project and see the same files.

    Yields:
        What the function returned, in the order of the items.

    Raises:
        InputError: A library is missing, or there is no scheduler at the address.
    """
    if jobs == 1 and cluster is None:
        yield from map(function, items)
        return
    # joblib's own backends for clusters give up when a process of Ray dies, and leave a cluster of one process idle.
    if cluster is None:
        _require("joblib")
        import joblib

        yield from joblib.Parallel(n_jobs=jobs, return_as="generator")(joblib.delayed(function)(item) for item in items)
    else:
        yield from (_on_ray if cluster.startswith(RAY) else _on_dask)(function, items, cluster)


def _on_dask(function: Callable[[Item], Result], items: Iterable[Item], address: str) -> Iterator[Result]:
    _require("distributed")
    from dask.distributed import Client, KilledWorker

    try:
        client = Client(address, timeout="4s", set_as_default=False)
    except (OSError, ValueError) as error:
        raise InputError(f"there is no scheduler of Dask at {address} ({type(error).__name__}).") from error
    with client, _deaths(address, KilledWorker):
        for future in client.map(function, list(items), pure=False):
            yield future.result()


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
