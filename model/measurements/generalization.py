"""Measures how fusion does on defocus that training never showed.

DIR is made by `python -m data.unseen`. All strategies are measured against the truth, beside the better of the two
sources, the methods of others, and what the true labels would give.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from data.imaging.composition import compose
from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_shared
from data.synthesis.pairs import SyntheticPair
from data.unseen import read_unseen
from metrics.reference import psnr, ssim
from model.baselines import BASELINES, SELF_CONTAINED
from model.bundled import BUNDLED_WEIGHTS
from model.measurements.loop import detail, mean_scores
from model.measurements.output import print_figures, with_progress

TEXTURE_THRESHOLD = 0.5
"""Pixels of at least this weight by `detail_weights` are textured: around them the sources differ by 4 gray levels."""

QUALITY_MEASURES = {
    "psnr": ("PSNR (dB)", ".2f"),
    "ssim": ("SSIM", ".4f"),
    "iou": ("IoU, textured", ".4f"),
    "accuracy": ("accuracy, textured", ".4f"),
}
"""What is measured, its name in the table, and how it is printed. PSNR and SSIM are means over the pairs; IoU and
accuracy are of the pixels taken from the second source, in textured regions of all pairs together."""

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
        help="methods of others to measure as well (default: all; asr and csr take most of the time)",
    )
    add_shared(parser, "--weights", "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the set or the weights cannot be used.
    """
    from model import load_fuser

    mapped = ("refined",) if arguments.weights else ("refined", "learned")  # the comparing network fits only ours
    fusers = {name: load_fuser(arguments.weights or BUNDLED_WEIGHTS, strategy=name) for name in ("paper", *mapped)}

    def measure(pair: SyntheticPair) -> Iterator[tuple[str, dict[str, float]]]:
        near, far = images = pair.near, pair.far
        prepared = PreparedFrames(images, align="none")  # brightness is matched as `fuse.py` does
        decisions = {name: fusers[name].decide(prepared) for name in mapped}
        results = {
            "better source": max(images, key=lambda image: psnr(pair.reference, image)),
            **{BASELINES[name].title: BASELINES[name].method()(near, far) for name in arguments.methods},
            "paper": fusers["paper"](near, far),
            **{name: decision.fused for name, decision in decisions.items()},
            "true labels": compose(images, pair.label),
        }
        textured = detail(pair) >= TEXTURE_THRESHOLD
        for name, fused in results.items():
            scores = {"psnr": psnr(pair.reference, fused), "ssim": ssim(pair.reference, fused)}
            if name in decisions:
                take_far, truth = decisions[name].decision_map[textured] > 0, pair.label[textured] > 0
                parts = {"both": take_far & truth, "either": take_far | truth, "right": take_far == truth}
                scores |= {part: int(np.count_nonzero(where)) for part, where in parts.items()}
                scores["textured"] = truth.size
            yield name, scores

    table = mean_scores(with_progress(read_unseen(arguments.folder), arguments, "pair"), measure)
    for name in mapped:
        both, either, right, textured = (table[name].pop(part) for part in ("both", "either", "right", "textured"))
        table[name] |= {"iou": both / either, "accuracy": right / textured}
    rows = [
        (name, *(format(row[key], spec) if key in row else "" for key, (_, spec) in QUALITY_MEASURES.items()))
        for name, row in table.items()
    ]
    return print_figures(arguments, ("result", *(title for title, _ in QUALITY_MEASURES.values())), rows, table)
