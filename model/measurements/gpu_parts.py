"""The parts of `gpu-check`; each is called in a process of its own, which alone loads TensorFlow."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from data.io.image_io import read_image
from data.io.listing import find_pairs
from metrics import PAPER_METRICS, Scorer
from model.training.settings import TrainingConfig

WEIGHTS = "stopped.weights.h5"
"""Name of the weights after the minutes of training."""


def on_device(device: str, part: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Chooses a device, as `choose_device` does, and calls a part.

    Raises:
        InputError: There is no such device; the message says why.
    """
    from model import choose_device  # loads TensorFlow, quietly

    choose_device(device)
    return part()


def find_device() -> dict[str, Any]:
    """Names the device that is used, and the versions of TensorFlow and Keras."""
    import keras
    import tensorflow as tf

    from model.networks.devices import device_name

    return {"device": device_name(), "tensorflow": tf.__version__, "keras": keras.__version__}


def measure_step(config: TrainingConfig, tf32: bool, seconds: float) -> dict[str, Any]:
    """Repeats a training step on one batch that is in memory already.

    Args:
        config: Settings of the training.
        tf32: Whether float32 products may be computed in TF32.
        seconds: How long it is repeated.

    Returns:
        Images a second; seconds of the first step, tracing and compilation included; peak of the GPU's memory in bytes,
        None on a processor.
    """
    import tensorflow as tf

    from model.training.distribution import make_distribution
    from model.training.setup import make_trainer, prepare_process

    prepare_process(config)
    tf.config.experimental.enable_tensor_float_32_execution(tf32)
    trainer = make_trainer(config, make_distribution("one"), total_steps=1000)
    rng, images = np.random.default_rng(0), 2 * config.pairs_per_batch
    sides = (images, config.size, config.size)
    batch = [tf.constant(rng.integers(0, most, (*sides, n), np.uint8)) for most, n in ((256, 3), (2, 1))]
    times = [time.perf_counter()]
    while len(times) < 5 or times[-1] - times[2] < seconds:
        trainer.step(*batch)
        times.append(time.perf_counter())
    # The second step still measures which algorithms of cuDNN are fastest.
    speed = images * (len(times) - 3) / (times[-1] - times[2])
    return {
        "images_per_second": round(speed, 3),
        "first_step_seconds": round(times[1] - times[0], 1),
        "peak_bytes": _peak(),
    }


def train_for(config: TrainingConfig, voc: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Trains for some time, validates, and writes the weights.

    Args:
        config: Settings of the training.
        voc: VOCdevkit/VOC2012 or a folder above it.
        folder: Folder of the run.
        seconds: Time after which it is stopped.

    Returns:
        Steps; images a second, and the share of the time spent waiting for batches, both without the first step; what
        the last epoch reported; the measures of validation, its time with one thread and with all, and whether both
        gave the same numbers; peak of the GPU's memory in bytes.

    Raises:
        InputError: VOC or VGG-19's weights cannot be used, or there was no time for two steps.
    """
    from model import TrainingRun
    from model.networks.weights import save_weights

    run = TrainingRun(config, voc, folder)
    started, seen, means = time.monotonic(), [], {}

    def observe(_: int, so_far: dict[str, float], __: float) -> None:
        seen.append((run.loop.progress.seconds, run.loop.waited, run.loop.steps_done))
        means.update(so_far)
        if time.monotonic() - started > seconds and len(seen) > 1:
            raise _TimeIsUp

    with suppress(_TimeIsUp):
        run.run(observe)
    spent, waited, steps = (last - first for first, last in zip(seen[0], seen[-1], strict=True))
    run.validate(1)  # traces the network
    validation, validation_seconds, equal = _by_threads(lambda threads: run.validate(config.validation_pairs, threads))
    record = {"config": config.to_json(), "steps": run.loop.steps_done}
    save_weights(run.trainer.network, folder / WEIGHTS, config.network_arguments, record)
    return {
        "steps": run.loop.steps_done,
        "images_per_second": round(2 * config.pairs_per_batch * steps / spent, 3),
        "waiting_share": round(waited / spent, 4),
        "reported": means,
        "validation": validation,
        "validation_seconds": validation_seconds,
        "validation_is_equal": equal,
        "peak_bytes": _peak(),
    }


def measure_validation(config: TrainingConfig, voc: Path) -> dict[str, Any]:
    """Times making and measuring validation pairs, with maps that cost next to nothing in place of a network's.

    Args:
        config: Settings of the training.
        voc: VOCdevkit/VOC2012 or a folder above it.

    Returns:
        Seconds with one thread and with all cores, and whether both gave the same numbers.
    """
    import tensorflow as tf

    from data.synthesis.pipeline import PairSource
    from data.synthesis.voc import split_scenes
    from model.training.losses import HybridLoss
    from model.training.validation import validate

    _, held_out = split_scenes(voc, config.split, seed=config.seed, limit=config.scenes)
    source = PairSource(held_out, config.validation_synthesis, config.seed)

    def bright(images: tf.Tensor) -> list[tf.Tensor]:
        share = images[..., :1] / 255
        full = tf.concat([1 - share, share], -1)
        return [tf.nn.avg_pool2d(full, side, side, "VALID") for side in (16, 8, 4, 2, 1)]

    def measure(threads: int | None) -> dict[str, float]:
        return validate(bright, HybridLoss(), source.validation_pairs(config.validation_pairs, threads), threads)

    measure(None)  # loads what the first pairs would wait for
    _, seconds, equal = _by_threads(measure)
    return {"seconds": seconds, "equal": equal}


def fuse(weights: Path, size: int, folder: Path) -> dict[str, Any]:
    """Fuses a folder of pairs by the paper's strategy with its maps at `size`; returns the means of the paper's
    metrics."""
    from model import load_fuser

    fuser = load_fuser(weights, strategy="paper", size=size)
    pairs = [[read_image(path) for path in stack.images] for stack in find_pairs(folder).stacks]
    scores = [Scorer(pair).score(fuser(*pair), PAPER_METRICS) for pair in pairs]
    return {"pairs": len(pairs)} | {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


class _TimeIsUp(Exception):
    """Ends a training."""


def _by_threads(
    measure: Callable[[int | None], dict[str, float]],
) -> tuple[dict[str, float], dict[str, float], bool]:
    """Calls a function of a number of threads with one thread and with all; returns its result, its seconds, and
    whether both results are equal."""
    results, seconds = [], {}
    for name, threads in {"one_thread": 1, "all_cores": None}.items():
        started = time.perf_counter()
        results.append(measure(threads))
        seconds[name] = round(time.perf_counter() - started, 2)
    return results[1], seconds, repr(results[0]) == repr(results[1])


def _peak() -> int | None:
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]
