"""A training run from its settings to its weights: epochs, validation, checkpoints, record.

Everything lies in one folder: `config.json`, `scenes.json` and `transfer.json` (see `run_folder.py`), `log.csv`,
`checkpoint.npz` (to resume from), `best.weights.h5` and `last.weights.h5` with sidecars, `record.json`, `curves.png`.
"""

import platform
from functools import partial
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from data.download import VGG19_MD5
from data.io.files import write_json
from data.runtime.errors import InputError
from data.runtime.shutdown import noted_signals
from data.synthesis.pipeline import PairSource
from data.synthesis.voc import split_scenes
from model.networks.devices import device_name, why_no_gpu
from model.networks.network import build_network
from model.networks.transfer import layer_names, transfer_vgg19
from model.networks.weights import save_weights
from model.training.checkpoints import KEPT_CHECKPOINTS, REPORTS
from model.training.distribution import Distribution, make_distribution
from model.training.history import draw_curves, write_log
from model.training.loop import Loop, Observer
from model.training.run_folder import RunScenes, read_transferred
from model.training.settings import CHECKPOINT, CHECKPOINT_MINUTES, CONFIG, TRANSFER, TrainingConfig
from model.training.setup import make_loss, make_trainer, prepare_process, start_from
from model.training.validation import validate

QR_PHOTOGRAPHS = 48
"""Number of training photographs on which `--transfer-channels qr` measures VGG-19's activations."""


