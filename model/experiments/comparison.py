"""Runs all methods on a folder of pairs or stacks and makes tables, figures and one report."""

import argparse
import platform
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from data.io.files import make_folder, write_json
from data.io.image_header import read_size
from data.io.listing import Stack, find_stacks
from data.io.records import Record
from data.runtime.arguments import add_named, add_shared, by_name
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, say
from data.runtime.metric_options import add_metric_options, chosen_metrics
from data.runtime.parts import isolate_errors
from data.synthesis.voc import split_scenes
from metrics.tables import summary_table
from model.baselines import BASELINES
from model.experiments import figures
from model.experiments.comparison_products import products_of
from model.experiments.competitors import (
    OWN,
    PAPER,
    Competitor,
    Run,
    beyond_pairs,
    choose,
    default_names,
    map_size,
    size_notes,
    to_run,
)
from model.experiments.results import Comparison

COMPARISON_RECORD = "record.json"
"""Name of the file that says what a comparison was made of; written last, when everything else is complete."""

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "opencv-python-headless", "PyWavelets")
"""Packages that results may depend on; their versions are recorded."""

EXAMPLES = """examples:
  python -m model.experiments comparison -i lytro -o comparison
  python -m model.experiments comparison -i lytro -o comparison --fused CNN=other/CNN StackMFF-V3=other/StackMFF-V3
  python -m model.experiments comparison -i photographs -o comparison --methods proposed dwt --pairs kitchen
  python -m model.experiments comparison -i lytro -o comparison --skip asr csr
  python -m model.experiments comparison -i lytro -o comparison --jobs 4        times are then of four at once
  python -m model.experiments comparison -i lytro -o comparison --metrics paper q_y,viff --against dwt
  python -m model.experiments comparison -i lytro -o comparison --weights ifcnn=IFCNN-MAX.pth
  python -m model.experiments comparison -i lytro -o comparison --weights proposed-paper=runs/mine/last.weights.h5
written: tables/, figures/, report.html, record.json, and fused/ and records/, from which a second run takes what it can
exit codes: 0 done, 1 something failed (its row says why), 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="DIR", help="folder of pairs or stacks")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    names = ", ".join([*OWN, *BASELINES])
    parser.add_argument(
        "--methods", nargs="+", metavar="NAME", help=f"methods to run (default: all that can); there are {names}"
    )
    parser.add_argument("--skip", nargs="+", default=[], metavar="NAME", help="methods not to run, such as asr and csr")
    add_named(parser, "--fused", "NAME=DIR", "images that others made")
    add_named(parser, "--weights", "NAME=FILE", f"authors' files (ifcnn, sesf), or your own ({', '.join(OWN)})")
    parser.add_argument(
        "--size",
        type=map_size,
        metavar="N",
        help="our methods find their maps at NxN (default: the images' own size)",
    )
    parser.add_argument(
        "--pairs", nargs="+", metavar="PAIR", help=f"pairs to show ({figures.FIRST_PAIR} and five more)"
    )
    parser.add_argument("--voc", type=Path, metavar="DIR", help="VOC, for a figure of training images and labels")
    add_metric_options(parser)
    add_shared(parser, "--jobs", "--cluster")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no table")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if nothing can be compared.
    """
    others, weights = by_name("--fused", arguments.fused, Path), by_name("--weights", arguments.weights, Path)
    variants = chosen_metrics(arguments)
    needing = [metric.name for metric in variants if metric.needs_reference]
    if needing:
        raise InputError(
            f"{needing[0]} needs ground truth, which a comparison has not; evaluate.py --reference takes it."
        )
    listing = find_stacks(arguments.input, places_only=True)
    competitors = choose(_methods(arguments, weights), others, weights, arguments.size)
    competitors = _able(competitors, listing.stacks, arguments.methods or ())
    if arguments.against is not None and arguments.against not in competitors:
        raise InputError(f"--against: there is no {arguments.against!r} among {', '.join(competitors)}.")
    shown = _shown(arguments.pairs, [stack.name for stack in listing.stacks])
    scenes = split_scenes(arguments.voc, "voc")[0] if arguments.voc else []
    comparison = Comparison(competitors, listing.stacks, arguments.output, size_notes(arguments.size), variants)
    make_folder(arguments.output)
    for problem in listing.problems:
        say(f"warning: {problem}")
    _warn_of_slow_methods(comparison)
    changed = comparison.run(arguments.quiet, arguments.jobs, arguments.cluster)
    scores = comparison.scores()
    record = _record(arguments, comparison, shown)
    whole = True
    if changed or record != Record(arguments.output / COMPARISON_RECORD).read({}):
        paper = _paper_run(competitors, weights, arguments.size)
        products = products_of(arguments.output, comparison, scores, shown, scenes, paper, record)
        whole = _write(arguments.output, products, record)
    if not arguments.quiet:
        print(summary_table(scores).markdown())
        print(f"Written to {arguments.output}: tables, figures, report.html.")
    for method, pair, reason in scores.undefined():  # what was raised has been said
        say(f"error: {method}, {pair}: {reason}")
    failed = scores.failures(scores.pairs) or listing.problems or not whole
    return EXIT_FAILED if failed else EXIT_DONE


