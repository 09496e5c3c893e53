"""Measures a strategy over its constants, one at a time, on pairs of VOC's validation part made by the recipe
`photographic`: accuracy of the map, weighted by detail, PSNR, Q_ABF and Q_MI of the fused image."""

import argparse
import math
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.arguments import positive
from data.boundaries import align_boundaries
from data.errors import EXIT_DONE
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import split_scenes
from metrics import compute_all
from metrics.reference import psnr
from model.fusion.blending import BoundaryBlending, Ranking
from model.fusion.refined import FocusMeasure, compose

ALTERNATIVES = {
    "refined": {
        "smoothing": (0.0, 1.5, 3.0),
        "coarse_weight": (0.0, 0.25, 1.0),
        "contrast_weight": (0.0, 1.0, 3.0, 8.0),
        "contrast_sigma": (1.0, 3.0, 6.0),
        "smallest": (0.0, 0.0005, 0.002, 0.005),
    },
    "learned": {
        "smoothing": (0.0, 0.7, 1.5),
        "reach": (1, 2, 8),
        "mistake": (0.0, 1.0, 2.0, 8.0, math.inf),
    },
}
"""What each constant is tried at, beside its default, the others at theirs."""

SIZE = 320
SEED = 11
"""Side of the pairs in pixels, and a seed that no training uses by default."""

COLUMNS = ("accuracy", "PSNR (dB)", "Q_ABF", "Q_MI")


EXAMPLES = """examples:
  python -m model.experiments sweep --voc VOCdevkit/VOC2012
  python -m model.experiments sweep --voc VOCdevkit/VOC2012 --strategy learned"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--voc", type=Path, required=True, metavar="DIR", help="VOCdevkit/VOC2012 or a folder above it")
    parser.add_argument("--strategy", choices=ALTERNATIVES, default="refined", help="(refined)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="a weights file (default: the bundled one)")
    parser.add_argument("--pairs", type=positive, default=100, metavar="N", help="(100)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from model import load_fuser  # loads TensorFlow, quietly; what follows needs it

    given = {"weights": arguments.weights} if arguments.weights else {}
    fuser = load_fuser(strategy=arguments.strategy, **given)
    from data.synthesis.pipeline import PairSource
    from model.training.losses import detail_weights

    decide = _refined if arguments.strategy == "refined" else _learned
    default = FocusMeasure() if arguments.strategy == "refined" else BoundaryBlending()
    settings = [default]
    for name, values in ALTERNATIVES[arguments.strategy].items():
        settings += [replace(default, **{name: value}) for value in values]
    _, scenes = split_scenes(arguments.voc, "voc")
    pairs = PairSource(scenes, SynthesisSettings("photographic", SIZE, crop=True), SEED)
    judged = []
    for pair in tqdm(pairs.validation_pairs(arguments.pairs), unit="pair", disable=arguments.quiet):
        images = pair.near, pair.far
        weights = detail_weights(np.stack(images).astype(np.float32))[0, ..., 0].numpy()
        rows = []
        for labels, fused in decide(fuser, images, settings):
            scores = compute_all(*images, fused)
            right = np.average(labels == pair.label, weights=weights)
            rows.append((right, psnr(pair.reference, fused), scores["q_abf"], scores["q_mi"]))
        judged.append(rows)
    _print(settings, np.mean(judged, axis=0))
    return EXIT_DONE


def _refined(fuser, images, settings):
    """Decision map and image by each of the settings, and last by the first with boundaries moved."""
    maps = list(fuser.predictor.two_scales(images))
    decisions = [
        measure.decide(measure.score(image, *both) for image, both in zip(images, maps, strict=True))
        for measure in settings
    ]
    for labels in (*decisions, align_boundaries(images, decisions[0])):
        yield labels, compose(images, labels)


def _learned(fuser, images, settings):
    logits = fuser.strategy.compare(*images)
    for blending in settings:
        ranking = Ranking(logits.shape)
        ranking.add(1, blending.smooth(logits))
        ranking.remove_small_regions(FocusMeasure().smallest)
        yield ranking.decision_map, blending.mix(images, ranking)


def _print(settings, means):
    default = settings[0]
    names = [field.name for field in fields(default)]
    print(f"| {' | '.join((*names, *COLUMNS))} |\n|{' ---: |' * (len(names) + len(COLUMNS))}")
    for number, row in enumerate(means):
        if number < len(settings):
            cells = [_cell(settings[number], name, default, bold=number == 0) for name in names]
        else:
            cells = ["the first row, boundaries moved", *[""] * (len(names) - 1)]
        accuracy, decibels, q_abf, q_mi = row
        print(f"| {' | '.join(cells)} | {accuracy:.4f} | {decibels:.3f} | {q_abf:.4f} | {q_mi:.4f} |")


def _cell(settings, name, default, bold):
    value = getattr(settings, name)
    if bold:
        return f"**{value:g}**"
    return "" if value == getattr(default, name) else f"{value:g}"
