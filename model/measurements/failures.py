"""Draws where fusion fails, on rendered scenes."""

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from data.demo import DemoScene, rendered_scene
from data.imaging.composition import compose
from data.imaging.pixels import quantize
from data.io.batch import protect_files, refuse_existing
from data.io.figures import new_figure, save_figure, show
from data.io.image_io import read_image
from data.runtime.arguments import add_shared
from data.runtime.errors import EXIT_DONE, InputError
from data.synthesis.pairs import SyntheticPair
from metrics.markup import Table
from metrics.reference import psnr
from model.experiments.figures import find_differences
from model.experiments.stack_methods import RenderedStack, best_choice, find_rendered, fuse_stack
from model.experiments.stack_quality import measure

ERROR_GAIN = 4
"""Differences from the truth are shown so many times larger."""


def hard_cases(seed: int = 0) -> dict[str, SyntheticPair]:
    """Photographs the rendered scene as it is, and with each difficulty by itself.

    Args:
        seed: Seed of the noise.

    Returns:
        Each difficulty to its photographs, (H, W, 3) each, with their truth.
    """
    scene = rendered_scene()
    # Mean shift leaves the outlines and takes away what is on the surfaces.
    flat = replace(scene, image=cv2.pyrMeanShiftFiltering(scene.image, 12, 40))
    grainy = np.random.default_rng(seed + 1).normal(0, 20, (2, *scene.image.shape))
    return {
        "none: as in the demo": _photograph(scene, seed),
        "surfaces without texture": _photograph(flat, seed),
        "defocus up to 23 pixels": _photograph(replace(scene, aperture=40), seed),
        "noise of 20 gray levels": _photograph(scene, seed, lambda near, far: (near + grainy[0], far + grainy[1])),
        "B shifted by 3 pixels": _photograph(scene, seed, lambda near, far: (near, np.roll(far, 3, axis=1))),
    }


Spoil = Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]
"""A function that changes two photographs before they are rounded."""


def _photograph(scene: DemoScene, seed: int, spoil: Spoil = lambda near, far: (near, far)) -> SyntheticPair:
    near, far = map(quantize, spoil(*scene.photographs(seed=seed)))
    near_distance, far_distance = (np.abs(scene.inverse_depth - focus) for focus in scene.focuses)
    return SyntheticPair(near, far, (near_distance > far_distance).astype(np.uint8), scene.image)


def draw_failures(path: Path, cases: Mapping[str, SyntheticPair]) -> list[tuple[str, str, str]]:
    """Fuses the cases with the bundled weights and draws sources, labels, result and error, a row each.

    Args:
        path: The picture to write.
        cases: Difficulty to photographs, as `hard_cases` returns them.

    Returns:
        For each case its name and the PSNR against the truth of the fused image and of what the true labels give.
    """
    from model import load_fuser  # loads TensorFlow, quietly
    from model.fusion.pictures import source_colors  # loads matplotlib

    fuser = load_fuser()
    height, width = next(iter(cases.values())).near.shape[:2]
    figure, grid = new_figure(len(cases), 5, (15, 3 * height / width * len(cases) + 1))
    rows = []
    for axes, (title, case) in zip(grid, cases.items(), strict=True):
        decision = fuser.decide(case.near, case.far)
        labeled = compose((case.near, case.far), case.label)
        fused_psnr, labels_psnr = (f"{psnr(case.reference, image):.2f}" for image in (decision.fused, labeled))
        error = np.abs(decision.fused.astype(int) - case.reference) * ERROR_GAIN
        tiles = {
            title: case.near,
            "B": case.far,
            "taken from A (blue), B": source_colors(decision.decision_map),
            f"fused: {fused_psnr} dB (true labels {labels_psnr})": decision.fused,
            f"{ERROR_GAIN} x error": quantize(error),
        }
        for cell, (text, image) in zip(axes, tiles.items(), strict=True):
            show(cell, image, text)
        rows.append((title, fused_psnr, labels_psnr))
    save_figure(figure, [path], dpi=65)
    return rows


def draw_stack_failures(path: Path, stacks: Sequence[RenderedStack]) -> list[tuple[str, str, str]]:
    """Fuses stacks and draws the squares in which results are farthest from the best choice of pixels, a row each.

    Args:
        path: The picture to write.
        stacks: Stacks with their truth, whose frames differ in nothing but focus.

    Returns:
        For each stack its name and the PSNR against the truth of the fused image and of the best choice.
    """
    crops, rows = [], []
    for stack in stacks:
        frames, truth = stack.read(), read_image(stack.truth)
        fused, choice = fuse_stack(frames), best_choice(frames, truth)
        ours, best = (f"{measure(truth, image)['psnr']:.2f}" for image in (fused, choice))
        rows.append((stack.name, ours, best))
        error = quantize(np.abs(fused.astype(int) - truth) * ERROR_GAIN)
        tiles = {
            f"{stack.name}: truth": truth,
            "best choice of pixels": choice,
            "fused": fused,
            f"{ERROR_GAIN} x error": error,
        }
        for top, left, side in find_differences([fused, choice]):
            crops.append({text: image[top : top + side, left : left + side] for text, image in tiles.items()})
    figure, grid = new_figure(len(crops), 4, (10, 2.6 * len(crops)))
    for axes, tiles in zip(grid, crops, strict=True):
        for cell, (text, image) in zip(axes, tiles.items(), strict=True):
            show(cell, image, text)
    save_figure(figure, [path], dpi=80)
    return rows


EXAMPLES = """examples:
  python -m model.measurements failures -o failures.png              pairs of the scene of the demo
  python -m data.stacks -o rendered --kinds pins strong-blur
  python -m model.measurements failures rendered -o failures.jpg     where stacks could be fused better"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    text = "stacks with their truth, in place of pairs; those whose frames differ in focus alone"
    parser.add_argument("folder", type=Path, nargs="?", metavar="DIR", help=text)
    text = "the picture, .png, .jpg or .pdf"
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=text)
    add_shared(parser, "--seed", "--overwrite")
    parser.add_argument("--quiet", action="store_true", help="no table")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the picture exists or cannot be written, or there are no such stacks.
    """
    if not arguments.overwrite:
        refuse_existing([arguments.output])
    if arguments.folder is None:
        rows, best = draw_failures(arguments.output, hard_cases(arguments.seed)), "true labels (dB)"
    else:
        stacks = [stack for stack in find_rendered(arguments.folder) if not stack.differs]
        if not stacks:
            raise InputError(
                f"the frames of every stack below {arguments.folder} move or flicker; give one that is still."
            )
        protect_files([arguments.output], [path for stack in stacks for path in (stack.truth, *stack.frames)])
        rows, best = draw_stack_failures(arguments.output, stacks), "best choice (dB)"
    if not arguments.quiet:
        print(Table(("difficulty", "fused (dB)", best), rows).markdown(), end="")
    return EXIT_DONE