def _methods(arguments: argparse.Namespace, weights: Mapping[str, Path]) -> list[str] | None:
    """Returns the names of the methods to run; None for the default."""
    if not arguments.skip:
        return arguments.methods
    names = default_names(weights) if arguments.methods is None else arguments.methods
    unknown = [name for name in arguments.skip if name not in OWN and name not in BASELINES]
    if unknown:
        raise InputError(f"there is no method {unknown[0]!r} to skip; there are {', '.join([*OWN, *BASELINES])}.")
    return [name for name in names if name not in arguments.skip]


def _able(
    competitors: Mapping[str, Competitor], stacks: Sequence[Stack], asked: Collection[str]
) -> dict[str, Competitor]:
    """Leaves out methods that take two images where a stack has more, with a warning, unless they were asked for."""
    deep, limited = beyond_pairs(competitors, stacks) or ("", [])
    left_out = [name for name in limited if name not in asked]
    if left_out:
        say(f"warning: {deep} has more than two images, and these methods take two: {', '.join(left_out)}.")
    return {name: one for name, one in competitors.items() if name not in left_out}


def _warn_of_slow_methods(comparison: Comparison) -> None:
    """Warns of methods that will take more than a minute."""
    for name in comparison.competitors:
        slow = BASELINES[name].slow if name in BASELINES else None
        missing = [
            stack for stack in comparison.stacks if slow and not comparison.fused_path(name, stack.name).exists()
        ]
        megapixels = sum(height * width for height, width in (read_size(stack.images[0]) for stack in missing)) / 1e6
        if slow and megapixels * slow > 60:
            minutes = megapixels * slow / 60
            told = f"{name} takes about {minutes:.0f} minutes for {len(missing)} pairs"
            say(f"warning: {told}; --skip {name} leaves it out.")


def _shown(asked: Sequence[str] | None, known: Sequence[str]) -> list[str]:
    if asked:
        missing = [name for name in asked if name not in known]
        if missing:
            raise InputError(f"there is no pair {missing[0]!r}; there are {', '.join(known[:5])} ...")
        return list(asked)
    return figures.shown_pairs(known)


def _paper_run(competitors: Mapping[str, Competitor], weights: Mapping[str, Path], size: int | None) -> Run | None:
    """Returns the paper's strategy, whose decision is drawn, with the weights given for it, else with those of our
    first method; None where no method is ours."""
    own = [name for name in OWN if name in competitors]
    if not own:
        return None
    if PAPER in own and (PAPER in weights or own[0] not in weights):
        return to_run(PAPER, weights.get(PAPER), size)
    return to_run(PAPER, weights.get(own[0]), size)


def _write(folder: Path, products: Iterable[tuple[Any, ...]], record: dict[str, Any]) -> bool:
    """Writes tables, figures and the page, and reports each that fails; returns whether all were written."""
    (folder / COMPARISON_RECORD).unlink(missing_ok=True)
    whole = True
    for name, write, *arguments in products:
        with isolate_errors(name) as part:
            write(*arguments)
        whole &= part.failure is None
    if whole:
        write_json(folder / COMPARISON_RECORD, record)
    return whole


def _record(arguments: argparse.Namespace, comparison: Comparison, shown: Sequence[str]) -> dict[str, Any]:
    return {
        "input": arguments.input.resolve().name,
        "voc": arguments.voc is not None,
        "size": arguments.size,
        "against": arguments.against,
        "metrics": [metric.column(variant) for metric, variant in comparison.variants.items()],
        "shown": shown,
        "pairs": [stack.name for stack in comparison.stacks],
        "methods": {
            name: {"title": one.title, "key": getattr(one, "key", "images of others")}
            for name, one in comparison.competitors.items()
        },
        "seconds": comparison.seconds(),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "machine": platform.machine(),
    }
