"""Pairs with a kind of defocus that training does not contain: `python -m data.unseen --help`.

The scenes are VOC's validation part; the aperture is the ring of a mirror lens. There are several kinds: `stitched`,
the paper's, in which each part is sharp in one photograph and blurred in the other; `receding`, with ground that
recedes behind or under the foreground, so that most of the image is slightly blurred in both; and a foreground in front
of its background in `small` photographs, with `strong-blur`, and of `unequal` brightness by a tone curve and dark
corners.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from data.imaging.pixels import quantize
from data.io.image_io import read_image, write_image
from data.io.listing import find_pairs
from data.runtime.arguments import add_shared, command_parser, positive
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command
from data.synthesis.blur import ring_kernel
from data.synthesis.camera import Views, stitch, through_jpeg, two_planes, visible_label
from data.synthesis.depth_of_field import GAMMA, defocus_by_depth
from data.synthesis.pairs import SyntheticPair
from data.synthesis.scene import Scene
from data.synthesis.voc import split_scenes

REDUCTION = 0.64
"""Scale factor by which a photograph is reduced first."""

SMALL_SIDES = (130, 270)
"""Pixels: range of the longer side of small photographs."""

RADIUS_RANGE = (2.0, 6.0)
"""Pixels: radius of defocus of the part that is sharp in the other photograph."""

SMALL_RADIUS_RANGE = (0.7, 3.0)
"""The same in small photographs."""

STRONG_RADIUS_RANGE = (7.0, 20.0)
"""The same with strong blur."""

TONE_EXPONENT, VIGNETTING = 1.12, 0.25
"""Tone curve of the first of two unequal photographs, and the relative loss of light in its corners."""

NOISE_SIGMA = 2.0
"""Gray levels: standard deviation of noise."""

JPEG_QUALITY = 92
"""JPEG quality of the photographs before they are stored as PNG."""

EXAMPLES = """examples:
  python -m data.unseen --voc VOCdevkit/VOC2012 -o unseen
  python -m data.unseen --voc VOCdevkit/VOC2012 -o receding --kind receding
  python -m data.unseen --voc VOCdevkit/VOC2012 -o clean --clean
  python -m model.measurements unseen unseen                              scores of the bundled weights
