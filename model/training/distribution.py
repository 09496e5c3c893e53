"""Training on several devices and hosts: which strategy, which part of a batch, and who writes files."""

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
"""Seconds that a host waits for the others before it takes one of them for lost."""

TF_CONFIG = "TF_CONFIG"
"""The environment variable that tells a host of the others."""

_WORKER = "worker"
"""The kind of all hosts in TF_CONFIG: each trains."""

_ADDRESS = re.compile(r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(\d{1,5})", re.ASCII)
"""A name or number of a host, or an IPv6 number in brackets, and a port."""

_LARGEST_PORT = 65_535
"""Ports have 16 bits."""


@dataclass(frozen=True)
class Distribution:
    """A strategy and this host's place in it.

    Attributes:
        strategy: TensorFlow's.
        first: The number of this host's first replica among all replicas.
        local: Replicas of this host.
    """

    strategy: tf.distribute.Strategy
    first: int = 0
    local: int = 1

    @property
    def replicas(self) -> int:
        """Replicas of all hosts together."""
        return self.strategy.num_replicas_in_sync

    @property
    def chief(self) -> bool:
        """Whether this host writes files and prints."""
        return self.first == 0

    def pairs_per_replica(self, pairs: int) -> int:
        """How many of a batch's pairs each replica takes.

        Raises:
            InputError: if they do not divide evenly.
        """
        if pairs % self.replicas:
            raise InputError(
                f"{pairs} pairs a step cannot be shared by {self.replicas} devices; give a multiple with "
                "--pairs-per-batch."
            )
        return pairs // self.replicas

    def shard(self, order: np.ndarray, pairs: int) -> tuple[np.ndarray, int]:
        """The part of an epoch's pairs that this host makes.

        Args:
            order: (n,) the pairs of whole batches in order.
            pairs: Pairs a step, of all replicas together.

        Returns:
            Of each batch its replicas' parts, one after the other; and how many pairs a part has.
        """
        part = self.pairs_per_replica(pairs)
        batches = order.reshape(-1, pairs)
        return batches[:, self.first * part : (self.first + self.local) * part].ravel(), part

    def gather(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]]) -> Iterator[tuple]:
        """Puts the parts of this host's replicas together, as a step takes them."""
        if self.replicas == 1:
            yield from batches
            return
        for first in batches:
            yield self._distribute([first, *(next(batches) for _ in range(self.local - 1))])

    def _distribute(self, parts: Sequence[tuple[Any, Any]]) -> tuple[Any, Any]:
        """One (images, labels) for each local replica, as values that each replica sees its own of."""

        def part(place: int) -> Any:
            return self.strategy.experimental_distribute_values_from_function(
                lambda context: parts[context.replica_id_in_sync_group - self.first][place]
            )

        return part(0), part(1)


def make_distribution(name: str) -> Distribution:
    """Makes a strategy; several hosts must call it before anything else of TensorFlow runs.

    Args:
        name: One of `DISTRIBUTIONS`. "multiworker" reads TF_CONFIG, the same on every host but for the task's index.

    Raises:
        InputError: if the hosts cannot be reached or TF_CONFIG cannot be used.
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
    """Checks what TF_CONFIG says before TensorFlow acts on it, as far as it can be told without connecting.

    Args:
        text: `{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}`.

    Returns:
        The workers' addresses.

    Raises:
        InputError: if it is anything else.
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
            if match is None or not 0 < int(match[1]) <= _LARGEST_PORT:
                raise ValueError(f"{reprlib.repr(address)} is no address, such as host:29500")
        if len(set(workers)) < len(workers):
            raise ValueError("two workers have one address")
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"several hosts need {TF_CONFIG} as docs/distributed.md shows it, which cannot be used: {error}."
        ) from error
    return workers
