"""A training of the comparing network (strategy `learned`), for fixed weights of the paper's network.

Until it ends, a folder beside the output holds what it is resumed from: settings, scenes with digests, checkpoints.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data.io.arrays import check_finite
from data.io.files import file_digest, read_json, write_json
from data.runtime.errors import InputError
from data.runtime.shutdown import noted_signals
from data.synthesis.pipeline import PairSource
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import split_scenes
from model.bundled import BUNDLED_WEIGHTS, SUFFIX
from model.fusion.evidence import FOCUS_DOWNSAMPLING, gather
from model.fusion.predictor import FocusPredictor
from model.networks.comparer import build_comparer
from model.networks.engine import load_engine
from model.networks.weights import load_checked, write_weights
from model.training.checkpoints import MOST_CHECKPOINTS, checkpoint_path
from model.training.loop import Loop, Observer
from model.training.losses import detail_weights, weighted_mean
from model.training.optimizers import make_optimizer, make_schedule
from model.training.run_folder import RunScenes
from model.training.settings import CHECKPOINT, CONFIG, SCENES, ComparerSettings
from model.training.trainer import Trainer

PAIR_SIZE = 192
"""Side of the training pairs in pixels, a multiple of the comparing network's stride."""

WARMUP_STEPS = 300
"""Steps in which the learning rate rises, at most half of the run's."""

WEIGHT_DECAY = 1e-3
"""Weight decay of AdamW."""

CLIP_NORM = 5.0
"""Maximum gradient norm."""

AVERAGE = 0.999
"""Decay of the moving average of the weights."""

WEIGHT_RANGE = (0.05, 4.0)
"""Smallest and largest weight of a pixel, by `detail_weights` with a window of one pixel, for exact boundaries."""

LOG_STEPS = 100
"""Steps between two rows of the log."""

REPORTS = ("loss", "wrong", "wrong_before")
"""Names of the values that a training step reports."""


