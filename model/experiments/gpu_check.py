"""Measures training on a GPU within twenty minutes: the paper's training for some of them, with validation and the
share of the time that the GPU waits for data, then speed and peak memory of a step in every precision, with and without
XLA. Each part runs in a process of its own, and one that fails does not end the others.

`make gpu-check VOC=DIR` does all of it.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from data.arguments import add_shared, positive
from data.errors import EXIT_DONE, EXIT_FAILED, InputError
from data.io.batch import refuse_existing
from data.io.files import write_json
from data.io.image_io import read_image
from data.io.stacks import find_pairs
from data.parts import alone
from metrics import compute_all
from metrics.markup import Table
from model.experiments.training_process import run_apart
from model.training.settings import TrainingConfig

REPORT = "gpu-check.json"
"""Name of the file that all figures are in."""

WEIGHTS = "stopped.weights.h5"
"""Name of the weights after the minutes of training."""

PRECISIONS = {
    "float32": (None, False),
    "TF32": (None, True),
    "float16": ("float16", True),
    "bfloat16": ("bfloat16", True),
}
"""Name to the setting `mixed_precision`, and whether float32 products may be computed in TF32, as TensorFlow does
unless told otherwise."""


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Attributes:
        settings: Of the training, where they are not the paper's.
        pairs: Pairs a step whose peak memory is measured too, in float32 and float16.
        step_seconds: For which steps are repeated.
        train_seconds: For which the network is trained.
        validation_pairs: Pairs that it is validated on.
        minutes: After which no further part is begun.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    pairs: tuple[int, ...] = (1, 2, 8)
    step_seconds: float = 8.0
    train_seconds: float = 420.0
    validation_pairs: int = 200
    minutes: float = 18.0


_TINY = {"variant": "light", "transfer": None, "size": 32, "split": "voc", "pairs_per_batch": 2}

BUDGETS = {"full": Budget(), "tiny": Budget(_TINY, (1,), 0.1, 5.0, 2, 10.0)}
"""That of a GPU, and one that shows on a processor that the code works."""

LIMIT = 300.0
"""Seconds that a part may take besides those of its budget, XLA's compilation among them."""

EXAMPLES = """examples:
  make gpu-check VOC=VOCdevkit/VOC2012
  python -m model.experiments gpu-check --voc VOCdevkit/VOC2012 -i lytro -o gpu
  python -m model.experiments gpu-check --voc VOCdevkit/VOC2012 -o tried --device cpu --budget tiny
written: gpu-check.json, and with --voc run/ with the weights
exit codes: 0 done, 1 a part failed or there is no GPU, 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--voc", type=Path, metavar="DIR", help="VOC's folder; without it nothing is trained")
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="pairs to score the trained weights on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument("--transfer", metavar="FILE", help="VGG-19's file, in place of fetching it; or none")
    add_shared(parser, "--device")
    parser.add_argument("--budget", choices=BUDGETS, default="full", help="(%(default)s)")
    parser.add_argument("--minutes", type=positive, metavar="N", help="after which no part is begun (18)")
    add_shared(parser, "--quiet")
    parser.set_defaults(device="gpu")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: There is no GPU, or figures are in the folder already.
    """
    report = arguments.output / REPORT
    refuse_existing([report])
    if arguments.input is not None:
        find_pairs(arguments.input)  # before minutes of training
    started, budget = time.monotonic(), BUDGETS[arguments.budget]
    minutes = arguments.minutes or budget.minutes
    content = run_apart(find_device, arguments.device, name="looked for devices")
    content |= {"parts": {}, "failures": {}}
    for name, work, inputs, seconds in tqdm(list(_parts(arguments, budget)), unit="part", disable=arguments.quiet):
        with alone(name) as part:
            if time.monotonic() - started > 60 * minutes:
                raise InputError(f"the {minutes:g} minutes are over; it was not begun.")
            done = run_apart(work, arguments.device, *inputs, name=f"measured {name}", limit=seconds + LIMIT)
            content["parts"][name] = done
        if part.failure:
            content["failures"][name] = part.failure
        content["seconds"] = round(time.monotonic() - started, 1)
        write_json(report, content)
    if not arguments.quiet:
        print(_table(content["parts"]))
    return EXIT_FAILED if content["failures"] else EXIT_DONE


def _parts(arguments, budget: Budget) -> Iterator[tuple[str, Callable[..., dict[str, Any]], tuple[Any, ...], float]]:
    """Name, function, its arguments and seconds of each part."""
    config = TrainingConfig(**{**budget.settings, "validation_pairs": budget.validation_pairs})
    if arguments.voc is not None:
        start = {"transfer": None if arguments.transfer == "none" else arguments.transfer} if arguments.transfer else {}
        settings = {**config.to_json(), **start}
        folder = arguments.output / "run"
        yield "training", train_for, (settings, arguments.voc, folder, budget.train_seconds), budget.train_seconds
        if arguments.input is not None:
            yield "fusion", fuse, (folder / WEIGHTS, config.size, arguments.input), 0.0
    whole = config.pairs_per_batch
    plans = [(precision, whole, False) for precision in PRECISIONS]
    plans += [(precision, pairs, False) for pairs in budget.pairs for precision in ("float32", "float16")]
    plans += [(precision, whole, True) for precision in PRECISIONS]
    for precision, pairs, jit in plans:
        mixed, tf32 = PRECISIONS[precision]
        changed = {"transfer": None, "mixed_precision": mixed, "pairs_per_batch": pairs, "jit": jit}
        settings = {**config.to_json(), **changed}
        name = f"{precision}, {2 * pairs} images{', XLA' if jit else ''}"
        yield name, measure_step, (settings, tf32, budget.step_seconds), budget.step_seconds


