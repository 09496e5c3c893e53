"""Measures how far the strategy `refined` in tiles agrees with itself in one piece, by the tiles' overlap."""

import argparse
from pathlib import Path

import numpy as np

from data.io.image_io import read_image
from data.runtime.arguments import add_shared, positive
from model.measurements.output import print_figures, with_progress

TRIED_TILE = 512
"""Side in pixels; smaller than in fusion, for more borders between tiles in one picture."""

OVERLAPS = (0, 64, 128, 192, 256)
"""Overlaps of neighboring tiles in pixels."""

VISIBLE_DIFFERENCE = 8
"""Gray levels from which a difference counts as visible."""

OVERLAP_COLUMNS = (
    "overlap",
    "decisions that differ",
    "pixels that differ",
    f"by more than {VISIBLE_DIFFERENCE} levels",
    "tiles",
)
"""Columns of the table that is printed."""

EXAMPLES = """example:
  python -m data.demo -o big --scene rendered --repeat 3
  python -m model.measurements tile-agreement big/pairs/rendered-A.png big/pairs/rendered-B.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("images", nargs=2, type=Path, metavar="IMAGE", help="a pair that fits into memory in one piece")
    parser.add_argument("--tile", type=positive, default=TRIED_TILE, help="side of a tile (%(default)s)")
    add_shared(parser, "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from model import load_fuser  # loads TensorFlow, quietly

    images = [read_image(path) for path in arguments.images]
    whole, tiled = (load_fuser(strategy="refined", tiled=tiled) for tiled in (False, True))
    expected = whole.decide(*images)
    rows = []
    for overlap in with_progress(OVERLAPS, arguments, "overlap"):
        tiled.predictor.set_tile(arguments.tile, overlap)
        result = tiled.decide(*images)
        apart = np.abs(result.fused.astype(int) - expected.fused).reshape(*result.decision_map.shape, -1).max(-1)
        fractions = [
            np.mean(result.decision_map != expected.decision_map),
            np.mean(apart > 0),
            np.mean(apart > VISIBLE_DIFFERENCE),
        ]
        rows.append((overlap, *(f"{100 * fraction:.3f} %" for fraction in fractions), tiled.predictor.tiles(images[0])))
    return print_figures(arguments, OVERLAP_COLUMNS, rows)
