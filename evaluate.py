"""Scores folders of fused images against their sources and writes tables: `python evaluate.py --help`."""

import data.runtime.interrupts  # noqa: F401 - first: it looks after the imports that follow

# isort: split
import argparse
import difflib
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np
from tqdm import tqdm

from data.io.batch import refuse_existing
from data.io.files import make_folder, write_text
from data.io.image_folder import JPEG_NOTE, ImageFolder, title_with_type
from data.io.image_io import read_image
from data.io.listing import Stack, find_stacks
from data.registration.truth import align_to_reference, crop_border
from data.runtime.arguments import add_named, add_shared, command_parser
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, add_debug, printable, run_command, say
from data.runtime.metric_options import add_metric_options, chosen_metrics
from data.runtime.parts import isolate_errors
from data.runtime.spread import spread
from metrics import METRICS, Metric, Scorer
from metrics.checks import RefusedError, require_equal_shapes
from metrics.color import COLOR_MODES, same_channels
from metrics.registry import ALIASES
from metrics.scores import Scores
from metrics.tables import RANK_TABLES, TABLES, pair_table, summary_table, tables_as_text, to_json

EXAMPLES = """examples:
  python evaluate.py --source lytro --fused ours=results CNN=fused/CNN -o tables
  python evaluate.py --source lytro --fused ours=results -o tables --per-pair lytro-14
  python evaluate.py --source lytro --fused ours=results CNN=fused/CNN DSIFT=fused/DSIFT -o tables --against CNN
  python evaluate.py --source lytro --fused ours=results -o tables --metrics paper q_y,q_cb,q_ncie,fmi,viff
  python evaluate.py --source synthetic --fused ours=results --reference truth -o tables --color rgb
  python evaluate.py --source lytro --fused ours=results -o tables --variant q_abf=kumar q_labf=kumar-le
  python evaluate.py --source stacks --fused ours=results -o tables --reference truth --lay-on-reference

Sources are found by name: NAME-A, NAME-B and so on, any number for each scene. Fused and reference images are called
NAME or NAME-fused, with any image suffix.
Files written: summary.md, summary.tex, summary.csv, per_pair.md, per_pair.csv; of several methods ranks.md, ranks.tex
and ranks.csv, mean ranks with Friedman's test and Wilcoxon's tests against one of them.
Exit codes: 0 done, 1 some input failed (its row says why), 2 wrong usage.
"""


