"""One training step and the state that it changes, for any `tf.distribute` strategy.

`Model.fit` is not used: it fails with multi-host strategies in Keras 3, and a run must resume in the middle of an
epoch.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf


class Loss(Protocol):
    """Computes what a step minimizes and reports."""

    def measure(self, network: keras.Model, inputs: Any, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Returns what to minimize on a batch, a scalar, and the scalars to report, the loss of the data first."""


class Trainer:
    """Trains a network batch by batch.

    Args:
        network: Built under the scope of the strategy.
        optimizer: Built under the same scope.
        loss: Computes what is minimized.
        average: Decay of the moving average of all weights, such as 0.999; None computes no average.
        jit: Whether XLA compiles the forward and the backward pass.
        parts: Number of parts of a batch that are computed one after the other, to need the memory of one part. The
            gradients are added, so the step equals that of the whole batch if the loss is a mean over the pairs; batch
            normalization takes its statistics from a part. On one device only.
        strategy: Distribution strategy; None takes the current one (one device by default).
    """

    def __init__(
        self,
        network: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        loss: Loss,
        *,
        average: float | None = None,
        jit: bool = False,
        parts: int = 1,
        strategy: tf.distribute.Strategy | None = None,
    ):
        if average is not None and not 0 < average < 1:
            raise ValueError(f"average must be between 0 and 1, received {average}.")
        self.network = network
        self.optimizer = optimizer
        self.loss = loss
        self.average = average
        self.strategy = strategy or tf.distribute.get_strategy()
        with self.strategy.scope():
            optimizer.build(network.trainable_variables)
            self.averages = [_average_of(weight) for weight in network.weights] if average else []
        self._jit, self._parts = jit, parts
        if parts > 1 and self.strategy.num_replicas_in_sync > 1:
            raise ValueError("several devices share a batch already; parts must be 1.")
        self._frozen: set[str] | None = None
        self.freeze(())

    def freeze(self, layer_names: Sequence[str]) -> None:
        """Keeps these layers fixed and trains all others, from the next step on."""
        if set(layer_names) == self._frozen:
            return  # keeps the compiled step: tracing takes 20 s
        self._frozen = set(layer_names)
        held = {variable.path for name in layer_names for variable in self.network.get_layer(name).trainable_variables}
        self._trained = [v for v in self.network.trainable_variables if v.path not in held]
        # Replicas exchange values inside the pass, in batch normalization, which a separate graph does not allow.
        single = self.strategy.num_replicas_in_sync == 1
        self._gradients = (
            tf.function(self._gradients_of_batch, jit_compile=self._jit) if single else self._gradients_of_batch
        )
        self._step = tf.function(self._distributed_step)

    @property
    def learning_rate(self) -> float:
        return float(keras.ops.convert_to_numpy(self.optimizer.learning_rate))

    def step(self, inputs: Any, labels: tf.Tensor) -> np.ndarray:
        """Trains on one batch.

        Args:
            inputs: Inputs of the loss, tensors of any numeric type: for `HybridLoss` (N, H, W, 3) RGB in [0, 255].
            labels: (N, H, W, 1); for `HybridLoss` 1 = out of focus. With parts, these and the inputs hold all first
                sources of the pairs and then all second ones.

        Returns:
            (k,) float32: the values that the loss reports, the loss of the data first.
        """
        return self._step(inputs, labels).numpy()

    def state(self) -> dict[str, np.ndarray]:
        """Returns all variables that a step reads or changes, by name: weights, optimizer and averages."""
        return {name: np.asarray(keras.ops.convert_to_numpy(variable)) for name, variable in self._state_variables()}

    def restore(self, state: dict[str, np.ndarray]) -> None:
        """Restores what `state` returned.

        Raises:
            ValueError: Names, shapes or types differ; the message names the first that does.
        """
        variables = dict(self._state_variables())
        differing = sorted(set(variables) ^ set(state)) or [
            name
            for name, variable in variables.items()
            if (variable.shape, tf.as_dtype(variable.dtype)) != (state[name].shape, tf.as_dtype(state[name].dtype))
        ]
        if differing:
            raise ValueError(f"the saved state is of another network or optimizer: {differing[0]} differs.")
        for name, variable in variables.items():
            variable.assign(state[name])

    def reset_averages(self) -> None:
        """Restarts the moving average from the current weights, after these were changed from outside."""
        for weight, average in zip(self.network.weights, self.averages, strict=False):
            average.assign(weight)

    @contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Gives the network its averaged weights inside the block; without `average`, changes nothing."""
        if not self.averages:
            yield
            return
        current = [keras.ops.convert_to_numpy(variable) for variable in self.network.weights]
        self._assign(self.averages)
        try:
            yield
        finally:
            self._assign(current)

    def _assign(self, values: Iterable[np.ndarray]) -> None:
        for variable, value in zip(self.network.weights, values, strict=True):
            variable.assign(value)

    def _state_variables(self) -> Iterator[tuple[str, Any]]:
        yield from ((f"network/{v.path}", v) for v in self.network.weights)
        yield from ((f"optimizer/{v.path}", v) for v in self.optimizer.variables)
        if self.averages:
            yield from ((f"average/{w.path}", a) for w, a in zip(self.network.weights, self.averages, strict=True))

    def _gradients_of_batch(self, inputs: Any, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        """Computes the gradients and the reported values, means over the parts of the batch."""
        if self._parts == 1:
            return self._gradients_of_part(inputs, labels)

        def part(number: tf.Tensor) -> Any:
            return tf.nest.map_structure(lambda values: self._part(values, number), (inputs, labels))

        def add(number: tf.Tensor, sums: Any) -> tuple[tf.Tensor, Any]:
            return number + 1, tf.nest.map_structure(
                lambda total, value: total + value / self._parts, sums, of_part(*part(number))
            )

        # A loop in the graph: its body is traced once, and no activations are kept from part to part.
        of_part = tf.function(self._gradients_of_part).get_concrete_function(*part(0))
        zeros = tf.nest.map_structure(lambda spec: tf.zeros(spec.shape, spec.dtype), of_part.structured_outputs)
        first = tf.constant(0), zeros
        return tf.while_loop(lambda number, _: number < self._parts, add, first, parallel_iterations=1)[1]

    def _part(self, values: tf.Tensor, number: tf.Tensor) -> tf.Tensor:
        """Returns part `number` of the pairs, first sources and then second ones."""
        split = tf.reshape(values, [2, self._parts, -1, *values.shape[1:]])
        return tf.reshape(split[:, number], [-1, *values.shape[1:]])

    def _gradients_of_part(self, inputs: Any, labels: tf.Tensor) -> tuple[list[tf.Tensor], tf.Tensor]:
        inputs, labels = tf.nest.map_structure(lambda values: tf.cast(values, tf.float32), (inputs, labels))
        with tf.GradientTape() as tape:
            loss, figures = self.loss.measure(self.network, inputs, labels)
            # The gradients of the replicas are added, so each takes its share of the mean.
            target = self.optimizer.scale_loss(loss / self.strategy.num_replicas_in_sync)
        gradients = tape.gradient(target, self._trained)
        return gradients, tf.stack(figures)

    def _replica_step(self, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        gradients, report = self._gradients(inputs, labels)
        replicas = self.strategy.num_replicas_in_sync
        if replicas > 1:
            # Keras would clip the gradients of each replica before adding them. The sum must be clipped, so it is
            # computed here, and each replica passes its share on.
            gradients = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, gradients)
            # In mixed precision the optimizer that clips is wrapped in one that scales loss and gradients.
            limit = getattr(self.optimizer, "inner_optimizer", self.optimizer).global_clipnorm
            if limit:
                gradients, _ = tf.clip_by_global_norm(gradients, self.optimizer.scale_loss(limit))
            gradients = [gradient / replicas for gradient in gradients]
        self.optimizer.apply_gradients(zip(gradients, self._trained, strict=True))
        self._update_averages()
        return report

    def _update_averages(self) -> None:
        if not self.averages:
            return
        # A smaller decay at first, so that the random initial weights are soon forgotten.
        step = tf.cast(self.optimizer.iterations, tf.float32)
        decay = tf.minimum(self.average, (1 + step) / (10 + step))
        for weight, average in zip(self.network.weights, self.averages, strict=True):
            average.assign(decay * average + (1 - decay) * tf.cast(weight, average.dtype))

    def _distributed_step(self, inputs: Any, labels: tf.Tensor) -> tf.Tensor:
        reports = self.strategy.run(self._replica_step, args=(inputs, labels))
        return self.strategy.reduce(tf.distribute.ReduceOp.MEAN, reports, axis=None)


def _average_of(weight: tf.Variable) -> tf.Variable:
    """Makes a variable with a weight's value, the same on every replica."""
    value = keras.ops.convert_to_numpy(weight)
    return tf.Variable(value, trainable=False, aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA)
