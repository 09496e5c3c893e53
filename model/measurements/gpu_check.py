"""Measures training on a GPU within twenty minutes: the paper's training for some of them, with validation and the
share of the time that the GPU waits for data, then speed and peak memory of a step in every precision, with and without
XLA. Each part runs in a process of its own, and one that fails does not end the others.

`make gpu-check VOC=DIR` does all of it.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from data.io.batch import refuse_existing
from data.io.files import write_json
from data.io.listing import find_pairs
from data.runtime.arguments import add_shared, positive
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError
from data.runtime.parts import isolate_errors
from model.experiments.training_process import run_apart
from model.measurements.gpu_parts import (
    WEIGHTS,
    find_device,
    fuse,
    measure_step,
    measure_validation,
    on_device,
    train_for,
)
from model.measurements.output import print_figures, with_progress
from model.training.settings import TrainingConfig

REPORT = "gpu-check.json"
"""Name of the file that all figures are in."""

STEP_PRECISIONS = {
    "float32": (None, False),
    "TF32": (None, True),
    "float16": ("float16", True),
    "bfloat16": ("bfloat16", True),
}
"""Name to the setting `mixed_precision`, and whether float32 products may be computed in TF32, TensorFlow's default."""


@dataclass(frozen=True)
class Budget:
    """How much is measured.

    Attributes:
        settings: Training settings that differ from the paper's.
        precisions: Names in `STEP_PRECISIONS`, measured with and without XLA.
        pairs: Batch sizes in pairs whose peak memory is measured too, in float32 and float16.
        step_seconds: How long a step is repeated.
        train_seconds: How long the network is trained.
        validation_pairs: Pairs that it is validated on.
        minutes: Time limit; no part is begun after it.
    """

    settings: dict[str, Any] = field(default_factory=dict)
    precisions: tuple[str, ...] = tuple(STEP_PRECISIONS)
    pairs: tuple[int, ...] = (1, 2, 8)
    step_seconds: float = 8.0
    train_seconds: float = 420.0
    validation_pairs: int = 200
    minutes: float = 18.0


SMALL_SETTINGS = {"variant": "light", "transfer": None, "split": "voc"}

BUDGETS = {"full": Budget(), "small": Budget(SMALL_SETTINGS, ("float32", "bfloat16"), (1,), 1.0, 20.0, 100)}
"""What a GPU is measured by, and a smaller set for a processor."""

EXTRA_SECONDS = 300.0
"""Time that a part may take beyond its budget, for instance for XLA's compilation."""

EXAMPLES = """examples:
  make gpu-check VOC=VOCdevkit/VOC2012
  python -m model.measurements gpu-check --voc VOCdevkit/VOC2012 -i lytro -o gpu
  python -m model.measurements gpu-check --voc VOCdevkit/VOC2012 -o tried --device cpu --budget small
written: gpu-check.json, and with --voc run/ with the weights
exit codes: 0 done, 1 a part failed or there is no GPU, 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--voc", type=Path, metavar="DIR", help="VOC's folder; without it nothing is trained")
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="pairs to score the trained weights on")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument("--transfer", metavar="FILE", help="VGG-19's file, in place of fetching it; or none")
    add_shared(parser, "--device")
    parser.add_argument("--budget", choices=BUDGETS, default="full", help="how much to measure (%(default)s)")
    parser.add_argument("--minutes", type=positive, metavar="N", help="begin no part after so many minutes (18)")
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
    content = run_apart(on_device, arguments.device, find_device, name="looked for devices")
    content |= {"parts": {}, "failures": {}}
    for name, work, seconds in with_progress(list(_parts(arguments, budget)), arguments, "part"):
        with isolate_errors(name) as part:
            if time.monotonic() - started > 60 * minutes:
                raise InputError(f"the {minutes:g} minutes are over; it was not begun.")
            limit = seconds + EXTRA_SECONDS
            done = run_apart(on_device, arguments.device, work, name=f"measured {name}", limit=limit)
            content["parts"][name] = done
        if part.failure:
            content["failures"][name] = part.failure
        content["seconds"] = round(time.monotonic() - started, 1)
        write_json(report, content)
    if not arguments.quiet:
        print_figures(arguments, STEP_COLUMNS, _rows(content["parts"]))
    return EXIT_FAILED if content["failures"] else EXIT_DONE


def _parts(arguments: argparse.Namespace, budget: Budget) -> Iterator[tuple[str, partial[dict[str, Any]], float]]:
    """Yields name, function and expected seconds of each part."""
    config = TrainingConfig(**{**budget.settings, "validation_pairs": budget.validation_pairs})
    if arguments.voc is not None:
        transfer = None if arguments.transfer == "none" else arguments.transfer or config.transfer
        trained, folder = replace(config, transfer=transfer), arguments.output / "run"
        training = partial(train_for, trained, arguments.voc, folder, budget.train_seconds)
        yield "training", training, budget.train_seconds
        yield "measures of validation", partial(measure_validation, trained, arguments.voc), 0.0
        if arguments.input is not None:
            yield "fusion", partial(fuse, folder / WEIGHTS, config.size, arguments.input), 0.0
    whole = config.pairs_per_batch
    plans = [(precision, whole, False) for precision in budget.precisions]
    plans += [(precision, pairs, False) for pairs in budget.pairs for precision in ("float32", "float16")]
    plans += [(precision, whole, True) for precision in budget.precisions]
    for precision, pairs, jit in plans:
        mixed, tf32 = STEP_PRECISIONS[precision]
        step = replace(config, transfer=None, mixed_precision=mixed, pairs_per_batch=pairs, jit=jit)
        name = f"{precision}, {2 * pairs} images{', XLA' if jit else ''}"
        yield name, partial(measure_step, step, tf32, budget.step_seconds), budget.step_seconds


STEP_COLUMNS = ("part", "images/s", "peak memory (GB)", "waiting for data")
"""Columns of the table that is printed."""


def _rows(parts: dict[str, dict[str, Any]]) -> list[tuple[Any, ...]]:
    """Builds the rows of the table: one for the training and for each step."""
    return [
        (
            name,
            part["images_per_second"],
            "" if part["peak_bytes"] is None else f"{part['peak_bytes'] / 1e9:.2f}",
            f"{part['waiting_share']:.1%}" if "waiting_share" in part else "",
        )
        for name, part in parts.items()
        if "images_per_second" in part
    ]
