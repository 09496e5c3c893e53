"""Measures how fast training pairs are made, and how many cores that takes for a GPU."""

import argparse
import time
from math import ceil
from typing import TYPE_CHECKING, Any

import cv2

from data.runtime.arguments import add_shared, positive
from data.synthesis.recipes import RECIPES, SynthesisSettings
from data.synthesis.voc import split_scenes
from model.measurements.output import print_figures, with_progress

if TYPE_CHECKING:  # loads TensorFlow, which `--help` does not need
    from data.synthesis.pipeline import PairSource

ACCELERATOR = 200
"""Samples that an accelerator is assumed to take each second; a pair is two samples."""

PAIR_SIZE = SynthesisSettings.size
"""Side of the pairs, in pixels."""

EXAMPLES = """example:
  python -m model.measurements throughput --voc VOCdevkit/VOC2012"""


def measure(source: "PairSource", pairs: int) -> float:
    """Measures how fast one core makes pairs.

    Args:
        source: Source of the pairs.
        pairs: Number of pairs, spread over all scenes.

    Returns:
        Samples a second, decoding included.
    """
    step = max(1, len(source) // pairs)
    started = time.perf_counter()
    for number in range(pairs):
        source.pair(0, number * step % len(source))
    return 2 * pairs / (time.perf_counter() - started)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--pairs", type=positive, default=200, metavar="N", help="pairs for each figure (%(default)s)")
    add_shared(parser, "--voc", "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from data.synthesis.pipeline import PairSource  # loads TensorFlow

    cv2.setNumThreads(1)
    train, _ = split_scenes(arguments.voc, "voc")
    rows: list[dict[str, Any]] = []
    for recipe in with_progress(RECIPES, arguments, "recipe"):
        for cache in (False, True):
            source = PairSource(train[: arguments.pairs], SynthesisSettings(recipe, PAIR_SIZE), cache=cache)
            if cache:
                measure(source, arguments.pairs)  # fills it
            speed = measure(source, arguments.pairs)
            cores = ceil(ACCELERATOR / speed)
            rows.append({"recipe": recipe, "cached": cache, "samples_per_second": round(speed, 1), "cores": cores})
    columns = (f"recipe, {PAIR_SIZE}x{PAIR_SIZE}", "decoded", "samples/s a core", f"cores for {ACCELERATOR} samples/s")
    cells = [tuple((row | {"cached": "once, kept" if row["cached"] else "each time"}).values()) for row in rows]
    return print_figures(arguments, columns, cells, rows)