class _ListAction(argparse.Action):
    """Prints the registry and exits, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for name, metric in METRICS.items():
            aliases = [f"; also {alias}" for alias, meant in ALIASES.items() if meant == name]
            print(f"{name:<14}{metric.help}{''.join(aliases)}")
        parser.exit(EXIT_DONE)


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the command line."""
    description = "Scores folders of fused images against their sources and writes tables."
    parser = command_parser(description, EXAMPLES)
    parser.add_argument(
        "--source", type=Path, required=True, metavar="DIR", help="folder of the sources, two or more for each scene"
    )
    add_shared(parser, "--pattern")
    text = "a method and the folder of its fused images; repeat a name to add further folders"
    add_named(parser, "--fused", "NAME=DIR", text, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the tables")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="ground-truth images; adds PSNR, SSIM and more")
    text = (
        "for results that were aligned or cropped: warp each to its reference, leave out a border of 5 %%, and compute "
        "only metrics that need a reference"
    )
    parser.add_argument("--lay-on-reference", action="store_true", help=text)
    add_metric_options(parser)
    parser.add_argument(
        "--color",
        choices=COLOR_MODES,
        default=COLOR_MODES[0],
        help="compute on gray or on channels (%(default)s)",
    )
    parser.add_argument("--per-pair", nargs="*", metavar="PAIR", help="print one table per pair (default: all pairs)")
    parser.add_argument("--list", nargs=0, action=_ListAction, help="list the metrics and their variants, and exit")
    add_shared(parser, "--overwrite", "--jobs", "--cluster")
    parser.add_argument("--json", action="store_true", help="print the results as JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no tables on the screen")
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    Raises:
        InputError: A folder cannot be used at all; an error in one image becomes a failed row.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    variants = _choose_metrics(parser, arguments)
    listing = find_stacks(arguments.source, pattern=arguments.pattern)
    shown = _choose_pairs(parser, arguments.per_pair, [pair.name for pair in listing.stacks])
    folders: dict[str, list[Path]] = {}
    for method, folder in arguments.fused:
        folders.setdefault(method, []).append(Path(folder))
    images = {method: ImageFolder(*parts) for method, parts in folders.items()}
    references = ImageFolder(arguments.reference) if arguments.reference else None
    if arguments.against is not None and arguments.against not in images:
        parser.error(f"--against: there is no {arguments.against!r} among {', '.join(images)}.")
    if not arguments.overwrite:
        refuse_existing([arguments.output / name for name in (*TABLES, *RANK_TABLES)])
    make_folder(arguments.output)
    for problem in listing.problems:
        say(f"warning: {problem}")

    results: dict[str, dict[str, dict[str, float | str]]] = {method: {} for method in images}
    killed = partial(_report_killed, images=images, variants=variants)
    on_gray: Counter[str] = Counter()
    each = len(images) * len(variants)
    with tqdm(total=len(listing.stacks) * each, unit="value", disable=arguments.quiet) as bar:
        score = partial(_score_stack, images=images, references=references, variants=variants, arguments=arguments)
        if arguments.jobs == 1 and arguments.cluster is None:  # else other processes score
            score = partial(score, observe=bar.update)
        rows = spread(score, listing.stacks, arguments.jobs, arguments.cluster, killed)
        for number, (pair, (row_of, gray)) in enumerate(zip(listing.stacks, rows, strict=True), start=1):
            on_gray.update(gray)
            for method, row in row_of.items():
                results[method][pair.name] = row
            bar.update(number * each - bar.n)  # what failed counts as well
    titles = {method: _title(method, files, results[method]) for method, files in images.items()}
    notes = [JPEG_NOTE] if any(title != method for method, title in titles.items()) else []
    if on_gray:
        counted = ", ".join(f"{titles[method]} {count}" for method, count in on_gray.items())
        notes.append(f"Pairs scored on gray, since either the result or the sources have no color: {counted}.")
    scores = Scores(results, variants, arguments.color, titles, notes)
    texts = tables_as_text(scores, shown or scores.pairs)
    if len(images) > 1:
        from metrics.significance import rank_texts  # loads scipy's statistics

        texts |= rank_texts(scores, arguments.against)
    for name, text in texts.items():
        write_text(arguments.output / name, text)
    _print_tables(scores, arguments, shown)
    for method, name, reason in scores.undefined():  # an error that was raised has been reported
        say(f"error: {method}, {name}: {reason}")
    return EXIT_FAILED if scores.failures(scores.pairs) or listing.problems else EXIT_DONE


def _choose_metrics(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[Metric, str]:
    """Returns the metrics to compute with their variants, in the order of the columns."""
    default = () if arguments.lay_on_reference else ("paper",)
    try:
        variants = chosen_metrics(arguments, default, reference=arguments.reference is not None)
    except (InputError, RefusedError) as error:
        parser.error(str(error))
    needing = [metric.name for metric in variants if metric.needs_reference]
    if needing and not arguments.reference:
        parser.error(f"{' and '.join(needing)} need ground truth; give it with --reference DIR")
    if arguments.lay_on_reference and (not arguments.reference or len(needing) < len(variants)):
        parser.error("--lay-on-reference takes --reference DIR, and only metrics that need a reference")
    return variants


def _choose_pairs(parser: argparse.ArgumentParser, asked: list[str] | None, known: list[str]) -> list[str] | None:
    """Returns the pairs whose tables are printed: None = none, every known one where the option has no value."""
    if asked is None:
        return None
    for name in asked:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            offer = f"did you mean {nearest[0]!r}?" if nearest else f"the folder has {', '.join(known[:5])} ..."
            parser.error(f"--per-pair: there is no pair {name!r}; {printable(offer)}")
    return asked or known


def _report_killed(
    stack: Stack, sentence: str, images: dict[str, ImageFolder], variants: dict[Metric, str]
) -> tuple[dict[str, dict[str, float | str]], list[str]]:
    """Reports a scene whose process was killed; returns as `_score_stack`."""
    say(f"error: {stack.name}: {sentence}")
    return {method: _failed(variants, sentence) for method in images}, []


def _score_stack(
    stack: Stack,
    images: dict[str, ImageFolder],
    references: ImageFolder | None,
    variants: dict[Metric, str],
    arguments: argparse.Namespace,
    observe: Callable[[], object] = lambda: None,
) -> tuple[dict[str, dict[str, float | str]], list[str]]:
    """Scores one scene: method to metric name to value, or to the reason of its failure, and the methods whose result
    and sources were compared on gray because only one of them has color; no error is raised."""
    laid = arguments.lay_on_reference
    with isolate_errors(stack.name) as sources:
        frames = [read_image(path) for path in stack.images]
        scorer = Scorer([crop_border(frame) for frame in frames] if laid else frames, color=arguments.color)
    if sources.failure:
        return {method: _failed(variants, f"source: {sources.failure}") for method in images}, []
    computed, reference, lacking = variants, None, {}
    if references is not None:
        with isolate_errors(f"reference, {stack.name}") as truth:
            reference = read_image(references.find(stack.name))
            require_equal_shapes(reference=reference, source=frames[0])
        if truth.failure:
            reference = None
            lacking = _failed((metric for metric in variants if metric.needs_reference), f"reference: {truth.failure}")
            computed = {metric: variant for metric, variant in variants.items() if not metric.needs_reference}
    rows: dict[str, dict[str, float | str]] = {}
    on_gray: list[str] = []
    for method, files in images.items():
        with isolate_errors(f"{method}, {stack.name}") as part:
            fused, changed = same_channels(read_image(files.find(stack.name)), frames[0])
            if laid and reference is not None:
                aligned = crop_border(align_to_reference(reference, fused))
                scores = scorer.measure(aligned, computed, crop_border(reference), observe)
            else:
                _require_size_of_sources(fused, frames[0])
                scores = scorer.measure(fused, computed, reference, observe)
            rows[method] = {**scores, **lacking}
            if changed:
                on_gray.append(method)
        if part.failure:
            rows[method] = _failed(variants, part.failure)
    return rows, on_gray


def _failed(metrics: Iterable[Metric], reason: str) -> dict[str, float | str]:
    return {metric.name: reason for metric in metrics}


def _require_size_of_sources(fused: np.ndarray, source: np.ndarray) -> None:
    if fused.shape[:2] != source.shape[:2]:
        sizes = ["x".join(map(str, image.shape[1::-1])) for image in (fused, source)]
        raise InputError(
            f"the result has {sizes[0]} and its sources have {sizes[1]} pixels: it was cropped or scaled; give the "
            "aligned frames as --source, or score it against the truth only, with --reference DIR --lay-on-reference."
        )


def _title(method: str, files: ImageFolder, rows: dict[str, dict[str, float | str]]) -> str:
    """Returns the method's name, with a remark where its evaluated files are JPEG."""
    evaluated = [name for name, row in rows.items() if not all(isinstance(value, str) for value in row.values())]
    return title_with_type(method, map(files.find, evaluated))


def _print_tables(scores: Scores, arguments: argparse.Namespace, shown: list[str] | None) -> None:
    if arguments.json:
        print(to_json(scores))
    elif not arguments.quiet:
        for pair in shown or []:
            print(pair_table(scores, pair).markdown())
        print(summary_table(scores).markdown() + f"\nTables written to {arguments.output}{os.sep}")


def command() -> NoReturn:
    """Runs the command line as a process does; see `--help`."""
    sys.exit(run_command(main))


if __name__ == "__main__":
    command()
