"""Learns the dictionaries of MST-SR, ASR and CSR: `python -m model.baselines.sparse_coding.learn --help`.

The authors' dictionaries may not be redistributed; ours are learned from photographs of scikit-image, by scikit-learn
and, for the convolutional one, by alternating sparse coding and gradient steps.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from data.io.batch import refuse_existing
from data.io.files import atomic_path, write_json
from data.io.image_header import IMAGE_SUFFIXES
from data.io.image_io import read_image
from data.runtime.arguments import add_shared, command_parser
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command
from metrics.color import to_gray
from model.baselines.csr import code_details, split_base, to_spectrum
from model.baselines.sparse_coding.codes import SIDE, to_patches
from model.baselines.sparse_coding.dictionaries import NAMES
from model.baselines.sparse_coding.orientation import ORIENTATIONS, dominant_orientation

PHOTOGRAPHS = ("astronaut", "camera", "chelsea", "coffee", "brick", "grass", "gravel", "rocket", "stereo_motorcycle")
"""Names of the photographs in scikit-image's data."""

ATOMS = 256
"""Number of columns of a dictionary of patches."""

FILTERS = 32
"""Number of filters of the convolutional dictionary."""

MOST_PATCHES = 20_000
"""Largest number of patches that a dictionary is learned from, and of windows that are tried as initial filters."""

FILTER_STEPS = 300
"""Number of learning steps of the filters."""

FILTER_CROP = 96
"""Pixels: side of the window that is coded in each of these steps."""

MINIMUM_DEVIATION = 4.0
"""Gray levels: patches with a smaller standard deviation are not used."""

EXAMPLES = """examples:
  python -m model.baselines.sparse_coding.learn -o dictionaries.npz                 those of the project
  python -m model.baselines.sparse_coding.learn -o dictionaries.npz --images DIR    from your own
written: FILE, and FILE with the suffix .json, the record"""


def learn(images: Sequence[np.ndarray], seed: int = 0) -> dict[str, np.ndarray]:
    """Learns all dictionaries.

    Args:
        images: Sharp photographs, (H, W) float in gray levels 0..255.
        seed: Random seed.

    Returns:
        The dictionaries, as `dictionaries.load_dictionaries` returns them.
    """
    rng = np.random.default_rng(seed)
    patches = np.concatenate([to_patches(image, 2)[0] for image in images])
    patches = patches[patches.std(1) >= MINIMUM_DEVIATION]
    orientations = dominant_orientation(patches)
    return {
        "generic": _learn_patches(patches, rng),
        "orientations": np.stack([_learn_patches(patches[orientations == i], rng) for i in range(ORIENTATIONS)]),
        "filters": learn_filters(images, rng),
    }


