"""Training on several devices and hosts: the strategy, the shares of a batch, and which host writes files."""

import json
import os
import re
import reprlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from data.io.fields import check_values
from data.runtime.errors import InputError
from model.training.settings import DISTRIBUTIONS

TIMEOUT = 120
"""Seconds that a host waits for the others before it considers one of them lost."""

TF_CONFIG = "TF_CONFIG"
"""Environment variable that lists all hosts."""

_WORKER = "worker"
"""Type of all hosts in TF_CONFIG: each one trains."""

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", re.ASCII)
"""Host name, IPv4 address, or IPv6 address in brackets, and a port."""

_MAX_PORT = 65_535
"""Largest port: ports have 16 bits."""


@dataclass(frozen=True)
class Distribution:
    """A distribution strategy and this host's share of it.

    Attributes:
        strategy: TensorFlow's strategy.
        first: Index of this host's first replica among all replicas.
        local: Number of replicas of this host.
    """

    strategy: tf.distribute.Strategy
    first: int = 0
    local: int = 1

    @property
    def replicas(self) -> int:
        """Number of replicas of all hosts together."""
        return self.strategy.num_replicas_in_sync

    @property
    def chief(self) -> bool:
        """Whether this host writes files and prints."""
        return self.first == 0

    def pairs_per_replica(self, pairs: int) -> int:
        """Returns the number of pairs of a batch that each replica takes.

        Raises:
            InputError: The pairs do not divide evenly.
        """
        if pairs % self.replicas:
            raise InputError(
                f"{pairs} pairs per step cannot be shared by {self.replicas} devices; give a multiple with "
                "--pairs-per-batch."
            )
        return pairs // self.replicas

    def shard(self, order: np.ndarray, pairs: int) -> tuple[np.ndarray, int]:
        """Selects the pairs of an epoch that this host makes.

        Args:
            order: (n,) indices of the pairs of whole batches, in order.
            pairs: Pairs per step, of all replicas together.

        Returns:
            The parts of its replicas, batch by batch; and the number of pairs of a part.
        """
        part = self.pairs_per_replica(pairs)
        batches = order.reshape(-1, pairs)
        return batches[:, self.first * part : (self.first + self.local) * part].ravel(), part

    def gather(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> Iterator[tuple]:
        """Combines the parts of this host's replicas into the input of a step."""
        if self.replicas == 1:
            yield from batches
            return
        for first in batches:
            yield self._distribute([first, *(next(batches) for _ in range(self.local - 1))])

    def _distribute(self, parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """Combines one (images, labels) of each local replica into per-replica values."""

        def part(place: int) -> Any:
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group - self.first][place]
            )

        return part(0), part(1)


def make_distribution(name: str) -> Distribution:
    """Makes a strategy; with several hosts, call it before anything else in TensorFlow runs.

    Args:
        name: One of `DISTRIBUTIONS`. "multiworker" reads TF_CONFIG, which differs between hosts only in the
            task's index.

    Raises:
        InputError: The hosts cannot be reached, or TF_CONFIG cannot be used.
    """
    if name == "one":
        return Distribution(tf.distribute.get_strategy())
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return Distribution(tf.distribute.MirroredStrategy(devices), 0, len(devices))
    if name != "multiworker":
        raise ValueError(f"unknown distribution {name!r}; there are {', '.join(DISTRIBUTIONS)}.")
    workers = _read_cluster(os.environ.get(TF_CONFIG, ""))
    resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
    options = tf.distribute.experimental.CommunicationOptions(timeout_seconds=TIMEOUT)
    try:
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
    except tf.errors.OpError as error:
        raise InputError(f"the hosts {', '.join(workers)} cannot work together: {error.message}") from error
    local = strategy.num_replicas_in_sync // len(workers)
    return Distribution(strategy, resolver.task_id * local, local)


def _read_cluster(text: str) -> list[str]:
    """Checks TF_CONFIG before TensorFlow uses it, as far as possible without connecting.

    Args:
        text: `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`.

    Returns:
        The addresses of the workers.

    Raises:
        InputError: It is anything else.
    """
    try:
        content = json.loads(text or "{}")
        if not isinstance(content, dict):
            raise ValueError(f"it is no object, but {reprlib.repr(content)}")
        check_values({"cluster": dict[str, list[str]], "task": dict[str, Any]}, content)
        check_values({"type": str, "index": int}, content["task"])
        cluster, task = content["cluster"], content["task"]
        workers = cluster.get(_WORKER, [])
        if set(cluster) != {_WORKER} or task["type"] != _WORKER or len(workers) < 2:
            raise ValueError('it needs at least two "worker" addresses, no other hosts, and a task of that type')
        if not 0 <= task["index"] < len(workers):
            raise ValueError(f"the task's index must be in [0, {len(workers)}), received {task['index']}")
        for address in workers:
            match = _ADDRESS.fullmatch(address)
            if match is None or not 0 < int(match[1]) <= _MAX_PORT:
                raise ValueError(f"{reprlib.repr(address)} is no address, such as host:29500")
        if len(set(workers)) < len(workers):
            raise ValueError("two workers have one address")
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"several hosts need {TF_CONFIG} as docs/distributed.md shows it, which cannot be used: {error}."
        ) from error
    return workers
