"""Makes an example pair or stack with its ground truth: `python -m data.demo --help`.

The photograph is scikit-image's motorcycle with its measured depth (Scharstein et al., "High-resolution stereo
datasets with subpixel-accurate ground truth", GCPR 2014), or a rendered scene; the depth of field is simulated.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from data.imaging.pixels import quantize
from data.io.image_io import write_image
from data.runtime.arguments import add_shared, command_parser, positive
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command
from data.synthesis.depth_of_field import photograph_by_depth, render_scene

NOISE_SIGMA = 1.5
"""Gray levels: standard deviation of the noise of each photograph."""

EXAMPLES = """examples:
  python -m data.demo -o demo                    scikit-image's motorcycle
  python -m data.demo -o demo --scene rendered   balls on a floor, rendered
  python -m data.demo -o demo --images 12        a stack of twelve
written: DIR/pairs/SCENE-A.png (near), -B.png and so on (the last is far), DIR/truth/SCENE.png"""


@dataclass(frozen=True)
class DemoScene:
    """A sharp image, its inverse depth, and the lens that photographs it.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        inverse_depth: (H, W) float32, 0 to 1.
        focuses: Inverse depths in focus in the first and in the last photograph.
        aperture: See `defocus_by_depth`.
    """

    image: np.ndarray
    inverse_depth: np.ndarray
    focuses: tuple[float, float]
    aperture: float

    def photographs(self, count: int = 2, seed: int = 0) -> list[np.ndarray]:
        """Renders `count` photographs, focused in even steps from the first to the last of `focuses`; each (H, W, 3)
        uint8 RGB with its own noise."""
        rng = np.random.default_rng(seed)
        focuses = np.linspace(*self.focuses, count)
        views = (photograph_by_depth(self.image, self.inverse_depth, focus, self.aperture) for focus in focuses)
        return [quantize(view + rng.normal(0, NOISE_SIGMA, view.shape)) for view in views]


def rendered_scene() -> DemoScene:
    """Renders patterned balls on a tiled floor."""
    image, inverse_depth = render_scene()
    return DemoScene(image, inverse_depth / inverse_depth.max(), focuses=(0.78, 0.22), aperture=9)


def motorcycle_scene() -> DemoScene:
    """Loads the motorcycle photograph of scikit-image; depth that was not measured is filled from its surroundings.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        from skimage.data import stereo_motorcycle
    except ImportError as error:
        message = "scikit-image is not installed: `pip install scikit-image`, or use --scene rendered."
        raise InputError(message) from error
    image, _, disparity = stereo_motorcycle()
    inverse_depth = _fill_unknown(np.where(np.isfinite(disparity), disparity, 0).astype(np.float32))
    low, high = np.percentile(inverse_depth, (1, 99))
    inverse_depth = np.clip((inverse_depth - low) / (high - low), 0, 1).astype(np.float32)
    return DemoScene(np.ascontiguousarray(image), inverse_depth, focuses=(0.75, 0.1), aperture=8)


SCENES = {"motorcycle": motorcycle_scene, "rendered": rendered_scene}
"""Scenes by the name that `--scene` takes."""


def _fill_unknown(disparity: np.ndarray) -> np.ndarray:
    """Replaces each unknown disparity (0) by the farther of the nearest known ones to its left and right, since most
    unknown pixels are occluded."""
    filled = disparity.copy()
    columns = np.arange(disparity.shape[1])
    for row in filled:
        known = np.flatnonzero(row)
        if not known.size:
            continue
        position = np.searchsorted(known, columns)
        left, right = known[np.maximum(position - 1, 0)], known[np.minimum(position, known.size - 1)]
        row[row == 0] = np.minimum(row[left], row[right])[row == 0]
    return filled


def _repeat(image: np.ndarray, times: int) -> np.ndarray:
    """Tiles an image with `times` x `times` copies, every second one mirrored, so that the borders match."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, (times - 1) * height), (0, (times - 1) * width), (0, 0)), "symmetric")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser("Makes an example pair or stack with its ground truth.", EXAMPLES, "python -m data.demo")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the pair")
    parser.add_argument("--scene", default="motorcycle", choices=SCENES, help="(%(default)s)")
    parser.add_argument(
        "--images", type=int, default=2, metavar="N", help="number of photographs, focused in even steps (%(default)s)"
    )
    parser.add_argument(
        "--repeat",
        type=positive,
        default=1,
        metavar="N",
        help="tile each image with N x N mirrored copies (%(default)s)",
    )
    add_shared(parser, "--seed")
    parser.add_argument("--quiet", action="store_true", help="do not print the names of the files")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    if not 2 <= arguments.images <= len(ascii_uppercase):
        parser.error(f"--images must be from 2 to {len(ascii_uppercase)}, received {arguments.images}.")
    scene = SCENES[arguments.scene]()
    photographs = scene.photographs(arguments.images, arguments.seed)
    files = {
        arguments.output / "pairs" / f"{arguments.scene}-{letter}.png": image
        for letter, image in zip(ascii_uppercase, photographs, strict=False)
    }
    files[arguments.output / "truth" / f"{arguments.scene}.png"] = scene.image
    for path, image in files.items():
        write_image(path, _repeat(image, arguments.repeat))
        if not arguments.quiet:
            print(path)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
