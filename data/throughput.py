"""How fast training pairs are made, and how many cores that takes for a GPU: `python -m data.throughput --voc DIR`."""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from math import ceil
from pathlib import Path

import cv2
from tqdm import tqdm

from data.errors import EXIT_DONE, add_debug, run_command
from data.synthesis.pipeline import PairSource
from data.synthesis.recipes import RECIPES, SynthesisSettings
from data.synthesis.voc import split_scenes

ACCELERATOR = 200.0
"""Samples that an accelerator takes each second; a pair is two samples."""

SIZE = 224


def measure(source: PairSource, pairs: int) -> float:
    """Makes pairs on one core.

    Args:
        source: Of the pairs.
        pairs: How many; those of other scenes, until all have had a turn.

    Returns:
        Samples a second, decoding included.
    """
    step = max(1, len(source) // pairs)
    started = time.perf_counter()
    for number in range(pairs):
        source.pair(0, number * step % len(source))
    return 2 * pairs / (time.perf_counter() - started)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m data.throughput", description=__doc__.split(":")[0] + ".")
    parser.add_argument("--voc", type=Path, required=True, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("--pairs", type=int, default=200, metavar="N", help="pairs for each figure (200)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    if arguments.pairs < 1:
        parser.error("--pairs must be at least 1.")
    cv2.setNumThreads(1)
    train, _ = split_scenes(arguments.voc, "voc")
    rows = []
    for recipe in tqdm(RECIPES, unit="recipe", disable=arguments.quiet or arguments.json):
        for cache in (False, True):
            source = PairSource(train[: arguments.pairs], SynthesisSettings(recipe, SIZE), cache=cache)
            if cache:
                measure(source, arguments.pairs)  # fills it
            speed = measure(source, arguments.pairs)
            cores = ceil(ACCELERATOR / speed)
            rows.append({"recipe": recipe, "cached": cache, "samples_per_second": round(speed, 1), "cores": cores})
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return EXIT_DONE
    print(f"| recipe, {SIZE}x{SIZE} | decoded | samples/s a core | cores for {ACCELERATOR:g} samples/s |")
    print("| --- | --- | ---: | ---: |")
    for row in rows:
        decoded = "once, kept" if row["cached"] else "each time"
        print(f"| {row['recipe']} | {decoded} | {row['samples_per_second']} | {row['cores']} |")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
