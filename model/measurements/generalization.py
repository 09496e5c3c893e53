"""Measures how fusion does on defocus that training never showed.

DIR is made by `python -m data.unseen`. All strategies are measured against the truth, beside the better of the two
sources, the methods of others, and what the true labels would give.
"""

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_shared
from data.runtime.errors import EXIT_DONE
from data.synthesis.pairs import SyntheticPair
from data.unseen import read_unseen
from metrics.markup import Table
from metrics.reference import psnr, ssim
from model.baselines import BASELINES, SELF_CONTAINED
from model.bundled import BUNDLED_WEIGHTS
from model.networks.quietly import import_quietly

TEXTURED = 0.5
"""Pixels of at least this weight by `detail_weights` are textured: around them the sources differ by 4 gray levels."""

MEASURED = {
    "psnr": ("PSNR (dB)", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "iou": ("IoU, textured", ".4f"),
    "accuracy": ("accuracy, textured", ".4f"),
}
"""What is measured, its name in the table, and how it is printed."""


def measure(
    pairs: Iterable[SyntheticPair], weights: Path | None = None, methods: Sequence[str] = SELF_CONTAINED
) -> dict[str, dict[str, float]]:
    """Measures all strategies.

    Args:
        pairs: With their truth.
        weights: A weights file; None takes the bundled one, and `learned` goes with that alone.
        methods: Names of the methods of others to measure as well.

    Returns:
        For the better source, each baseline, "paper", "refined", "learned" and the true labels: the mean "psnr" (dB)
        and "ssim" against the sharp image; for "refined" and "learned" also "iou" and "accuracy" of the pixels taken
        from the second source, in textured regions of all pairs together.
    """
    from model import load_fuser
    from model.fusion.paper import select

    detail_weights = import_quietly("model.training.losses").detail_weights

    mapped = ("refined",) if weights else ("refined", "learned")
    fusers = {name: load_fuser(weights or BUNDLED_WEIGHTS, strategy=name) for name in ("paper", *mapped)}
    quality: dict[str, list[tuple[float, float]]] = {}
    counts = {name: np.zeros(4, int) for name in mapped}
    for pair in pairs:
        near, far, truth = pair.near, pair.far, pair.label > 0
        images = PreparedFrames([near, far], align="none")  # brightness is matched as `fuse.py` does
        decisions = {name: fusers[name].decide(images) for name in mapped}
        textured = detail_weights(np.stack([near, far]).astype(np.float32))[0, ..., 0].numpy() >= TEXTURED
        for name, decision in decisions.items():
            take_far = decision.decision_map > 0
            parts = take_far & truth, take_far | truth, take_far == truth, np.ones_like(truth)
            counts[name] += [np.count_nonzero(part & textured) for part in parts]
        results = {
            "better source": max((near, far), key=lambda image: psnr(pair.reference, image)),
            **{BASELINES[name].title: BASELINES[name].method()(near, far) for name in methods},
            "paper": fusers["paper"](near, far),
            **{name: decision.fused for name, decision in decisions.items()},
            "true labels": select(near, far, truth),
        }
        for name, image in results.items():
            quality.setdefault(name, []).append((psnr(pair.reference, image), ssim(pair.reference, image)))
    means = {name: np.mean(values, axis=0).tolist() for name, values in quality.items()}
    table = {name: {"psnr": mean[0], "ssim": mean[1]} for name, mean in means.items()}
    for name, (both, either, right, total) in counts.items():
        table[name] |= {"iou": both / either, "accuracy": right / total}
    return table


EXAMPLES = """examples:
  python -m data.unseen --voc VOCdevkit/VOC2012 -o unseen
  python -m model.measurements unseen unseen"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="made by python -m data.unseen")
    parser.add_argument(
        "--methods",
        nargs="*",
        default=SELF_CONTAINED,
        choices=SELF_CONTAINED,
        metavar="NAME",
        help="of others (all; asr and csr take most of the time)",
    )
    add_shared(parser, "--weights", "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the set or the weights cannot be used.
    """
    pairs = tqdm(read_unseen(arguments.folder), unit="pair", disable=arguments.quiet or arguments.json)
    table = measure(pairs, arguments.weights, arguments.methods)
    if arguments.json:
        print(json.dumps(table, indent=2))
        return EXIT_DONE
    rows = [
        (name, *(format(row[key], spec) if key in row else "" for key, (_, spec) in MEASURED.items()))
        for name, row in table.items()
    ]
    print(Table(("result", *(title for title, _ in MEASURED.values())), rows).markdown(), end="")
    return EXIT_DONE
