"""How the constants of the strategy `refined` were chosen: `python -m model.sweep --help`."""

import argparse
import sys
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.errors import EXIT_DONE, run_command
from data.pipeline import PairSource
from data.synthesis import SynthesisSettings
from data.voc import split_scenes
from metrics.reference import psnr
from model.refinement import SMALLEST_REGION, SMOOTHING, compare, compose, remove_islands

SMOOTHINGS = (0.0, 0.7, 1.0, 1.5, 2.0, 3.0)
SMALLEST = (0.0, 0.0005, 0.001, 0.002, 0.005, 0.01)
SIZE = 320
SEED = 11
"""Side of the pairs in pixels, and a seed that no training uses by default."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m model.sweep",
        description="Measures the strategy `refined` over its two constants, on pairs of VOC's validation part made by "
        "the recipe `photographic`: accuracy of the map, weighted by detail, and PSNR of the fused image.",
    )
    parser.add_argument("--voc", type=Path, required=True, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file (default: the bundled one)")
    parser.add_argument("--pairs", type=int, default=100, metavar="N", help="(100)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    arguments = parser.parse_args(argv)
    if arguments.pairs < 1:
        parser.error("--pairs must be at least 1.")
    from model import load_fuser  # loads TensorFlow, which wrong usage need not wait for
    from model.losses import detail_weights

    fuser = load_fuser(**({"weights": arguments.weights} if arguments.weights else {}))
    _, scenes = split_scenes(arguments.voc, "voc")
    pairs = PairSource(scenes, SynthesisSettings("photographic", SIZE, crop=True), SEED)
    sums = {setting: np.zeros(2) for setting in product(SMOOTHINGS, SMALLEST)}
    count = 0
    for pair in tqdm(pairs.validation_pairs(arguments.pairs), unit="pair", disable=arguments.quiet):
        count += 1
        maps = fuser.unfocused(pair.near, pair.far)
        weights = detail_weights(np.stack([pair.near, pair.far]).astype(np.float32))[0, ..., 0].numpy()
        for smoothing in SMOOTHINGS:
            compared = compare(maps, smoothing)
            for smallest in SMALLEST:
                labels = remove_islands(compared, smallest)
                fused = compose((pair.near, pair.far), labels)
                right = np.average(labels == pair.label, weights=weights)
                sums[smoothing, smallest] += right, psnr(pair.reference, fused)
    print("| smoothing (pixels) | smallest region | accuracy | PSNR (dB) |\n| ---: | ---: | ---: | ---: |")
    for (smoothing, smallest), total in sums.items():
        mark = " (chosen)" if (smoothing, smallest) == (SMOOTHING, SMALLEST_REGION) else ""
        accuracy, decibels = total / count
        print(f"| {smoothing:g} | {smallest:g}{mark} | {accuracy:.4f} | {decibels:.3f} |")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
