"""Runs all methods on a folder of pairs and makes tables, figures and one report."""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from tqdm import tqdm

from data.errors import EXIT_DONE, EXIT_FAILED, InputError
from data.files import atomic_path, make_folder, write_json
from data.image_io import read_image
from data.stacks import find_pairs
from data.synthesis import LEVELS, RECIPES, SynthesisSettings, synthesize
from data.voc import Scene, split_scenes
from metrics.ranks import rank_table
from metrics.tables import Scores, pair_table, tables_as_text
from model.experiments import figures
from model.experiments.comparison import Comparison
from model.experiments.competitors import OWN, choose
from model.experiments.report import write_report

FIRST_PAIR = "lytro-14"
SHOWN = 6
"""The paper's first group of images, and how many groups it shows (Tables 4 to 9)."""

PACKAGES = ("tensorflow", "keras", "numpy", "scipy", "opencv-python-headless", "PyWavelets")

EXAMPLES = """examples:
  python -m model.experiments comparison -i lytro -o comparison
  python -m model.experiments comparison -i lytro -o comparison --fused CNN=other/CNN StackMFF-V3=other/StackMFF-V3
  python -m model.experiments comparison -i photographs -o comparison --methods proposed dwt --pairs kitchen
  python -m model.experiments comparison -i lytro -o comparison --weights ifcnn=IFCNN-MAX.pth
written: tables/, figures/, report.html, record.json, and fused/ and records/, from which a second run takes what it can
exit codes: 0 done, 1 something failed (its row says why), 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("-i", "--input", type=Path, required=True, metavar="DIR", help="folder of pairs")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument("--methods", nargs="+", metavar="NAME", help="methods to run (default: all that can)")
    parser.add_argument(
        "--fused", type=name_value, nargs="+", default=[], metavar="NAME=DIR", help="images that others made"
    )
    parser.add_argument(
        "--weights", type=name_value, nargs="+", default=[], metavar="NAME=FILE", help="authors' files (ifcnn, sesf)"
    )
    parser.add_argument("--pairs", nargs="+", metavar="PAIR", help=f"pairs to show ({FIRST_PAIR} and five more)")
    parser.add_argument("--voc", type=Path, metavar="DIR", help="VOC, for a figure of training images and labels")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no table")


def name_value(text: str) -> tuple[str, Path]:
    """Splits NAME=PATH."""
    name, separator, value = text.partition("=")
    if not (name and separator and value):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH")
    return name, Path(value)


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if nothing can be compared.
    """
    competitors = choose(arguments.methods, dict(arguments.fused), dict(arguments.weights))
    listing = find_pairs(arguments.input)
    shown = _shown(arguments.pairs, [stack.name for stack in listing.stacks])
    scenes = split_scenes(arguments.voc, "voc")[0] if arguments.voc else []
    make_folder(arguments.output)
    for problem in listing.problems:
        print(f"warning: {problem}", file=sys.stderr)
    comparison = Comparison(competitors, listing.stacks, arguments.output)
    total = len(competitors) * len(listing.stacks)
    changed = False
    with tqdm(total=total, unit="image", disable=arguments.quiet) as bar:
        for name, pair, computed in comparison.run():
            changed |= computed
            bar.set_postfix_str(f"{pair}, {name}")
            bar.update()
    scores = comparison.scores()
    record = _record(arguments, comparison, shown)
    if changed or record != _read_record(arguments.output):
        _write_tables(arguments.output / "tables", comparison, scores, shown)
        _draw(arguments.output / "figures", comparison, scores, shown, scenes)
        write_report(arguments.output / "report.html", comparison, scores, record)
        write_json(arguments.output / "record.json", record)  # last: it says that all of the above is there
    if not arguments.quiet:
        print((arguments.output / "tables" / "summary.md").read_text(encoding="utf-8"))
        print(f"Written to {arguments.output}: tables, figures, report.html.")
    failures = scores.failures(scores.pairs)
    for method, pair, reason in failures:
        print(f"failed: {method}, {pair}: {reason}", file=sys.stderr)
    return EXIT_FAILED if failures or listing.problems else EXIT_DONE


def _shown(asked, known):
    if asked:
        missing = [name for name in asked if name not in known]
        if missing:
            raise InputError(f"there is no pair {missing[0]!r}; there are {', '.join(known[:5])} ...")
        return asked
    return sorted(known, key=lambda name: name != FIRST_PAIR)[:SHOWN]


def _write_tables(folder: Path, comparison: Comparison, scores: Scores, shown: list[str]) -> None:
    texts = tables_as_text(scores, shown)
    for name, table in {"ranks": rank_table(scores), "times": comparison.time_table()}.items():
        texts |= {f"{name}.md": table.markdown(), f"{name}.tex": table.latex()}
    for pair in shown:
        texts[f"pair-{pair}.tex"] = pair_table(scores, pair).latex()
    for name, text in texts.items():
        with atomic_path(folder / name) as path:
            path.write_text(text, encoding="utf-8")


def _draw(folder: Path, comparison: Comparison, scores: Scores, shown: list[str], scenes: Sequence[Scene]) -> None:
    """Draws every figure as PNG and PDF."""
    stacks = {stack.name: stack for stack in comparison.stacks}
    for pair in shown:
        near, far = (read_image(path) for path in stacks[pair].images)
        fused = {
            scores.label(name): read_image(comparison.fused_path(name, pair))
            for name in comparison.competitors
            if comparison.has(name, pair)
        }
        figures.draw_methods(folder / f"methods-{pair}", pair, near, far, fused)
    own = [name for name in OWN if name in comparison.competitors]
    if own:
        triples = []
        for stack in comparison.stacks:
            if comparison.has(own[0], stack.name):
                paths = (*stack.images, comparison.fused_path(own[0], stack.name))
                triples.append((stack.name, *map(read_image, paths)))
        figures.draw_results(folder / "results", comparison.competitors[own[0]].title, triples)
        from model import load_fuser

        near, far = (read_image(path) for path in stacks[shown[0]].images)
        figures.draw_decision(folder / f"decision-{shown[0]}", shown[0], near, far, load_fuser(strategy="paper"))
    if scenes:
        for recipe in RECIPES:
            settings = SynthesisSettings(recipe, 224)
            pairs = [synthesize(*scenes[0].read(), level, settings, figures.generator()) for level in LEVELS]
            figures.draw_training(folder / f"training-{recipe}", recipe, pairs)


def _read_record(folder):
    try:
        return json.loads((folder / "record.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _record(arguments, comparison, shown):
    return {
        "input": arguments.input.resolve().name,
        "voc": arguments.voc is not None,
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
