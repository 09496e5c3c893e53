"""Trains the network of the strategy `learned`: `python -m model.training.train_comparer --voc DIR -o FILE`."""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.errors import EXIT_DONE, InputError, add_debug, run_command
from data.io.arrays import check_finite
from data.io.batch import refuse_existing
from data.io.files import atomic_path, file_digest, write_json
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import split_scenes
from model.bundled import BUNDLED_WEIGHTS
from model.networks.weights import sidecar_path

SIZE = 160
LEARNING_RATE = 2e-3
WARMUP_STEPS = 100
WEIGHT_DECAY = 1e-3
CLIP_NORM = 5.0
AVERAGE = 0.998
FULL_DIFFERENCE = 8.0
WEIGHT_RANGE = (0.05, 2.0)
"""Side of the pairs in pixels; peak rate of AdamW, falling by a cosine; decay of the weights' moving average; the
difference of both photographs in gray levels at which a pixel counts 1, and the least and the most that one counts."""

LEAST_GAIN = 3.0
"""What moving the outline of a label must gain in Q_ABF; see `model/fusion/boundaries.py`. The labels'
photographs are without noise."""

LOG_STEPS = 100


def train(
    voc: Path, steps: int, pairs_per_batch: int, seed: int, quiet: bool, scenes: int | None = None
) -> tuple["keras.Model", list[dict[str, float]]]:  # noqa: F821 (Keras takes seconds to load)
    """Trains beside the bundled weights, which stay as they are.

    Args:
        voc: VOCdevkit/VOC2012 or a folder above it.
        steps: How many.
        pairs_per_batch: In each.
        seed: Of all that is random.
        quiet: No progress bar.
        scenes: How many of VOC's training scenes to draw; None takes all.

    Returns:
        The network with its averaged weights, and every 100 steps the means of the loss and of the share of wrong
        pixels, by weight, with the network (`wrong`) and by `refined`'s scores alone (`wrong_before`).

    Raises:
        InputError: if the data cannot be used, or the loss or a weight is no number.
    """
    from model import load_fuser  # loads TensorFlow, quietly; what follows needs it

    fuser = load_fuser(strategy="refined")
    import keras
    import tensorflow as tf

    from data.synthesis.pipeline import PairSource
    from model.fusion.boundaries import align_boundaries
    from model.fusion.learned import PairComparer
    from model.networks.comparer import build_comparer, compare

    keras.utils.set_random_seed(seed)
    comparer = build_comparer()
    rate = keras.optimizers.schedules.CosineDecay(
        0.0, steps, warmup_target=LEARNING_RATE, warmup_steps=min(WARMUP_STEPS, steps // 2)
    )
    optimizer = keras.optimizers.AdamW(rate, weight_decay=WEIGHT_DECAY, global_clipnorm=CLIP_NORM)
    optimizer.build(comparer.trainable_variables)
    averages = [weight.numpy() for weight in comparer.weights]
    evidence = PairComparer(fuser.predictor, comparer).evidence

    @tf.function(jit_compile=True)
    def gradients(images, logits, scores, label):
        first, second = tf.split(tf.reduce_mean(images, -1, keepdims=True), 2)
        difference = tf.abs(tf.nn.avg_pool2d(first - second, 3, 1, "SAME"))
        weight = tf.clip_by_value(difference / FULL_DIFFERENCE, *WEIGHT_RANGE)

        def mean(values):
            return tf.reduce_sum(weight * values) / tf.reduce_sum(weight)

        with tf.GradientTape() as tape:
            logit = compare(comparer, images, logits, scores)
            loss = mean(tf.nn.sigmoid_cross_entropy_with_logits(label, logit))
        before = tf.subtract(*tf.split(scores, 2))
        wrong = [mean(tf.cast((values > 0) != (label > 0.5), tf.float32)) for values in (logit, before)]
        return tape.gradient(loss, comparer.trainable_variables), tf.stack([loss, *wrong])

    training_scenes, _ = split_scenes(voc, "voc", **({"limit": scenes} if scenes else {}))
    settle = partial(align_boundaries, least_gain=LEAST_GAIN)
    recipe = SynthesisSettings("outlines", SIZE, crop=True, settle=settle)
    source = PairSource(training_scenes, recipe, seed, cache=True)
    if source.batches_per_epoch(pairs_per_batch) == 0:
        raise InputError(f"{len(source)} pairs do not fill one batch of {pairs_per_batch}.")

    def batches():
        epoch = 0
        while True:
            yield from source.batches(epoch, pairs_per_batch)
            epoch += 1

    log, reports = [], []
    for step, (images, labels) in zip(range(1, steps + 1), tqdm(batches(), total=steps, disable=quiet), strict=False):
        label = tf.cast(tf.split(labels, 2)[0], tf.float32)
        slopes, report = gradients(*map(tf.constant, evidence(*images.numpy())), label)
        optimizer.apply(slopes, comparer.trainable_variables)
        decay = min(AVERAGE, (1 + step) / (10 + step))
        averages = [
            decay * average + (1 - decay) * weight.numpy()
            for average, weight in zip(averages, comparer.weights, strict=True)
        ]
        reports.append(report.numpy())
        if not np.isfinite(reports[-1][0]):
            raise InputError(f"the loss became {reports[-1][0]} in step {step}.")
        if step % LOG_STEPS == 0 or step == steps:
            means = np.mean(reports, 0).astype(float).round(5).tolist()
            log.append({"step": step, **dict(zip(("loss", "wrong", "wrong_before"), means, strict=True))})
            reports = []
    comparer.set_weights(averages)
    check_finite("the trained network", {weight.path: weight.numpy() for weight in comparer.weights})
    return comparer, log


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m model.training.train_comparer", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--voc", type=Path, required=True, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="ends in .weights.h5")
    parser.add_argument("--steps", type=int, default=3000, metavar="N", help="(3000)")
    parser.add_argument("--pairs-per-batch", type=int, default=4, metavar="N", help="(4)")
    parser.add_argument("--scenes", type=int, metavar="N", help="scenes to draw (all)")
    parser.add_argument("--seed", type=int, default=0, help="seed of all that is random (0)")
    parser.add_argument("--overwrite", action="store_true", help="replace the files if they exist")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    scenes = 1 if arguments.scenes is None else arguments.scenes
    if min(arguments.steps, arguments.pairs_per_batch, scenes) < 1 or arguments.seed < 0:
        parser.error("--steps, --pairs-per-batch and --scenes must be at least 1 and --seed at least 0.")
    if not arguments.output.name.endswith(".weights.h5"):
        parser.error(f"the output must end in .weights.h5, received {arguments.output}.")
    if not arguments.overwrite:
        refuse_existing([arguments.output, sidecar_path(arguments.output)])
    settings = {name: getattr(arguments, name) for name in ("steps", "pairs_per_batch", "scenes", "seed")}
    with atomic_path(arguments.output) as temporary:  # says now, and not after the training, what cannot be written
        started = time.monotonic()
        comparer, log = train(arguments.voc, **settings, quiet=arguments.quiet)
        seconds = round(time.monotonic() - started, 1)
        comparer.save_weights(temporary)
        content = {
            "parameters": comparer.count_params(),
            "sha256": file_digest(temporary, "sha256"),
            "beside": file_digest(BUNDLED_WEIGHTS, "sha256"),
            "settings": settings,
            "seconds": seconds,
            "log": log,
        }
    write_json(sidecar_path(arguments.output), content)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