class TrainingRun:
    """One training run, new or resumed.

    Args:
        config: The settings.
        voc: Folder of the scenes; see `data.synthesis.voc.split_scenes`.
        folder: Folder of the run, where everything is written.
        vgg19_md5: The md5 that a VGG-19 file must have.
        resume: Whether to continue from `folder`'s checkpoint.
        distribution: Devices and hosts that share each step; None is one device. It changes the numbers of a run by no
            more than rounding. All hosts share `folder`, and only the chief writes to it.
        cache: Whether photographs stay decoded in memory.

    Raises:
        InputError: The data or the transferred weights cannot be used, or there is nothing to resume.
    """

    def __init__(
        self,
        config: TrainingConfig,
        voc: Path,
        folder: Path,
        *,
        vgg19_md5: str = VGG19_MD5,
        resume: bool = False,
        distribution: Distribution | None = None,
        cache: bool = False,
    ):
        self.config = config
        self.folder = folder
        self.distribution = distribution or make_distribution("one")
        self.distribution.pairs_per_replica(config.pairs_per_batch)
        for name, given in (("jit", config.jit), ("accumulate", config.accumulate > 1)):
            if given and self.distribution.replicas > 1:
                raise InputError(f"--{name} is for one device; leave it out with several.")
        prepare_process(config)
        train, held_out = split_scenes(voc, config.split, seed=config.seed, limit=config.scenes)
        self.train_source = PairSource(train, config.synthesis, config.seed, cache, config.steps_per_epoch)
        self.validation_source = PairSource(held_out, config.validation_synthesis, config.seed)
        self.scenes = RunScenes(voc, train, held_out)
        if resume:  # before the network is built
            self.scenes.check(folder)
        self.transferred = read_transferred(folder) if resume else []
        epoch = self.train_source.batches_per_epoch(config.pairs_per_batch)
        total = config.epochs * epoch
        self.trainer = make_trainer(config, self.distribution, total)
        self.loss = make_loss(config)
        checkpoint, writes = folder / CHECKPOINT, self.distribution.chief
        self.loop = Loop(self.trainer, checkpoint, REPORTS, epoch, total, writes)
        if resume:
            self.loop.restore(validated=True)
        elif config.transfer is not None:
            self.transferred = transfer_vgg19(
                self.trainer.network,
                config.transfer,
                vgg19_md5,
                channels=config.transfer_channels,
                photographs=[scene.read()[0] for scene in train[:QR_PHOTOGRAPHS] if config.transfer_channels == "qr"],
            ).report()
            self.trainer.reset_averages()
        elif config.start is not None:
            start_from(self.trainer, Path(config.start), config.variant)
        self._best: keras.Model | None = None
        self._predict = tf.function(lambda images: self.trainer.network(images, training=False), reduce_retracing=True)

    def describe(self) -> str:
        """Describes the run in a few lines: parameters, device, data, and VGG-19's layers."""
        config, network, epoch = self.config, self.trainer.network, self.loop.steps_per_epoch
        lines = [
            f"{config.variant}: {network.count_params():,} parameters, on {device_name()}",
            f"{len(self.train_source.scenes)} scenes to train on, {len(self.validation_source.scenes)} held out",
            f"recipe {config.recipe}, {config.size}x{config.size}, {2 * config.pairs_per_batch} images a step",
            f"{config.epochs} epochs of {epoch} steps, {config.optimizer}, {config.learning_rate:g}",
        ]
        reason = why_no_gpu()
        return "\n".join([*lines, *([f"no GPU is used: {reason}"] if reason else []), *self.transferred])

    def run(
        self,
        observe: Observer,
        *,
        checkpoint_minutes: float = CHECKPOINT_MINUTES,
        keep_checkpoints: int = KEPT_CHECKPOINTS,
        tensorboard: Path | None = None,
    ) -> dict[str, Any]:
        """Trains to the last epoch; a SIGTERM or SIGINT ends it after the step in progress, with a checkpoint.

        Args:
            observe: Progress callback.
            checkpoint_minutes: Minutes between checkpoints; 0 writes one after each step. They are written in the
                background.
            keep_checkpoints: Number of checkpoints to keep.
            tensorboard: Folder of TensorBoard logs; None writes none.

        Returns:
            The training record.

        Raises:
            InputError: A file cannot be read, the loss is not finite, or there is not enough memory.
            StoppedError: A signal ended the run.
        """
        self.loop.keep, self.loop.minutes = keep_checkpoints, checkpoint_minutes
        try:
            with noted_signals() as signals, self.loop.writing():
                return self._run(observe, tensorboard, signals)
        except (tf.errors.UnavailableError, tf.errors.DeadlineExceededError, tf.errors.AbortedError) as error:
            raise InputError(
                f"another host was lost in step {self.loop.steps_done + 1}; start all of them again with --resume "
                f"{self.folder}."
            ) from error

    def _run(self, observe: Observer, tensorboard: Path | None, signals: list[int]) -> dict[str, Any]:
        self._write_settings()
        writer = tf.summary.create_file_writer(str(tensorboard)) if tensorboard else None
        while self.loop.progress.epoch < self.config.epochs:
            self._train_epoch(observe, signals)
            self._finish_epoch()
            if writer:
                with writer.as_default(step=int(self.loop.progress.rows[-1]["step"])):
                    for name, value in self.loop.progress.rows[-1].items():
                        tf.summary.scalar(name, value)
        return self._finish()

    def _write_settings(self) -> None:
        if not self.distribution.chief:
            return
        write_json(self.folder / CONFIG, self.config.to_json())
        self.scenes.write(self.folder)
        if self.loop.steps_done == 0:
            write_json(self.folder / TRANSFER, self.transferred)
            self.loop.save()

    def validate(self, count: int | None = None, workers: int | None = None) -> dict[str, float]:
        """Measures the current network on `count` held-out pairs (None: all); see `validation.validate`."""
        pairs = self.validation_source.validation_pairs(count, workers)
        return validate(self._predict, self.loss, pairs, workers)

    def _train_epoch(self, observe: Observer, signals: list[int]) -> None:
        progress = self.loop.progress
        holds = self.config.transfer is not None and progress.epoch < self.config.freeze_transferred
        self.trainer.freeze(list(layer_names().values()) if holds else ())
        pairs = self.config.pairs_per_batch
        shard = partial(self.distribution.shard, pairs=pairs)
        batches = self.train_source.batches(progress.epoch, pairs, progress.batch, shard)
        self.loop.train(
            self.distribution.gather(batches),
            observe,
            signals,
            name_batch=lambda: self.train_source.name_batch(progress.epoch, pairs, progress.batch),
            again=f"--resume {self.folder}",
            smaller="a larger --accumulate, with --mixed-precision, --recompute or a smaller --size",
        )

    def _finish_epoch(self) -> None:
        progress = self.loop.progress
        row = {
            "epoch": progress.epoch + 1,
            "step": self.loop.steps_done,
            "seconds": round(progress.seconds, 1),
            "learning_rate": self.trainer.learning_rate,
            **self.loop.means(),
        }
        with self.trainer.averaged_weights():
            measured = self.validate(self.config.validation_pairs)
            row.update({f"val_{name}": value for name, value in measured.items()})
            progress.rows.append(row)
            if progress.best is None or row["val_iou"] > progress.best["val_iou"]:
                progress.best = row
                self._keep_best()
        self.loop.next_epoch()
        if self.distribution.chief:
            write_log(self.folder / "log.csv", progress.rows)
            title = f"{self.config.variant}, recipe {self.config.recipe}"
            draw_curves(self.folder / "curves.png", progress.rows, title)
        last = progress.epoch == self.config.epochs
        (self.loop.save if last else self.loop.save_if_due)()

    def _keep_best(self) -> None:
        """Copies the weights, to be written together with the next checkpoint."""
        if not self.distribution.chief:
            return
        self.loop.finish_writing()  # the previous best weights may still be being written
        if self._best is None:
            with tf.device("CPU"):
                self._best = build_network(**self.config.network_arguments)
        self._best.set_weights(self.trainer.network.get_weights())
        path, arguments = self.folder / "best.weights.h5", self.config.network_arguments
        self.loop.beside = partial(save_weights, self._best, path, arguments, self._record())

    def _finish(self) -> dict[str, Any]:
        self.loop.finish_writing()  # the record is written last, when all other files are complete
        record = self._record()
        if self.distribution.chief:
            with self.trainer.averaged_weights():
                path = self.folder / "last.weights.h5"
                save_weights(self.trainer.network, path, self.config.network_arguments, record)
            write_json(self.folder / "record.json", record)
        return record

    def _record(self) -> dict[str, Any]:
        best = self.loop.progress.best
        config = self.config.to_json()
        for name in ("transfer", "start"):
            if config[name] is not None:
                config[name] = Path(config[name]).name  # without the folder, which means nothing on another machine
        return {
            "config": config,
            "transferred": self.transferred,
            "training_scenes": len(self.train_source.scenes),
            "validation_scenes": len(self.validation_source.scenes),
            "steps": self.loop.steps_done,
            "training_seconds": round(self.loop.progress.seconds, 1),
            "device": device_name(),
            "versions": {"python": platform.python_version(), "tensorflow": tf.__version__, "keras": keras.__version__},
            "best_epoch": best["epoch"] if best else 0,
            "epochs": list(self.loop.progress.rows),
        }