def find_device(device: str) -> dict[str, Any]:
    """What there is to compute on, by name, and the versions of what computes.

    Raises:
        InputError: There is no such device; the message says why.
    """
    from model import choose_device  # loads TensorFlow, quietly

    choose_device(device)
    import keras
    import tensorflow as tf

    from model.networks.devices import device_name

    return {"device": device_name(), "tensorflow": tf.__version__, "keras": keras.__version__}


def measure_step(device: str, settings: dict[str, Any], tf32: bool, seconds: float) -> dict[str, Any]:
    """Repeats a training step on one batch that is there already.

    Args:
        device: As for `choose_device`.
        settings: Of a `TrainingConfig`.
        tf32: Whether float32 products may be computed in TF32.
        seconds: For which it is repeated.

    Returns:
        Images a second; seconds of the first step, tracing and compilation included; peak of the GPU's memory in bytes,
        None on a processor.
    """
    from model import choose_device  # loads TensorFlow, quietly

    choose_device(device)
    import tensorflow as tf

    from model.training.distribution import make_distribution
    from model.training.setup import make_trainer, prepare_process

    config = TrainingConfig.from_json(settings)
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


def train_for(device: str, settings: dict[str, Any], voc: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Trains for some time, validates, and writes the weights.

    Args:
        device: As for `choose_device`.
        settings: Of a `TrainingConfig`.
        voc: VOCdevkit/VOC2012 or a folder above it.
        folder: Of the run.
        seconds: After which it is stopped.

    Returns:
        Steps; images a second, and the share of the time spent waiting for batches, both without the first step; what
        the last epoch reported; the measures of validation, its time with one thread and with all, and whether both
        gave the same numbers; peak of the GPU's memory in bytes.

    Raises:
        InputError: VOC or VGG-19's weights cannot be used, or there was no time for two steps.
    """
    from model import TrainingRun, choose_device  # loads TensorFlow, quietly

    choose_device(device)
    from model.networks.weights import save_weights

    config = TrainingConfig.from_json(settings)
    run = TrainingRun(config, voc, folder)
    started, seen, means = time.monotonic(), [], {}

    def observe(_, so_far, __):
        seen.append((run.progress.seconds, run.loop.waited, run.steps_done))
        means.update(so_far)
        if time.monotonic() - started > seconds and len(seen) > 1:
            raise _TimeIsUp

    with suppress(_TimeIsUp):
        run.run(observe)
    spent, waited, steps = (last - first for first, last in zip(seen[0], seen[-1], strict=True))
    timed = {
        workers: _timed(lambda workers=workers: run.validate(config.validation_pairs, workers)) for workers in (1, None)
    }
    record = {"config": settings, "steps": run.steps_done}
    save_weights(run.trainer.network, folder / WEIGHTS, config.network_arguments, record)
    return {
        "steps": run.steps_done,
        "images_per_second": round(2 * config.pairs_per_batch * steps / spent, 3),
        "waiting_share": round(waited / spent, 4),
        "reported": means,
        "validation": all_cores[0],
        "validation_seconds": {"one_thread": one_thread[1], "all_cores": all_cores[1]},
        "validation_is_equal": repr(one_thread[0]) == repr(all_cores[0]),
        "peak_bytes": _peak(),
    }


def fuse(device: str, weights: Path, size: int, folder: Path) -> dict[str, Any]:
    """The means of all metrics of a folder of pairs, fused by the paper's strategy with its maps at `size`."""
    from model import choose_device, load_fuser  # loads TensorFlow, quietly

    choose_device(device)
    fuser = load_fuser(weights, strategy="paper", size=size)
    pairs = [[read_image(path) for path in stack.images] for stack in find_pairs(folder).stacks]
    scores = [compute_all(*pair, fuser(*pair)) for pair in pairs]
    return {"pairs": len(pairs)} | {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}


class _TimeIsUp(Exception):
    """Ends a training."""


def _timed(work: Callable[..., Any], *arguments: Any) -> tuple[Any, float]:
    started = time.perf_counter()
    result = work(*arguments)
    return result, round(time.perf_counter() - started, 2)


def _peak() -> int | None:
    import tensorflow as tf

    if not tf.config.get_visible_devices("GPU"):
        return None
    return tf.config.experimental.get_memory_info("GPU:0")["peak"]


def _table(parts: dict[str, dict[str, Any]]) -> str:
    """What was measured of each training and step."""
    rows = [
        (
            name,
            part["images_per_second"],
            "" if part["peak_bytes"] is None else f"{part['peak_bytes'] / 1e9:.2f}",
            f"{part['waiting_share']:.1%}" if "waiting_share" in part else "",
        )
        for name, part in parts.items()
        if "images_per_second" in part
    ]
    return Table(("part", "images/s", "peak memory (GB)", "waiting for data"), rows).markdown()
