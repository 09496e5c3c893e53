"""Scores folders of fused images against their sources and writes tables: `python evaluate.py --help`."""

import argparse
import difflib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from data.arguments import add_named, by_name, command_parser
from data.errors import EXIT_DONE, EXIT_FAILED, InputError, add_debug, printable, run_command, say
from data.io.files import make_folder, write_text
from data.io.image_folder import JPEG_NOTE, ImageFolder, title_with_type
from data.io.image_io import read_image
from data.io.stacks import Stack, find_pairs
from data.parts import alone
from metrics import METRICS, PAPER_METRICS, PairScorer, get_metric, resolve_variants
from metrics.checks import RefusedError, require_equal_shapes
from metrics.color import COLOR_MODES
from metrics.scores import Scores
from metrics.tables import pair_table, summary_table, tables_as_text, to_json

EXAMPLES = """examples:
  python evaluate.py --source lytro --fused ours=results CNN=fused/CNN -o tables
  python evaluate.py --source lytro --fused ours=results -o tables --per-pair lytro-14
  python evaluate.py --source synthetic --fused ours=results --reference truth -o tables --color rgb
  python evaluate.py --source lytro --fused ours=results -o tables --variant q_abf=kumar q_labf=kumar-le

Sources are paired by name (NAME-A, NAME-B); fused and reference images are called NAME with any image suffix.
Written: summary.md, summary.tex, summary.csv, per_pair.md, per_pair.csv.
Exit codes: 0 done, 1 some input failed (its row says why), 2 wrong usage.
"""


class _ListAction(argparse.Action):
    """Prints the registry and ends, as --help does."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        for name, metric in METRICS.items():
            print(f"{name:<8}{metric.help}")
        parser.exit(EXIT_DONE)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    description = "Scores folders of fused images against their sources and writes tables."
    parser = command_parser(description, EXAMPLES, "evaluate.py")
    parser.add_argument("--source", type=Path, required=True, metavar="DIR", help="folder of the source pairs")
    text = "a method and the folder of its fused images; a name given again adds a folder with more of them"
    add_named(parser, "--fused", "NAME=DIR", text, required=True)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the tables")
    parser.add_argument("--reference", type=Path, metavar="DIR", help="ground-truth images; adds PSNR and SSIM")
    parser.add_argument("--metrics", nargs="+", metavar="METRIC", help="columns (default: the paper's five)")
    text = "a published variant in place of the default (see --list)"
    add_named(parser, "--variant", "METRIC=VARIANT", text)
    parser.add_argument(
        "--color", choices=COLOR_MODES, default=COLOR_MODES[0], help="what metrics look at (%(default)s)"
    )
    parser.add_argument("--per-pair", nargs="*", metavar="PAIR", help="print one table per pair (default: of all)")
    parser.add_argument("--list", nargs=0, action=_ListAction, help="list the metrics and their variants, and exit")
    parser.add_argument("--json", action="store_true", help="print the results as JSON in place of tables")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no tables on the screen")
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; returns the exit code.

    Raises:
        InputError: A folder cannot be used at all; what concerns one image becomes a failed row.
    """
    parser = build_parser()
    arguments = parser.parse_args(argv)
    variants = _choose_variants(parser, arguments)
    listing = find_pairs(arguments.source)
    shown = _choose_pairs(parser, arguments.per_pair, [pair.name for pair in listing.stacks])
    folders: dict[str, list[Path]] = {}
    for method, folder in arguments.fused:
        folders.setdefault(method, []).append(Path(folder))
    images = {method: ImageFolder(*parts) for method, parts in folders.items()}
    references = ImageFolder(arguments.reference) if arguments.reference else None
    make_folder(arguments.output)
    for problem in listing.problems:
        say(f"warning: {problem}")

    results: dict[str, dict[str, dict[str, float | str]]] = {method: {} for method in images}
    for pair in tqdm(listing.stacks, unit="pair", disable=arguments.quiet):
        for method, row in _score_pair(pair, images, references, variants, arguments.color).items():
            results[method][pair.name] = row
    titles = {method: _title(method, files, results[method]) for method, files in images.items()}
    notes = [JPEG_NOTE] if any(title != method for method, title in titles.items()) else []
    scores = Scores(results, variants, arguments.color, titles, notes)
    for name, text in tables_as_text(scores, shown or scores.pairs).items():
        write_text(arguments.output / name, text)
    _print_tables(scores, arguments, shown)
    for method, name, reason in scores.undefined():  # what was raised has been said
        say(f"error: {method}, {name}: {reason}")
    return EXIT_FAILED if scores.failures(scores.pairs) or listing.problems else EXIT_DONE