written: DIR/pairs/ID-A.png and -B.png, DIR/truth/ID.png (sharp), DIR/labels/ID.png (255 where A is out of focus)"""


def unseen_pair(scene: Scene, kind: str, rng: np.random.Generator, *, clean: bool = False) -> SyntheticPair:
    """Photographs a scene twice through a mirror lens.

    Args:
        scene: A photograph and its mask.
        kind: A name in `KINDS`.
        rng: Random generator.
        clean: Whether to omit noise and compression, as in the paper's recipe.

    Raises:
        InputError: A file of the scene cannot be read.
    """
    image, mask = scene.read()
    chosen = KINDS[kind]
    reduction = rng.uniform(*chosen.sides) / max(mask.shape) if chosen.sides else REDUCTION
    width, height = (round(side * reduction) for side in image.shape[1::-1])
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
    light = (image.astype(np.float32) / 255) ** np.float32(GAMMA)
    near, far, label = chosen.photograph(light, mask, rng)
    near, far, sharp = (view ** np.float32(1 / GAMMA) for view in (near, far, light))
    label = visible_label(label, near, far, sharp)
    if chosen.unequal:
        near = _change_brightness(near)
    near, far = (quantize(255 * view) if clean else _develop(view, rng) for view in (near, far))
    return SyntheticPair(near, far, label, image)


def _stitched(light: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Views:
    return stitch(light, mask, rng.uniform(*RADIUS_RANGE), ring_kernel)


def _receding(light: np.ndarray, mask: np.ndarray, rng: np.random.Generator) -> Views:
    ground = np.linspace(0, 0.9, mask.shape[0], dtype=np.float32)[:, None]
    inverse_depth = np.where(mask > 0, np.float32(rng.uniform(0.8, 1.0)), ground)
    focuses = 0.9, rng.uniform(0.0, 0.3)
    aperture = rng.uniform(*RADIUS_RANGE) / (focuses[0] - focuses[1])
    near, far = (defocus_by_depth(light, inverse_depth, focus, aperture, kernel=ring_kernel) for focus in focuses)
    return near, far, np.abs(inverse_depth - focuses[0]) > np.abs(inverse_depth - focuses[1])


def _planes(radius_range: tuple[float, float]) -> Callable[[np.ndarray, np.ndarray, np.random.Generator], Views]:
    return lambda light, mask, rng: two_planes(light, mask, rng.uniform(*radius_range), ring_kernel, rng)


def _change_brightness(view: np.ndarray) -> np.ndarray:
    """Applies a tone curve and vignetting to pixel values."""
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in view.shape[:2])
    light = 1 - np.float32(VIGNETTING / 2) * (y[:, None] ** 2 + x**2)
    return view ** np.float32(TONE_EXPONENT) * light[..., None] ** np.float32(1 / GAMMA)


@dataclass(frozen=True)
class Kind:
    """A kind of pairs.

    Attributes:
        photograph: (light, mask, rng) -> near, far and label (1 where near is out of focus), in linear light.
        sides: Range of the longer side in pixels; None reduces all photographs by `REDUCTION`.
        unequal: Whether the first photograph has another tone curve, and dark corners.
    """

    photograph: Callable[[np.ndarray, np.ndarray, np.random.Generator], Views]
    sides: tuple[int, int] | None = None
    unequal: bool = False


KINDS = {
    "stitched": Kind(_stitched),
    "receding": Kind(_receding),
    "small": Kind(_planes(SMALL_RADIUS_RANGE), sides=SMALL_SIDES),
    "strong-blur": Kind(_planes(STRONG_RADIUS_RANGE)),
    "unequal": Kind(_planes(RADIUS_RANGE), unequal=True),
}
"""Kinds of pairs by name."""


def _develop(view: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    values = 255 * view + rng.normal(0, NOISE_SIGMA, view.shape)
    return through_jpeg(quantize(values), JPEG_QUALITY)


def read_unseen(folder: Path) -> Iterator[SyntheticPair]:
    """Reads the pairs that the command wrote.

    Raises:
        InputError: There are none, or a file is missing.
    """
    for stack in find_pairs(folder / "pairs").stacks:
        near, far, truth = (read_image(path) for path in (*stack.images, folder / "truth" / f"{stack.name}.png"))
        label = read_image(folder / "labels" / f"{stack.name}.png")
        if not near.shape == truth.shape == (*label.shape, 3):
            raise InputError(f"the files of {stack.name} in {folder} differ in size; make the set again.")
        yield SyntheticPair(near, far, (label > 0).astype(np.uint8), truth)


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(
        "Makes pairs with a kind of defocus that training does not contain, with their truth.",
        EXAMPLES,
        "python -m data.unseen",
    )
    add_shared(parser, "--voc")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the set")
    parser.add_argument("--kind", default="stitched", choices=KINDS, help="(%(default)s)")
    parser.add_argument("--clean", action="store_true", help="omit noise and compression")
    parser.add_argument("--count", type=positive, default=100, metavar="N", help="number of scenes (%(default)s)")
    add_shared(parser, "--seed", "--quiet")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    _, scenes = split_scenes(arguments.voc, "voc")
    for number, scene in enumerate(tqdm(scenes[: arguments.count], unit="pair", disable=arguments.quiet)):
        rng = np.random.default_rng((arguments.seed, number))
        pair = unseen_pair(scene, arguments.kind, rng, clean=arguments.clean)
        write_image(arguments.output / "pairs" / f"{scene.id}-A.png", pair.near)
        write_image(arguments.output / "pairs" / f"{scene.id}-B.png", pair.far)
        write_image(arguments.output / "truth" / f"{scene.id}.png", pair.reference)
        write_image(arguments.output / "labels" / f"{scene.id}.png", pair.label * np.uint8(255))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
