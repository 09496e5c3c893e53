"""Measures a strategy over its constants, one at a time, on pairs of VOC's validation part made by the recipe
`photographic`: accuracy of the map, weighted by detail, PSNR, Q_ABF, Q_LABF and Q_MI of the fused image."""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from tqdm import tqdm

from data.imaging.boundaries import align_boundaries
from data.runtime.arguments import add_shared, positive
from data.runtime.errors import EXIT_DONE
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import split_scenes
from metrics import Scorer
from metrics.markup import Cell, Table
from metrics.reference import psnr
from model.bundled import BUNDLED_WEIGHTS
from model.fusion.blending import BoundaryBlending
from model.fusion.composition import compose
from model.fusion.focus_measure import FocusMeasure
from model.fusion.fuser import Fuser
from model.fusion.ranking import Ranking
from model.networks.quietly import import_quietly

ALTERNATIVES = {
    "refined": {
        "smoothing": (0.0, 1.5, 3.0),
        "coarse_weight": (0.0, 0.25, 1.0),
        "contrast_weight": (0.0, 1.0, 3.0, 8.0),
        "contrast_sigma": (1.0, 3.0, 6.0),
        "smallest": (0.0, 0.0005, 0.002, 0.005),
    },
    "learned": {
        "smoothing": (0.7, 1.0, 1.5),
        "reach": (1, 2, 8),
        "error_threshold": (0.0, 2.0, 4.0, 16.0, math.inf),
    },
}
"""What each constant is tried at, beside its default, the others at theirs."""

SIZE = 320
"""Side of the pairs, in pixels."""

SEED = 11
"""One that no training uses by default."""

MEASURED = {"accuracy": ".4f", "PSNR (dB)": ".3f", "Q_ABF": ".4f", "Q_LABF": ".4f", "Q_MI": ".4f"}
"""What is measured, and how it is printed."""

EXAMPLES = """examples:
  python -m model.measurements sweep --voc VOCdevkit/VOC2012
  python -m model.measurements sweep --voc VOCdevkit/VOC2012 --strategy learned"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_shared(parser, "--voc", "--weights", "--quiet")
    parser.add_argument("--strategy", choices=ALTERNATIVES, default="refined", help="(%(default)s)")
    parser.add_argument("--pairs", type=positive, default=100, metavar="N", help="(%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from model import load_fuser

    fuser = load_fuser(arguments.weights or BUNDLED_WEIGHTS, strategy=arguments.strategy)
    detail_weights = import_quietly("model.training.losses").detail_weights
    PairSource = import_quietly("data.synthesis.pipeline").PairSource
    swept: dict[str, tuple[Any, Any]] = {
        "refined": (FocusMeasure(), _refined),
        "learned": (BoundaryBlending(), _learned),
    }
    default, decide = swept[arguments.strategy]
    settings = [default]
    for name, values in ALTERNATIVES[arguments.strategy].items():
        settings += [replace(default, **{name: value}) for value in values]
    _, scenes = split_scenes(arguments.voc, "voc")
    pairs = PairSource(scenes, SynthesisSettings("photographic", SIZE, crop=True), SEED)
    judged = []
    for pair in tqdm(pairs.validation_pairs(arguments.pairs), unit="pair", disable=arguments.quiet):
        images = pair.near, pair.far
        weights = detail_weights(np.stack(images).astype(np.float32))[0, ..., 0].numpy()
        rows, scorer = [], Scorer(images)
        for decision_map, fused in decide(fuser, images, settings):
            scores = scorer.score(fused, ["q_abf", "q_labf", "q_mi"])
            right = np.average(decision_map == pair.label, weights=weights)
            rows.append((right, psnr(pair.reference, fused), *scores.values()))
        judged.append(rows)
    print(_table(settings, np.mean(judged, axis=0)).markdown(), end="")
    return EXIT_DONE


def _refined(
    fuser: Fuser, images: Sequence[np.ndarray], settings: Sequence[Any]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Decision map and image by each of the settings, and last by the first with boundaries moved."""
    maps = list(fuser.predictor.two_scales(images))
    decisions = [
        measure.decide(images, (measure.score(image, *both) for image, both in zip(images, maps, strict=True)))
        for measure in settings
    ]
    for decision_map in (*decisions, align_boundaries(images, decisions[0])):
        yield decision_map, compose(images, decision_map)


def _learned(
    fuser: Fuser, images: Sequence[np.ndarray], settings: Sequence[Any]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    from model.fusion.evidence import gather

    strategy: Any = fuser.strategy  # `learned`
    logits = strategy.compare(*gather(fuser.predictor, images), images[0].shape[:2])
    for blending in settings:
        ranking = Ranking(logits.shape)
        ranking.add(1, blending.smooth(logits))
        ranking.remove_small_regions(FocusMeasure().smallest)
        yield ranking.decision_map, blending.mix(images, ranking)


def _table(settings: Sequence[Any], means: Sequence[Any]) -> Table:
    """A row of means for each of the settings, the defaults first, and for the last of `_refined`."""
    default = vars(settings[0])
    cells: list[list[Any]] = [[Cell(f"{value:g}", rank=1) for value in default.values()]]
    for changed in map(vars, settings[1:]):
        cells.append(["" if changed[name] == value else f"{changed[name]:g}" for name, value in default.items()])
    cells.append(["the first row, boundaries moved", *[""] * (len(default) - 1)])
    rows = [(*constants, *map(format, row, MEASURED.values())) for constants, row in zip(cells, means, strict=False)]
    return Table((*default, *MEASURED), rows)
