"""Contact sheets of training pairs: scene, near, far and label at the five levels: `python -m data.preview --help`."""

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from data.io.image_io import write_image
from data.runtime.arguments import add_shared, command_parser, positive
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from data.synthesis.pairs import SyntheticPair
from data.synthesis.recipes import LEVELS, RECIPES, SynthesisSettings, synthesize
from data.synthesis.scene import Scene
from data.synthesis.voc import read_scenes

GAP = 4
"""Pixels between the images of a sheet."""

HEADER_ROWS = 18
"""Pixels: height of the column titles."""

COLUMNS = ("scene", "near", "far", "label")
"""Titles of the columns."""

EXAMPLES = """examples:
  python -m data.preview --voc VOCdevkit/VOC2012 -o preview
  python -m data.preview --voc VOCdevkit/VOC2012 -o preview --recipe photographic --crop --size 160 --scenes 6"""


def contact_sheet(pairs: Sequence[SyntheticPair]) -> np.ndarray:
    """Arranges pairs in rows of scene, near, far and label (white = near is out of focus), below column titles.

    Args:
        pairs: Pairs of the same size S, one for each of `LEVELS`, which each row names.

    Returns:
        The sheet, (n (S + 4) + 14, 4 (S + 4) - 4, 3) uint8 RGB.
    """
    size = pairs[0].label.shape[0]
    names = np.zeros((HEADER_ROWS, len(COLUMNS) * (size + GAP), 3), np.uint8)
    for number, name in enumerate(COLUMNS):
        place, white = (number * (size + GAP) + 2, HEADER_ROWS - 5), (255, 255, 255)
        cv2.putText(names, name, place, cv2.FONT_HERSHEY_SIMPLEX, 0.42, white, 1, cv2.LINE_AA)
    rows = [names]
    for level, pair in zip(LEVELS, pairs, strict=True):
        label = np.repeat(pair.label[..., None] * np.uint8(255), 3, axis=2)
        tiles = [pair.reference.copy(), pair.near, pair.far, label]
        for color, width in (((0, 0, 0), 3), ((255, 255, 255), 1)):  # seen on any picture
            cv2.putText(tiles[0], f"level {level}", (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.42, color, width, cv2.LINE_AA)
        rows.append(np.concatenate([np.pad(tile, ((0, GAP), (0, GAP), (0, 0))) for tile in tiles], axis=1))
    return np.ascontiguousarray(np.concatenate(rows)[:-GAP, :-GAP])


def scene_pairs(scene: Scene, settings: SynthesisSettings, seed: int) -> list[SyntheticPair]:
    """Makes the pairs of one scene at the five levels, each with the same seed."""
    image, mask = scene.read()
    return [synthesize(image, mask, level, settings, np.random.default_rng(seed)) for level in LEVELS]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(
        "Draws contact sheets of training pairs at the five levels of blur.", EXAMPLES, "python -m data.preview"
    )
    default = SynthesisSettings()
    add_shared(parser, "--voc")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the sheets, one PNG a scene"
    )
    parser.add_argument("--list", default="train", help="list to draw from: train, val or trainval (train)")
    parser.add_argument("--scenes", type=positive, default=3, metavar="N", help="number of scenes (%(default)s)")
    parser.add_argument("--recipe", default=default.recipe, choices=RECIPES, help="(%(default)s)")
    parser.add_argument("--size", type=int, default=default.size, help="(%(default)s)")
    parser.add_argument("--crop", action="store_true", help="crop at native resolution instead of resizing")
    parser.add_argument("--blur-window", type=int, default=default.blur_window, help="(%(default)s)")
    add_shared(parser, "--seed")
    parser.add_argument("--quiet", action="store_true", help="do not print the names of the files")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    try:
        settings = SynthesisSettings(arguments.recipe, arguments.size, arguments.crop, arguments.blur_window)
    except ValueError as error:
        parser.error(str(error))
    scenes = read_scenes(arguments.voc, arguments.list)
    order = np.random.default_rng(arguments.seed).permutation(len(scenes))[: arguments.scenes]
    for index in order:
        path = arguments.output / f"{scenes[index].id}-{settings.recipe}.png"
        write_image(path, contact_sheet(scene_pairs(scenes[index], settings, arguments.seed)))
        if not arguments.quiet:
            print(path)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
