"""The `tf.data` pipeline: the same batches for the same (seed, epoch, index), in any process.

Every sample is keyed on (seed, epoch, index) instead of a shuffle's state, so a run that is resumed continues with
exactly the batches that it would have seen.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import tensorflow as tf

from data.runtime.errors import InputError
from data.runtime.parallel import in_order
from data.synthesis.pairs import SyntheticPair
from data.synthesis.recipes import LEVELS, SynthesisSettings, synthesize
from data.synthesis.scene import Scene

VALIDATION_EPOCH = 2**31
"""The epoch that validation pairs are keyed on; training never reaches it."""

Shard = Callable[[np.ndarray], tuple[np.ndarray, int]]
"""Maps the pair indices of all hosts to those of this host, and to the number of pairs in its batches."""


@dataclass
class PairSource:
    """Makes the pairs of a set of scenes: every scene at every level of blur.

    Attributes:
        scenes: The scenes.
        settings: How pairs are made.
        seed: Random seed.
        cache: Whether decoded photographs and masks stay in memory, about 0.75 MB per scene of VOC.
        most_batches: Largest number of batches in an epoch; None uses all pairs.
    """

    scenes: Sequence[Scene]
    settings: SynthesisSettings
    seed: int = 0
    cache: bool = False
    most_batches: int | None = None
    _decoded: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    _failure: list[Exception] = field(default_factory=list, repr=False)

    def __len__(self) -> int:
        """Returns the number of pairs in an epoch."""
        return len(self.scenes) * len(LEVELS)

    def pair(self, epoch: int, index: int) -> SyntheticPair:
        """Makes pair `index` of an epoch: scene index // 5, level index % 5 + 1.

        Raises:
            InputError: A file of the scene cannot be read.
        """
        image, mask = self._read(index // len(LEVELS))
        rng = np.random.default_rng((self.seed, epoch, index))
        return synthesize(image, mask, LEVELS[index % len(LEVELS)], self.settings, rng)

    def name(self, index: int) -> str:
        """Names pair `index` by its scene and level."""
        return f"{self.scenes[index // len(LEVELS)].id} level {LEVELS[index % len(LEVELS)]}"

    def name_batch(self, epoch: int, pairs_per_batch: int, batch: int) -> str:
        """Names a batch of an epoch by its pairs."""
        first = batch * pairs_per_batch
        return ", ".join(self.name(int(index)) for index in self.order(epoch)[first : first + pairs_per_batch])

    def order(self, epoch: int) -> np.ndarray:
        """Returns the order of an epoch's pairs, (n,) int64: a permutation drawn from (seed, epoch)."""
        return np.random.default_rng((self.seed, epoch)).permutation(len(self)).astype(np.int64)

    def batches_per_epoch(self, pairs_per_batch: int) -> int:
        """Counts the batches of an epoch; pairs that do not fill the last batch are left out.

        Raises:
            InputError: There are too few pairs for one batch.
        """
        if len(self) < pairs_per_batch:
            raise InputError(f"{len(self)} pairs do not fill one batch of {pairs_per_batch}.")
        return min(len(self) // pairs_per_batch, self.most_batches or len(self))

    def batches(
        self, epoch: int, pairs_per_batch: int, first_batch: int = 0, shard: Shard | None = None
    ) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
        """Iterates over the batches of one epoch from `first_batch` on.

        Each pair gives two samples, so a batch holds 2 * `pairs_per_batch`: all near, then all far.

        Args:
            epoch: Number of the epoch, from 0.
            pairs_per_batch: Number of pairs in a batch.
            first_batch: Number of batches to skip.
            shard: See `Shard`; None makes all pairs here.

        Yields:
            Images, (2n, size, size, 3) uint8 RGB, and labels, (2n, size, size, 1) uint8, 1 where out of focus.

        Raises:
            InputError: A file of a scene cannot be read; raised as it is, not wrapped in an error of the graph.
        """
        self._failure.clear()
        try:
            yield from self._dataset(epoch, pairs_per_batch, first_batch, shard)
        except tf.errors.OpError:
            if self._failure:
                raise self._failure[0] from None
            raise

    def _dataset(self, epoch: int, pairs_per_batch: int, first_batch: int, shard: Shard | None) -> tf.data.Dataset:
        size = self.settings.size
        used = self.batches_per_epoch(pairs_per_batch) * pairs_per_batch
        indices = self.order(epoch)[first_batch * pairs_per_batch : used]
        if shard is not None:
            indices, pairs_per_batch = shard(indices)

        def load(index: tf.Tensor) -> tuple[tf.Tensor, ...]:
            arrays = tf.numpy_function(lambda i: self._arrays(epoch, int(i)), [index], (tf.uint8,) * 3)
            for array, channels in zip(arrays, (3, 3, 1), strict=True):
                array.set_shape((size, size, channels))
            return tuple(arrays)

        def join(near: tf.Tensor, far: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.concat([near, far], 0), tf.concat([label, 1 - label], 0)

        pairs = tf.data.Dataset.from_tensor_slices(indices).map(load, num_parallel_calls=tf.data.AUTOTUNE)
        return pairs.batch(pairs_per_batch, drop_remainder=True).map(join).prefetch(tf.data.AUTOTUNE)

    def validation_pairs(self, count: int | None = None, workers: int | None = None) -> Iterator[SyntheticPair]:
        """Yields a fixed set of pairs: all, or `count` with scenes and levels spread evenly; made by `workers` threads
        (None: one per core)."""

        def make(number: int) -> SyntheticPair:
            # One pair of each scene, then one of each with the next level, and so on.
            round_number, scene = divmod(number, len(self.scenes))
            return self.pair(VALIDATION_EPOCH, scene * len(LEVELS) + (scene + round_number) % len(LEVELS))

        yield from in_order(make, range(len(self) if count is None else min(count, len(self))), workers)

    def _read(self, scene: int) -> tuple[np.ndarray, np.ndarray]:
        if not self.cache:
            return self.scenes[scene].read()
        if scene not in self._decoded:  # two threads may both read it, with the same result
            self._decoded[scene] = self.scenes[scene].read()
        return self._decoded[scene]

    def _arrays(self, epoch: int, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        try:
            pair = self.pair(epoch, index)
        except Exception as error:
            self._failure.append(error)
            raise
        return pair.near, pair.far, pair.label[..., None]
