"""Makes a pair to try the project on, with its truth: `python -m data.demo --help`.

The photograph is scikit-image's motorcycle with its measured depth (Scharstein et al., "High-resolution stereo
datasets with subpixel-accurate ground truth", GCPR 2014), or a scene that the project draws itself; the depth of field
is computed.
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

NOISE = 1.5
"""Standard deviation of the camera's noise, in gray levels; each photograph has its own."""

EXAMPLES = """examples:
  python -m data.demo -o demo                    scikit-image's motorcycle
  python -m data.demo -o demo --scene rendered   balls on a floor, drawn by the project
  python -m data.demo -o demo --images 12        a stack of twelve
written: DIR/pairs/SCENE-A.png (near), -B.png and so on (the last is far), DIR/truth/SCENE.png"""


@dataclass(frozen=True)
class DemoScene:
    """A sharp image, its inverse depth, and how it is photographed twice.

    Attributes:
        image: (H, W, 3) uint8 RGB.
        inverse_depth: (H, W) float32, 0 to 1.
        focuses: Inverse depth that is sharp in the first and in the last photograph.
        aperture: See `photograph_by_depth`.
    """

    image: np.ndarray
    inverse_depth: np.ndarray
    focuses: tuple[float, float]
    aperture: float

    def photographs(self, count: int = 2, seed: int = 0) -> list[np.ndarray]:
        """Takes `count` photographs, focused in even steps from the first to the last of `focuses`; each (H, W, 3)
        uint8 RGB with noise of its own."""
        rng = np.random.default_rng(seed)
        focuses = np.linspace(*self.focuses, count)
        views = (photograph_by_depth(self.image, self.inverse_depth, focus, self.aperture) for focus in focuses)
        return [quantize(view + rng.normal(0, NOISE, view.shape)) for view in views]


def rendered_scene() -> DemoScene:
    """Patterned balls on a tiled floor."""
    image, inverse_depth = render_scene()
    return DemoScene(image, inverse_depth / inverse_depth.max(), focuses=(0.78, 0.22), aperture=9)


def motorcycle_scene() -> DemoScene:
    """The motorcycle photograph that ships with scikit-image; depth that was not measured is filled from its
    surroundings.

    Raises:
        InputError: if scikit-image is not installed.
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
"""What `--scene` takes, and what makes it."""


def _fill_unknown(disparity):
    """Gives each unknown pixel (0) the disparity of the farther of its nearest known neighbors in the row: it is
    mostly occluded."""
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


def _repeat(image, times):
    """Copies beside and below each other, every second one mirrored, so that nothing breaks where they meet."""
    height, width = image.shape[:2]
    return np.pad(image, ((0, (times - 1) * height), (0, (times - 1) * width), (0, 0)), "symmetric")


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser("Makes a pair to try the project on, with its truth.", EXAMPLES, "python -m data.demo")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the pair")
    parser.add_argument("--scene", default="motorcycle", choices=SCENES, help="(%(default)s)")
    parser.add_argument(
        "--images", type=int, default=2, metavar="N", help="photographs, focused in even steps (%(default)s)"
    )
    parser.add_argument("--repeat", type=positive, default=1, metavar="N", help="N x N copies, mirrored (%(default)s)")
    add_shared(parser, "--seed")
    parser.add_argument("--quiet", action="store_true", help="do not name the files written")
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
