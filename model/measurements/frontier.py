"""Measures quality against computation: the paper's network at several sizes, with and without the comparing network.

DIRs are made by `python -m data.unseen`, each of one kind.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import cv2
import numpy as np

from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_shared
from data.synthesis.pairs import SyntheticPair
from data.unseen import read_unseen
from metrics.reference import psnr
from model.fusion.blending import BoundaryBlending
from model.fusion.evidence import FOCUS_DOWNSAMPLING, Evidence
from model.fusion.fuser import Fuser
from model.measurements.loop import comparer_of, fuse_by_logits, mean_scores
from model.measurements.output import print_figures, with_progress
from model.networks.quietly import import_quietly
from model.networks.summary import SIZES, multiply_adds, summarize

VARIANT = "light"
"""Variant of the bundled weights."""

POINTS: dict[str, tuple[Sequence[float], bool]] = {
    "network at a quarter of the size": ((0.25,), False),
    "network at half the size": ((0.5,), False),
    "network at full size": ((1.0,), False),
    "network at full and half size and contrast: `refined`": ((1.0, 0.5), False),
    "comparison alone": ((), True),
    "comparison, network at a quarter of the size: `learned`": ((0.25,), True),
    "comparison, network at half the size": ((0.5,), True),
    "comparison, network at full size": ((1.0,), True),
}
"""Ways to decide between two photographs: title to the scales at which the paper's network looks at each photograph,
and whether the comparing network decides; else the lower logit does."""

EXAMPLES = """example:
  python -m data.unseen --voc VOCdevkit/VOC2012 -o small --kind small
  python -m data.unseen --voc VOCdevkit/VOC2012 -o strong-blur --kind strong-blur
  python -m model.measurements frontier small strong-blur"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="made by python -m data.unseen")
    add_shared(parser, "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: A set cannot be used.
    """
    from model import load_fuser

    fuser, refined = load_fuser(), load_fuser(strategy="refined")

    def measure(pair: SyntheticPair) -> Iterator[tuple[str, dict[str, float]]]:
        images = PreparedFrames([pair.near, pair.far], align="none")
        for title, (scales, compared) in POINTS.items():
            fused = refined(images) if len(scales) > 1 else _fuse(fuser, images, scales, compared)
            yield title, {"psnr": psnr(pair.reference, fused)}

    points: dict[str, dict[str, Any]] = {title: {"products": count, "psnr": []} for title, count in products().items()}
    for folder in arguments.folders:
        pairs = with_progress(read_unseen(folder), arguments, "pair", folder.name)
        for title, scores in mean_scores(pairs, measure).items():
            points[title]["psnr"].append(scores["psnr"])
    rows = [
        (title, f"{row['products']:,.0f}", *(f"{value:.2f}" for value in (*row["psnr"], fmean(row["psnr"]))))
        for title, row in points.items()
    ]
    header = "what decides", "products a pixel", *(folder.name for folder in arguments.folders), "mean"
    figures = {"sets": [str(folder) for folder in arguments.folders], "points": points}
    return print_figures(arguments, header, rows, figures)


def products() -> dict[str, float]:
    """Counts the multiply-adds for each pixel of a pair, padding left out, of each point by its title."""
    side = SIZES[0]
    looks = sum(stage.multiply_adds[side] for stage in summarize(VARIANT)) / side**2
    comparer = import_quietly("model.networks.comparer").build_comparer((side, side))
    comparison = sum(multiply_adds(layer) for layer in comparer.layers if hasattr(layer, "kernel")) / side**2
    return {
        title: 2 * looks * sum(scale**2 for scale in scales) + comparison * compared
        for title, (scales, compared) in POINTS.items()
    }


def _fuse(fuser: Fuser, images: PreparedFrames, scales: Sequence[float], compared: bool) -> np.ndarray:
    """Fuses two images by one look of the paper's network or none, and the comparing network where it is asked."""
    shape = images[0].shape[:2]
    looks = [np.zeros(shape, np.float32)] * 2
    for scale in scales:
        looks = list(fuser.predictor.logits(images, scale))
    logits = looks[0] - looks[1]
    if compared:
        reduced = tuple(max(1, round(side / FOCUS_DOWNSAMPLING)) for side in shape[::-1])
        views = (cv2.resize(look, reduced, interpolation=cv2.INTER_AREA) for look in looks)
        first, second = (Evidence.of(image, view) for image, view in zip(images, views, strict=True))
        logits = comparer_of(fuser)(first, second, shape)
    return fuse_by_logits(images, logits, BoundaryBlending())[1]
