"""Compares our versions of the methods with published images and figures of them."""

import argparse
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, JpegImagePlugin

from data.io.files import write_text
from data.io.image_folder import ImageFolder
from data.io.image_io import read_image
from data.io.listing import find_pairs
from data.runtime.arguments import add_named, by_name
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, say
from data.runtime.parts import isolate_errors
from metrics.markup import Table
from metrics.scores import Scores, summarize
from metrics.tables import FAILED
from model.baselines import BASELINES, SELF_CONTAINED
from model.experiments.competitors import choose
from model.experiments.results import Comparison

ANCHORS = {
    "dwt": {"q_sf": 19.31, "q_abf": 0.729, "q_mi": 6.81},
    "nmei": {"q_sf": 18.92, "q_abf": 0.753, "q_mi": 8.74},
}
"""Means over the 20 Lytro pairs that others measured with re-implementations of their own, for the methods without
published images."""

IMAGE_COLUMNS = ("Method", "Published as", "Pairs", "Identical", "Mean difference", "Largest", "Correlation")
"""Columns of the table of images."""

NOTE = """Made by `python -m model.experiments agreement -i lytro --published DIR --comparison DIR`.

- **MSVD** depends on the signs that LAPACK gives singular vectors.
- **MGIVF** differs on lytro-11, lytro-13 and lytro-18 alone, and there only in pixels that are white in both sources
  (250 or more in a channel; a test looks). White areas have no detail, so that the weights, |D_k| over the sum of both,
  are 0/0. Ours are one half, so these areas stay white; the published images have black and colored spots in them.
- **DWT and NMEI** have no published images. What others measured are re-implementations by them, not the authors' code:
  agreement with them says that two readings of one description are alike.
- **IFCNN and SESF** need their authors' files, which `python -m data.download ifcnn` and `sesf` fetch; `--weights
  ifcnn=FILE sesf=FILE` then adds their rows. Where PyTorch is installed, a test compares the networks with it.
"""
"""Text below the tables."""

EXAMPLES = """examples:
  python -m model.experiments agreement -i lytro --published lytro_fused --comparison comparison -o docs/agreement.md
  python -m model.experiments agreement -i lytro --published lytro_fused --comparison comparison \\
      --methods ifcnn sesf --weights ifcnn=IFCNN-MAX.pth sesf=lp+lssim_se_sf_net_times30.pkl
published: a folder METHOD (as `python -m model.baselines --list` names it) for each, with an image PAIR of any type.
comparison: the folder of a `comparison`; what it has is taken, and what is missing computed into it."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="DIR", help="folder of pairs")
    parser.add_argument("--published", type=Path, required=True, metavar="DIR", help="folder of folders of images")
    parser.add_argument("--comparison", type=Path, required=True, metavar="DIR", help="folder of our results")
    parser.add_argument(
        "--methods", nargs="+", choices=BASELINES, metavar="NAME", help="methods to compare (default: all that can)"
    )
    add_named(parser, "--weights", "NAME=FILE", "authors' files (ifcnn, sesf)")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="a .md file (default: the screen)")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if a folder cannot be used, or the output is no Markdown file.
    """
    if arguments.output is not None and arguments.output.suffix.lower() != ".md":
        remedy = "the name must end in .md, so that it replaces nothing else"
        raise InputError(f"cannot write {arguments.output}: {remedy}.")
    weights = by_name("--weights", arguments.weights, Path)
    if own := [name for name in weights if name not in BASELINES]:
        raise InputError(f"--weights is for methods of others; {own[0]!r} is none of {', '.join(BASELINES)}.")
    methods = arguments.methods or list(dict.fromkeys([*SELF_CONTAINED, *weights]))
    competitors = choose(methods, {}, weights)
    listing = find_pairs(arguments.input)
    for problem in listing.problems:
        say(f"warning: {problem}")
    comparison = Comparison(competitors, listing.stacks, arguments.comparison)
    comparison.run()
    scores = comparison.scores()
    rows, failures = [], [f"{name}, {pair}: {reason}" for name, pair, reason in scores.failures(scores.pairs)]
    for name in methods:
        folder = arguments.published / BASELINES[name].title
        if folder.is_dir():
            cells, failed = _cells(comparison, name, ImageFolder(folder))
            rows.append((BASELINES[name].title, *cells))
            failures += failed
    notes = [
        "A published JPEG is compared with ours after the same compression.",
        "Differences are means over the pairs; the largest is that of any pixel of any pair.",
        *(f"Failed: {failure}" for failure in failures),
    ]
    text = Table(IMAGE_COLUMNS, rows, "Our images against published ones, gray levels of 0..255", notes).markdown()
    text += _anchors(scores, methods) + f"\n{NOTE}"
    if arguments.output is None:
        print(text)
    else:
        write_text(arguments.output, text)
    return EXIT_FAILED if failures or listing.problems else EXIT_DONE


