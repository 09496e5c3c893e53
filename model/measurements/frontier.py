"""Measures quality against computation: the paper's network at several sizes, with and without the comparing network.

DIRs are made by `python -m data.unseen`, each of one kind.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_shared
from data.runtime.errors import EXIT_DONE
from data.unseen import read_unseen
from metrics.markup import Table
from metrics.reference import psnr
from model.fusion.blending import BoundaryBlending
from model.fusion.evidence import FOCUS_DOWNSAMPLING, Evidence
from model.fusion.focus_measure import FocusMeasure
from model.fusion.fuser import Fuser
from model.fusion.ranking import Ranking
from model.networks.quietly import import_quietly
from model.networks.summary import SIZES, multiply_adds, summarize

VARIANT = "light"
"""That of the bundled weights."""

EXAMPLES = """example:
  python -m data.unseen --voc VOCdevkit/VOC2012 -o small --kind small
  python -m data.unseen --voc VOCdevkit/VOC2012 -o strong-blur --kind strong-blur
  python -m model.measurements frontier small strong-blur"""


@dataclass(frozen=True)
class Point:
    """One way to decide between two photographs.

    Attributes:
        title: Its name in the table.
        scales: Sizes at which the paper's network looks at each photograph, in proportion.
        compared: Whether the comparing network decides; else the lower logit does.
    """

    title: str
    scales: Sequence[float]
    compared: bool


POINTS = (
    Point("network at a quarter of the size", (0.25,), False),
    Point("network at half the size", (0.5,), False),
    Point("network at full size", (1.0,), False),
    Point("network at full and half size and contrast: `refined`", (1.0, 0.5), False),
    Point("comparison alone", (), True),
    Point("comparison, network at a quarter of the size: `learned`", (0.25,), True),
    Point("comparison, network at half the size", (0.5,), True),
    Point("comparison, network at full size", (1.0,), True),
)


def products() -> dict[str, float]:
    """Multiply-adds for each pixel of a pair, padding left out, of each point by its title."""
    side = SIZES[0]
    looks = sum(stage.multiply_adds[side] for stage in summarize(VARIANT)) / side**2
    comparer = import_quietly("model.networks.comparer").build_comparer((side, side))
    comparison = sum(multiply_adds(layer) for layer in comparer.layers if hasattr(layer, "kernel")) / side**2
    return {
        point.title: 2 * looks * sum(scale**2 for scale in point.scales) + comparison * point.compared
        for point in POINTS
    }


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
    table: dict[str, dict[str, Any]] = {title: {"products": count, "psnr": []} for title, count in products().items()}
    for folder in arguments.folders:
        pairs = tqdm(read_unseen(folder), desc=folder.name, unit="pair", disable=arguments.quiet or arguments.json)
        measured = [list(_measure(fuser, refined, pair)) for pair in pairs]
        for point, mean in zip(POINTS, np.mean(measured, axis=0), strict=True):
            table[point.title]["psnr"].append(float(mean))
    if arguments.json:
        print(json.dumps({"sets": [str(folder) for folder in arguments.folders], "points": table}, indent=2))
        return EXIT_DONE
    rows = [
        (title, f"{row['products']:,.0f}", *(f"{value:.2f}" for value in row["psnr"]), f"{np.mean(row['psnr']):.2f}")
        for title, row in table.items()
    ]
    header = "what decides", "products a pixel", *(folder.name for folder in arguments.folders), "mean"
    print(Table(header, rows).markdown(), end="")
    return EXIT_DONE


def _measure(fuser: "Fuser", refined: "Fuser", pair: Any) -> Iterator[float]:
    """PSNR of each point, in the order of the table."""
    images = PreparedFrames([pair.near, pair.far], align="none")
    for point in POINTS:
        fused = refined(images) if len(point.scales) > 1 else _fuse(fuser, images, point)
        yield psnr(pair.reference, fused)


def _fuse(fuser: "Fuser", images: Sequence[np.ndarray], point: Any) -> np.ndarray:
    shape = images[0].shape[:2]
    looks = [np.zeros(shape, np.float32)] * 2
    for scale in point.scales:
        looks = list(fuser.predictor.logits(images, scale))
    if point.compared:
        glance = tuple(max(1, round(side / FOCUS_DOWNSAMPLING)) for side in shape[::-1])
        reduced = (cv2.resize(look, glance, interpolation=cv2.INTER_AREA) for look in looks)
        first, second = (Evidence.of(image, look) for image, look in zip(images, reduced, strict=True))
        strategy: Any = fuser.strategy  # `learned`
        logits = strategy.compare(first, second, shape)
    else:
        logits = looks[0] - looks[1]
    blending = BoundaryBlending()
    ranking = Ranking(shape)
    ranking.add(1, blending.smooth(logits))
    ranking.remove_small_regions(FocusMeasure().smallest)
    return blending.mix(images, ranking)
