"""Draws where fusion fails, on a scene that the project draws itself."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from data.arguments import natural
from data.demo import DemoScene, rendered_scene
from data.errors import EXIT_DONE
from data.io.batch import refuse_existing
from metrics.markup import Table
from metrics.reference import psnr
from model.experiments.figures import new_figure, save_figure, show
from model.fusion.paper import select

ERROR_GAIN = 4
"""Differences from the truth are shown so many times larger."""


@dataclass(frozen=True)
class Case:
    """Two photographs that are hard to fuse.

    Attributes:
        title: What makes them hard.
        near: (H, W, 3) uint8 RGB, focused in front.
        far: The same, focused behind.
        truth: Sharp everywhere.
        label: (H, W) bool, True where `near` is the more blurred one.
    """

    title: str
    near: np.ndarray
    far: np.ndarray
    truth: np.ndarray
    label: np.ndarray


def hard_cases(seed: int = 0) -> list[Case]:
    """Photographs of the rendered scene: as it is, and with each difficulty by itself.

    Args:
        seed: Of the noise.
    """
    scene = rendered_scene()
    # Mean shift leaves the outlines and takes away what is on the surfaces.
    flat = replace(scene, image=cv2.pyrMeanShiftFiltering(scene.image, 12, 40))
    grainy = np.random.default_rng(seed + 1).normal(0, 20, (2, *scene.image.shape))
    return [
        _case("none: as in the demo", scene, seed),
        _case("surfaces without texture", flat, seed),
        _case("defocus up to 23 pixels", replace(scene, aperture=40), seed),
        _case("noise of 20 gray levels", scene, seed, lambda near, far: (near + grainy[0], far + grainy[1])),
        _case("B shifted by 3 pixels", scene, seed, lambda near, far: (near, np.roll(far, 3, axis=1))),
    ]


def _case(title, scene: DemoScene, seed, spoil=lambda near, far: (near, far)):
    near, far = (np.clip(np.rint(view), 0, 255).astype(np.uint8) for view in spoil(*scene.photographs(seed=seed)))
    distances = [np.abs(scene.inverse_depth - focus) for focus in scene.focuses]
    return Case(title, near, far, scene.image, distances[0] > distances[1])


def draw_failures(path: Path, cases: Sequence[Case]) -> list[dict[str, float | str]]:
    """Fuses the cases with the bundled weights and draws sources, labels, result and error, a row each.

    Args:
        path: The picture to write.
        cases: What to fuse.

    Returns:
        For each case its "title" and the PSNR (dB) against the truth of the "fused" image and of what the true "labels"
        give.
    """
    from model import load_fuser  # loads TensorFlow, quietly
    from model.fusion.pictures import source_colors  # loads matplotlib

    fuser = load_fuser()
    height, width = cases[0].near.shape[:2]
    figure, grid = new_figure(len(cases), 5, (15, 3 * height / width * len(cases) + 1))
    rows = []
    for axes, case in zip(grid, cases, strict=True):
        decision = fuser.decide(case.near, case.far)
        row = {"title": case.title, "fused": psnr(case.truth, decision.fused)}
        row["labels"] = psnr(case.truth, select(case.near, case.far, case.label))
        error = np.abs(decision.fused.astype(int) - case.truth) * ERROR_GAIN
        tiles = {
            case.title: case.near,
            "B": case.far,
            "taken from A (blue), B": source_colors()[decision.decision_map],
            f"fused: {row['fused']:.2f} dB (true labels {row['labels']:.2f})": decision.fused,
            f"{ERROR_GAIN} x error": np.minimum(error, 255).astype(np.uint8),
        }
        for cell, (text, image) in zip(axes, tiles.items(), strict=True):
            show(cell, image, text)
        rows.append(row)
    save_figure(figure, [path], dpi=65)
    return rows


EXAMPLES = """example:
  python -m model.experiments failures -o failures.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the picture, .png or .pdf")
    parser.add_argument("--seed", type=natural, default=0, help="seed of the noise (%(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace the picture if it exists")
    parser.add_argument("--quiet", action="store_true", help="no table")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the picture exists or cannot be written.
    """
    if not arguments.overwrite:
        refuse_existing([arguments.output])
    rows = draw_failures(arguments.output, hard_cases(arguments.seed))
    if not arguments.quiet:
        cells = [(row["title"], f"{row['fused']:.2f}", f"{row['labels']:.2f}") for row in rows]
        print(Table(("difficulty", "fused (dB)", "true labels (dB)"), cells).markdown(), end="")
    return EXIT_DONE