def _learn_patches(patches: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Learns a dictionary, (64, 256) with columns of norm 1, from (n, 64) patches."""
    from sklearn.decomposition import MiniBatchDictionaryLearning

    if len(patches) < ATOMS:
        raise InputError(f"only {len(patches)} patches to learn {ATOMS} atoms from; give more or larger photographs.")
    drawn = patches[rng.permutation(len(patches))[:MOST_PATCHES]]
    learner = MiniBatchDictionaryLearning(
        ATOMS, alpha=30.0, batch_size=256, max_iter=8, random_state=int(rng.integers(2**31))
    )
    atoms = learner.fit(drawn).components_
    return (atoms / np.linalg.norm(atoms, axis=1, keepdims=True)).T.astype(np.float32)


def learn_filters(images: Sequence[np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """Learns filters that code details of photographs sparsely by convolution, starting from windows of details.

    Args:
        images: Sharp photographs, (H, W) float in gray levels 0..255; small ones are not used.
        rng: Random generator.

    Returns:
        The filters, (32, 8, 8) float32, each of norm 1.

    Raises:
        InputError: All photographs are too small, or they have too little detail.
    """
    images = [image.astype(np.float32) / 255 for image in images if min(image.shape) >= FILTER_CROP]
    if not images:
        raise InputError(f"no photograph has {FILTER_CROP} rows and columns to learn filters from; give larger ones.")
    details = [image - split_base(image) for image in images]
    initial: list[np.ndarray] = []
    for _ in range(MOST_PATCHES):
        window = _draw_window(details, SIDE, rng)
        if window.std() >= MINIMUM_DEVIATION / 255:
            initial.append(window)
        if len(initial) == FILTERS:
            break
    else:
        raise InputError(
            f"only {len(initial)} of {MOST_PATCHES} windows have detail to learn filters from; give sharp ones."
        )
    filters = _normalized(np.stack(initial))
    for step in range(FILTER_STEPS):
        detail = _draw_window(details, FILTER_CROP, rng)
        codes = np.fft.rfft2(code_details(detail, filters, sparsity=0.05, iterations=40))
        error = (codes * to_spectrum(filters, detail.shape)).sum(0) - np.fft.rfft2(detail)
        slope = np.fft.irfft2(np.conj(codes) * error, s=detail.shape)[:, :SIDE, :SIDE]
        # The codes' largest energy at a frequency bounds the curvature.
        curvature = max(float((np.abs(codes) ** 2).sum(0).max()), 1e-6)
        filters = _normalized(filters - slope * (20 / curvature / (1 + step / 100)))
    return filters


def _draw_window(images: Sequence[np.ndarray], side: int, rng: np.random.Generator) -> np.ndarray:
    """Draws an image and a square window of it."""
    image = images[int(rng.integers(len(images)))]
    top, left = (int(rng.integers(length - side + 1)) for length in image.shape)
    return image[top : top + side, left : left + side]


def _normalized(filters: np.ndarray) -> np.ndarray:
    return (filters / np.maximum(np.linalg.norm(filters, axis=(1, 2), keepdims=True), 1e-6)).astype(np.float32)


def shipped_photographs() -> list[np.ndarray]:
    """Loads scikit-image's photographs, gray in 0..255.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        from skimage import data
    except ImportError as error:
        raise InputError("scikit-image is not installed: `pip install scikit-image`, or give --images.") from error
    images = [getattr(data, name)() for name in PHOTOGRAPHS]
    return [to_gray(np.asarray(image[0] if isinstance(image, tuple) else image)) for image in images]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(
        "Learns the dictionaries of MST-SR, ASR and CSR; needs scikit-learn.",
        EXAMPLES,
        "python -m model.baselines.sparse_coding.learn",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the .npz to write")
    parser.add_argument("--images", type=Path, metavar="DIR", help="sharp photographs (default: scikit-image's)")
    add_shared(parser, "--seed", "--overwrite")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    if arguments.output.suffix != ".npz":
        parser.error("the output must end in .npz.")
    if not arguments.overwrite:
        refuse_existing([arguments.output, arguments.output.with_suffix(".json")])
    if arguments.images:
        if not arguments.images.is_dir():
            raise InputError(f"{arguments.images} is not a folder.")
        paths = sorted(path for path in arguments.images.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
        images, names = [to_gray(read_image(path)) for path in paths], [path.name for path in paths]
    else:
        images, names = shipped_photographs(), list(PHOTOGRAPHS)
    if not images:
        raise InputError(f"there is no image in {arguments.images}.")
    try:
        import sklearn
    except ImportError as error:
        raise InputError("scikit-learn is not installed: `pip install scikit-learn`.") from error
    dictionaries = learn(images, arguments.seed)
    with atomic_path(arguments.output) as temporary:
        generic, orientations, filters = (dictionaries[name] for name in NAMES)
        np.savez_compressed(temporary, generic=generic, orientations=orientations, filters=filters)
    record = {
        "images": names,
        "source": "the user's" if arguments.images else "scikit-image",
        "seed": arguments.seed,
        "shapes": {name: list(values.shape) for name, values in dictionaries.items()},
        "versions": {"numpy": np.__version__, "scikit-learn": sklearn.__version__},
    }
    write_json(arguments.output.with_suffix(".json"), record)
    print(json.dumps(record["shapes"]))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