def _choose_variants(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> dict[str, str]:
    """The metrics to compute, in the order of the columns, with their variants."""
    names = list(dict.fromkeys(arguments.metrics or PAPER_METRICS))
    if arguments.reference and not arguments.metrics:
        names += [name for name, metric in METRICS.items() if metric.needs_reference]
    try:
        needing = [name for name in names if get_metric(name).needs_reference]
        variants = resolve_variants(names, by_name("--variant", arguments.variant))
    except (InputError, RefusedError) as error:
        parser.error(str(error))
    if needing and not arguments.reference:
        parser.error(f"{' and '.join(needing)} need ground truth; give it with --reference DIR")
    return variants


def _choose_pairs(parser: argparse.ArgumentParser, asked: list[str] | None, known: list[str]) -> list[str] | None:
    """The pairs whose tables are printed: None = none, every known one where the option has no value."""
    if asked is None:
        return None
    for name in asked:
        if name not in known:
            nearest = difflib.get_close_matches(name, known, n=1)
            offer = f"did you mean {nearest[0]!r}?" if nearest else f"the folder has {', '.join(known[:5])} ..."
            parser.error(f"--per-pair: there is no pair {name!r}; {printable(offer)}")
    return asked or known


def _score_pair(
    pair: Stack, images: dict[str, ImageFolder], references: ImageFolder | None, variants: dict[str, str], color: str
) -> dict[str, dict[str, float | str]]:
    """Method to metric to value, or to the reason of its failure, for one pair; whatever is raised fails this alone."""
    with alone(pair.name) as sources:
        near = read_image(pair.near)
        scorer = PairScorer(near, read_image(pair.far), variants, color)
    if sources.failure:
        return {method: dict.fromkeys(variants, f"source: {sources.failure}") for method in images}
    names, reference, lacking = list(variants), None, {}
    if references is not None:
        with alone(f"reference, {pair.name}") as truth:
            reference = read_image(references.find(pair.name))
            require_equal_shapes(reference=reference, near=near)
        if truth.failure:
            names, reference = [name for name in names if not get_metric(name).needs_reference], None
            lacking = {name: f"reference: {truth.failure}" for name in variants if name not in names}
    rows: dict[str, dict[str, float | str]] = {}
    for method, files in images.items():
        with alone(f"{method}, {pair.name}") as part:
            rows[method] = scorer.score(read_image(files.find(pair.name)), names, reference) | lacking
        if part.failure:
            rows[method] = dict.fromkeys(variants, part.failure)
    return rows


def _title(method: str, files: ImageFolder, rows: dict[str, dict[str, float | str]]) -> str:
    """The method's name, with a remark where its evaluated files are JPEG."""
    evaluated = [name for name, row in rows.items() if not all(isinstance(value, str) for value in row.values())]
    return title_with_type(method, map(files.find, evaluated))


def _print_tables(scores: Scores, arguments: argparse.Namespace, shown: list[str] | None) -> None:
    if arguments.json:
        print(to_json(scores))
    elif not arguments.quiet:
        for pair in shown or []:
            print(pair_table(scores, pair).markdown())
        print(summary_table(scores).markdown() + f"\nTables written to {arguments.output}{os.sep}")


if __name__ == "__main__":
    sys.exit(run_command(main))
