"""How the constants of the strategy `refined` were chosen: `python -m model.sweep --help`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.errors import EXIT_DONE, run_command
from data.synthesis import SynthesisSettings
from data.voc import split_scenes
from metrics.edges import EdgeTransfer
from metrics.reference import psnr
from model.refinement import Refinement, compose

ALTERNATIVES = {
    "smoothing": (0.0, 1.5, 3.0),
    "coarse_weight": (0.0, 0.25, 1.0),
    "contrast_weight": (0.0, 1.0, 3.0, 8.0),
    "contrast_sigma": (1.0, 3.0, 6.0),
    "smallest": (0.0, 0.0005, 0.002, 0.005),
}
"""What each constant is tried at, beside its default, the others at theirs."""

SIZE = 320
SEED = 11
"""Side of the pairs in pixels, and a seed that no training uses by default."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m model.sweep",
        description="Measures the strategy `refined` over its constants, one at a time, on pairs of VOC's validation "
        "part made by the recipe `photographic`: accuracy of the map, weighted by detail, PSNR and Q_ABF of the "
        "fused image.",
    )
    parser.add_argument("--voc", type=Path, required=True, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file (default: the bundled one)")
    parser.add_argument("--pairs", type=int, default=100, metavar="N", help="(100)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")
    arguments = parser.parse_args(argv)
    if arguments.pairs < 1:
        parser.error("--pairs must be at least 1.")
    from model import load_fuser  # loads TensorFlow, quietly; what follows needs it

    fuser = load_fuser(**({"weights": arguments.weights} if arguments.weights else {}))
    from data.pipeline import PairSource
    from model.comparison import COARSE
    from model.losses import detail_weights
    from model.outlines import align_outlines

    _, scenes = split_scenes(arguments.voc, "voc")
    pairs = PairSource(scenes, SynthesisSettings("photographic", SIZE, crop=True), SEED)
    settings = [Refinement()]
    for name, values in ALTERNATIVES.items():
        settings += [replace(Refinement(), **{name: value}) for value in values]
    sums, outlines, count = np.zeros((len(settings), 3)), np.zeros(3), 0
    for pair in tqdm(pairs.validation_pairs(arguments.pairs), unit="pair", disable=arguments.quiet):
        images = pair.near, pair.far
        maps = list(fuser.logits(*images)), list(fuser.logits(*images, scale=COARSE))
        weights = detail_weights(np.stack(images).astype(np.float32))[0, ..., 0].numpy()
        edges = EdgeTransfer(*images)

        def judge(labels, pair=pair, images=images, weights=weights, edges=edges):
            fused = compose(images, labels)
            right = np.average(labels == pair.label, weights=weights)
            return right, psnr(pair.reference, fused), edges.q_abf(fused)

        for row, refinement in enumerate(settings):
            labels = refinement.labels(map(refinement.score, images, *maps))
            sums[row] += judge(labels)
            if row == 0:
                outlines += judge(align_outlines(images, labels))
        count += 1
    names = [field.name for field in fields(Refinement)]
    print(f"| {' | '.join(names)} | accuracy | PSNR (dB) | Q_ABF |\n|{' ---: |' * (len(names) + 3)}")
    for refinement, (accuracy, decibels, q_abf) in zip(settings, sums / count, strict=True):
        cells = [
            f"{getattr(refinement, name):g}" if getattr(refinement, name) != getattr(Refinement(), name) else ""
            for name in names
        ]
        if refinement == Refinement():
            cells = [f"**{getattr(refinement, name):g}**" for name in names]
        print(f"| {' | '.join(cells)} | {accuracy:.4f} | {decibels:.3f} | {q_abf:.4f} |")
    accuracy, decibels, q_abf = outlines / count
    print(f"| the first row, outlines moved{' |' * len(names)} {accuracy:.4f} | {decibels:.3f} | {q_abf:.4f} |")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