def compressed_as(image: np.ndarray, published: Path) -> tuple[np.ndarray, np.ndarray, str]:
    """Compresses an image as a published one is compressed.

    Args:
        image: (H, W, 3) uint8 RGB.
        published: An image file.

    Returns:
        The image after the same compression, the published one, and its type.

    Raises:
        InputError: if they differ in shape.
    """
    expected = read_image(published)
    if expected.shape != image.shape:
        raise InputError(f"{published} has the shape {expected.shape}, ours {image.shape}.")
    with Image.open(published) as file:
        if file.format != "JPEG":
            return image, expected, file.format or "unknown"
        options = {"qtables": getattr(file, "quantization", None), "subsampling": JpegImagePlugin.get_sampling(file)}
    encoded = io.BytesIO()
    Image.fromarray(image).save(encoded, "JPEG", **options)
    return np.asarray(Image.open(encoded).convert("RGB")), expected, "JPEG"


def _anchors(scores: Scores, methods: Sequence[str]) -> str:
    """Formats the table of means against figures that others measured; empty if none of the methods has one."""
    rows, summaries = [], summarize(scores)
    for name in methods:
        for metric, value in ANCHORS.get(name, {}).items():
            summary, ours, difference = summaries[name][metric], FAILED, "-"
            if summary.count == summary.total:
                ours, difference = f"{summary.mean:.4f}", f"{summary.mean - value:+.4f}"
            rows.append((BASELINES[name].title, metric, ours, f"{value:g}", difference))
    if not rows:
        return ""
    caption = f"Means over {len(scores.pairs)} pairs against figures that others measured with re-implementations"
    return "\n" + Table(("Method", "Metric", "Ours", "Measured by others", "Difference"), rows, caption).markdown()


def _cells(comparison: Any, name: str, images: ImageFolder) -> tuple[Any, list[str]]:
    """Compares a method's images; returns the cells of a row, and a sentence on every pair that failed."""
    compared, kinds, failures = [], set(), []
    for stack in comparison.stacks:
        if not comparison.has(name, stack.name):
            continue
        with isolate_errors(f"{name}, {stack.name}") as part:
            ours = read_image(comparison.fused_path(name, stack.name))
            image, expected, kind = compressed_as(ours, images.find(stack.name))
        if part.failure:
            failures.append(f"{name}, {stack.name}: {part.failure}")
            continue
        difference = np.abs(image.astype(int) - expected)
        kinds.add(kind)
        compared.append((difference.mean(), difference.max(), np.corrcoef(image.ravel(), expected.ravel())[0, 1]))
    if not compared:
        return ["-"] * (len(IMAGE_COLUMNS) - 1), failures
    means, largest, correlations = zip(*compared, strict=True)
    spread = f"{np.mean(means):.3f}", max(largest), f"{np.mean(correlations):.4f}"
    return (" and ".join(sorted(kinds)), len(compared), largest.count(0), *spread), failures
