"""Measures a strategy over its constants, one at a time, on pairs of VOC's validation part made by the recipe
`photographic`: accuracy of the map, weighted by detail, PSNR, Q_ABF, Q_LABF and Q_MI of the fused image."""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.imaging.boundaries import align_boundaries
from data.imaging.composition import compose
from data.runtime.arguments import add_shared, positive
from data.synthesis.pairs import SyntheticPair
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.voc import split_scenes
from metrics import Scorer
from metrics.markup import Cell
from metrics.reference import psnr
from model.bundled import BUNDLED_WEIGHTS
from model.fusion.blending import BoundaryBlending
from model.fusion.evidence import gather
from model.fusion.focus_measure import FocusMeasure
from model.fusion.fuser import Fuser
from model.measurements.loop import comparer_of, detail, fuse_by_logits, mean_scores
from model.measurements.output import print_figures, with_progress
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
"""Values that each constant is tried at beside its default, while the others keep theirs."""

PAIR_SIZE = 320
"""Side of the pairs, in pixels."""

SEED = 11
"""A seed that no training uses by default."""

SWEPT_MEASURES = {"accuracy": ".4f", "PSNR (dB)": ".3f", "Q_ABF": ".4f", "Q_LABF": ".4f", "Q_MI": ".4f"}
"""Measures, and how they are printed."""

EXAMPLES = """examples:
  python -m model.measurements sweep --voc VOCdevkit/VOC2012
  python -m model.measurements sweep --voc VOCdevkit/VOC2012 --strategy learned"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_shared(parser, "--voc", "--weights", "--quiet")
    parser.add_argument("--strategy", choices=ALTERNATIVES, default="refined", help="strategy to measure (%(default)s)")
    parser.add_argument("--pairs", type=positive, default=100, metavar="N", help="pairs to measure on (%(default)s)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from model import load_fuser

    fuser = load_fuser(arguments.weights or BUNDLED_WEIGHTS, strategy=arguments.strategy)
    default: Any
    default, decide = (FocusMeasure(), _refined) if arguments.strategy == "refined" else (BoundaryBlending(), _learned)
    alternatives = ALTERNATIVES[arguments.strategy].items()
    settings = [default, *(replace(default, **{name: value}) for name, values in alternatives for value in values)]

    def measure(pair: SyntheticPair) -> Iterator[tuple[int, dict[str, float]]]:
        images, weights = (pair.near, pair.far), detail(pair)
        scorer = Scorer(images)
        for number, (decision_map, fused) in enumerate(decide(fuser, images, settings)):
            right = float(np.average(decision_map == pair.label, weights=weights))
            scores = scorer.score(fused, ["q_abf", "q_labf", "q_mi"])
            yield number, {"accuracy": right, "psnr": psnr(pair.reference, fused), **scores}

    _, scenes = split_scenes(arguments.voc, "voc")
    source = import_quietly("data.synthesis.pipeline").PairSource(
        scenes, SynthesisSettings("photographic", PAIR_SIZE, crop=True), SEED
    )
    pairs = with_progress(source.validation_pairs(arguments.pairs), arguments, "pair")
    means = mean_scores(pairs, measure)
    rows = zip(_constants(settings), means.values(), strict=False)
    cells = [(*named, *map(format, row.values(), SWEPT_MEASURES.values())) for named, row in rows]
    return print_figures(arguments, (*vars(default), *SWEPT_MEASURES), cells)


def _refined(
    fuser: Fuser, images: Sequence[np.ndarray], settings: Sequence[FocusMeasure]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields decision map and fused image by each of the settings, and last by the first with boundaries moved."""
    maps = list(fuser.predictor.two_scales(images))
    decisions = [
        measure.decide(images, (measure.score(image, *both) for image, both in zip(images, maps, strict=True)))
        for measure in settings
    ]
    for decision_map in (*decisions, align_boundaries(images, decisions[0])):
        yield decision_map, compose(images, decision_map)


def _learned(
    fuser: Fuser, images: Sequence[np.ndarray], settings: Sequence[BoundaryBlending]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yields decision map and fused image by each of the settings."""
    first, second = gather(fuser.predictor, images)
    logits = comparer_of(fuser)(first, second, images[0].shape[:2])
    for blending in settings:
        yield fuse_by_logits(images, logits, blending)


def _constants(settings: Sequence[Any]) -> Iterator[Sequence[Cell | str]]:
    """Yields the cells of the settings: all of the defaults, of the others what differs, and for `_refined`'s last."""
    default = vars(settings[0])
    yield [Cell(f"{value:g}", rank=1) for value in default.values()]
    for changed in map(vars, settings[1:]):
        yield ["" if changed[name] == value else f"{changed[name]:g}" for name, value in default.items()]
    yield ["the first row, boundaries moved", *[""] * (len(default) - 1)]
