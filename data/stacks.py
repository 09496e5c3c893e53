"""Renders focus stacks with their ground truth: `python -m data.stacks --help`."""

import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from zlib import crc32

import numpy as np
from tqdm import tqdm

from data.io.batch import protect_files, refuse_existing
from data.io.files import write_json
from data.io.image_io import write_image
from data.runtime.arguments import add_shared, command_parser, natural, positive
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from data.synthesis.scene import Scene
from data.synthesis.stack_painter import Painter
from data.synthesis.stack_renderer import Capture, Layer, render_frames, render_truth
from data.synthesis.stack_scenes import KINDS
from data.synthesis.voc import split_scenes

EXAMPLES = """examples:
  python -m data.stacks -o stacks                                   one stack of each kind
  python -m data.stacks -o stacks --kinds pins flat-ground --seed 7
  python -m data.stacks -o stacks --voc VOCdevkit/VOC2012           some surfaces and outlines from photographs
  python -m data.stacks -o still --kinds breathing --still          the same scene without breathing
written: DIR/KIND/00.png or .jpg and so on, nearest focus first, DIR/KIND/truth.png (sharp, as the middle frame sees
it) and DIR/KIND/scene.json"""


def draw_scene(
    kind: str, capture: Capture, size: tuple[int, int], seed: int, photographs: Sequence[Scene] = ()
) -> tuple[list[Layer], int, np.random.Generator]:
    """Draws a scene.

    Args:
        kind: A name in `KINDS`.
        capture: Camera settings, which determine the margin around the image.
        size: Height and width of the image in pixels.
        seed: Random seed.
        photographs: VOC scenes for some of the surfaces and outlines.

    Returns:
        The layers from back to front, their margin, and the random generator for the frames.
    """
    rng = np.random.default_rng((seed, crc32(kind.encode())))
    margin = capture.margin(*size)
    painter = Painter(size[0] + 2 * margin, size[1] + 2 * margin, rng, photographs)
    return KINDS[kind].build(painter), margin, rng


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser("Renders focus stacks with their ground truth.", EXAMPLES, "python -m data.stacks")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the stacks")
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), metavar="KIND", help="(all)")
    parser.add_argument("--size", type=positive, nargs=2, default=(640, 480), metavar=("W", "H"), help="(640 480)")
    parser.add_argument("--frames", type=positive, metavar="N", help="number of frames (depends on the kind)")
    parser.add_argument("--repeat", type=positive, default=1, metavar="N", help="tile each image with N x N copies (1)")
    parser.add_argument("--still", action="store_true", help="the same scenes and noise without motion and flicker")
    parser.add_argument(
        "--voc", type=Path, metavar="DIR", help="VOCdevkit/VOC2012: use its validation part for surfaces and outlines"
    )
    parser.add_argument("--seed", type=natural, default=0, help="random seed (0)")
    add_shared(parser, "--overwrite", "--quiet")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    width, height = arguments.size
    if min(width, height) < 64:
        parser.error(f"--size must be at least 64 64, received {width} {height}.")
    if arguments.frames == 1:
        parser.error("--frames must be at least 2, received 1.")
    photographs = split_scenes(arguments.voc, "voc")[1] if arguments.voc else ()
    captures = {kind: KINDS[kind].capture for kind in arguments.kinds}
    if arguments.frames:
        captures = {kind: replace(capture, frames=arguments.frames) for kind, capture in captures.items()}
    written = [path for kind, capture in captures.items() for path in _files(arguments.output / kind, capture)]
    protect_files(written, [])
    refuse_existing([] if arguments.overwrite else written)
    total = sum(capture.frames for capture in captures.values())
    with tqdm(total=total, unit="frame", disable=arguments.quiet) as progress:
        for kind, capture in captures.items():
            progress.set_description(kind)
            layers, margin, rng = draw_scene(kind, capture, (height, width), arguments.seed, photographs)
            capture = capture.still() if arguments.still else capture  # the scene was drawn with the margin for motion
            *frames, truth, notes = _files(arguments.output / kind, capture)
            copies = (arguments.repeat, arguments.repeat, 1)
            for path, frame in zip(frames, render_frames(layers, capture, margin, rng), strict=True):
                write_image(path, np.tile(frame, copies), capture.jpeg or 95)
                progress.update()
            write_image(truth, np.tile(render_truth(layers, capture, margin), copies))
            description = {"kind": kind, "seed": arguments.seed, **asdict(capture)}
            write_json(notes, description)
    return EXIT_DONE


def _files(folder: Path, capture: Capture) -> list[Path]:
    """Lists the files of a stack: its frames, the truth and the camera settings."""
    suffix = "jpg" if capture.jpeg else "png"
    frames = [folder / f"{number:02d}.{suffix}" for number in range(capture.frames)]
    return [*frames, folder / "truth.png", folder / "scene.json"]


if __name__ == "__main__":
    sys.exit(run_command(main))