class ComparerLoss:
    """Cross entropy of "the first is blurred"; pixels are weighted by how much the photographs differ."""

    def measure(self, network: keras.Model, inputs: Any, labels: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """See `model.training.trainer.Loss`.

        Args:
            network: Made by `build_comparer`.
            inputs: Photographs and logits, as it takes them.
            labels: (n, H, W, 1) float32; 1 where the first photograph is out of focus.

        Returns:
            The loss; and the values of `REPORTS`: the loss, and the weighted share of wrong pixels with the network and
            with the logits alone.
        """
        photographs, focus = inputs
        weight = tf.split(detail_weights(equally_bright(photographs), 1, *WEIGHT_RANGE), 2)[0]
        logit = network(inputs, training=True)
        loss = weighted_mean(tf.nn.sigmoid_cross_entropy_with_logits(labels, logit), weight)
        before = tf.repeat(tf.repeat(focus[..., :1] - focus[..., 1:], FOCUS_DOWNSAMPLING, 1), FOCUS_DOWNSAMPLING, 2)
        wrong = [tf.cast((values > 0) != (labels > 0.5), tf.float32) for values in (logit, before)]
        return loss, [loss, *(weighted_mean(values, weight) for values in wrong)]


class ComparerRun:
    """One training run, new or resumed.

    Args:
        settings: The settings.
        voc: Folder of the scenes; see `data.synthesis.voc.split_scenes`.
        output: The weights file to write; its name ends in `.weights.h5`.
        resume: Whether to continue from the checkpoint of an earlier run.
        weights: Weights file of the paper's network that it is trained for.

    Raises:
        InputError: The data or the weights cannot be used; there is nothing to resume, or an unfinished run without
            `resume`; or that run has other settings, scenes or weights.
    """

    def __init__(
        self,
        settings: ComparerSettings,
        voc: Path,
        output: Path,
        resume: bool = False,
        weights: Path = BUNDLED_WEIGHTS,
    ):
        self.settings, self.output = settings, output
        self.folder = output.with_name(f"{output.name.removesuffix(SUFFIX)}-run")
        self.beside = file_digest(weights, "sha256")
        if not resume and (self.folder / CHECKPOINT).exists():
            raise InputError(f"{self.folder} holds a run that was not finished; go on with --resume, or remove it.")
        keras.utils.set_random_seed(settings.seed)
        train, _ = split_scenes(voc, "voc", limit=settings.scenes)
        self._scenes = RunScenes(voc, train, [])
        self._source = PairSource(train, SynthesisSettings("varied", PAIR_SIZE, crop=True), settings.seed, cache=True)
        self._epoch = self._source.batches_per_epoch(settings.pairs_per_batch)
        self.network = build_comparer()
        self._predictor = FocusPredictor(load_engine(weights, engine="tensorflow").focus)
        steps = settings.steps
        rate = make_schedule("cosine", settings.learning_rate, steps, min(WARMUP_STEPS, steps // 2))
        optimizer = make_optimizer("adamw", rate, weight_decay=WEIGHT_DECAY, clip_norm=CLIP_NORM)
        trainer = Trainer(self.network, optimizer, ComparerLoss(), average=AVERAGE)
        self.loop = Loop(trainer, self.folder / CHECKPOINT, REPORTS, LOG_STEPS, steps)
        if resume:
            self._check()
            self.loop.restore(validated=False)
        elif settings.start is not None:
            load_checked(self.network, settings.start, "is no comparing network to start from")
            trainer.reset_averages()

    def run(self, observe: Observer, checkpoint_minutes: float) -> None:
        """Trains to the last step and writes the weights with their record; arguments as `TrainingRun.run`."""
        loop = self.loop
        loop.minutes = checkpoint_minutes
        if loop.steps_done == 0:
            write_json(self.folder / CONFIG, self._identity())
            self._scenes.write(self.folder)
            loop.save()
        batches = self._batches()
        with noted_signals() as signals, loop.writing():
            while loop.steps_done < loop.total_steps:
                until = min(LOG_STEPS, loop.total_steps - loop.progress.epoch * LOG_STEPS)
                loop.train(
                    islice(batches, until - loop.progress.batch),
                    observe,
                    signals,
                    name_batch=self._name_batch,
                    again="--resume",
                    smaller="fewer --pairs-per-batch",
                )
                means = {name: round(value, 5) for name, value in loop.means().items()}
                step = loop.steps_done
                loop.next_epoch()
                loop.progress.rows.append({"epoch": loop.progress.epoch, "step": step, **means})
                loop.save_if_due()
        self._finish()

    def _batches(self) -> Iterator[tuple[tuple[tf.Tensor, ...], tf.Tensor]]:
        """Yields the network's inputs and labels of each batch from the next step on, endlessly."""
        epoch, first = divmod(self.loop.steps_done, self._epoch)
        while True:
            for images, labels in self._source.batches(epoch, self.settings.pairs_per_batch, first):
                yield compared(list(gather(self._predictor, images.numpy())), labels.numpy())
            epoch, first = epoch + 1, 0

    def _name_batch(self) -> str:
        epoch, batch = divmod(self.loop.steps_done, self._epoch)
        return self._source.name_batch(epoch, self.settings.pairs_per_batch, batch)

    def _identity(self) -> dict[str, Any]:
        return {**asdict(self.settings), "beside": self.beside}

    def _check(self) -> None:
        """Checks that the run to resume has the same settings, weights and scenes.

        Raises:
            InputError: It has not.
        """
        if not (self.folder / CONFIG).exists():
            raise InputError(f"{self.folder} holds no run to resume.")
        if read_json(self.folder / CONFIG) != self._identity():
            raise InputError(f"the run in {self.folder} has other settings, or was begun beside other weights.")
        self._scenes.check(self.folder)

    def _finish(self) -> None:
        progress = self.loop.progress
        with self.loop.trainer.averaged_weights():
            check_finite("the trained network", {weight.path: weight.numpy() for weight in self.network.weights})
            description = {
                "beside": self.beside,
                "settings": asdict(self.settings),
                "seconds": round(progress.seconds, 1),
                "log": [{name: value for name, value in row.items() if name != "epoch"} for row in progress.rows],
            }
            write_weights(self.network, self.output, description)
        made = [CONFIG, SCENES, *(str(checkpoint_path(Path(CHECKPOINT), age)) for age in range(MOST_CHECKPOINTS))]
        for name in made:
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):  # it holds other files
            self.folder.rmdir()


def equally_bright(photographs: tf.Tensor) -> tf.Tensor:
    """Returns all first photographs and then all second ones, (2n, H, W, 3), the first ones scaled to the brightness of
    the second: a difference in exposure must not change a pixel's weight."""
    first, second = tf.split(photographs, 2, -1)
    common, square = (tf.reduce_sum(values, (1, 2), keepdims=True) for values in (first * second, first * first + 1))
    gain = common / square
    return tf.concat([gain * first, second], 0)


def compared(known: tf.Tensor, labels: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """Returns the network's inputs for a batch of pairs, and the labels of the first photographs. The photographs of
    every second pair are swapped, since either may come first."""
    count = len(known) // 2
    firsts = [number + count * (number % 2) for number in range(count)]
    seconds = [number + count * ((number + 1) % 2) for number in range(count)]
    order = list(zip(firsts, seconds, strict=True))
    photographs = np.stack([np.concatenate([known[index].rgb for index in pair], -1) for pair in order])
    focus = np.stack([np.stack([known[index].focus for index in pair], -1) for pair in order])
    return (tf.constant(photographs), tf.constant(focus)), tf.constant(labels[firsts], tf.float32)
