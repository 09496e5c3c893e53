"""Trains and evaluates the paper's ablations: losses, batch normalization, initialization, seeds, transfer."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.io.files import write_text
from data.io.listing import Listing, Stack, find_pairs
from data.io.records import Record
from data.runtime.arguments import add_shared, natural
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, StoppedError, say
from data.runtime.parts import isolate_errors
from model.experiments.ablation_tables import USES, make_tables, transfer_of, validation_table
from model.experiments.competitors import PAPER, map_size, size_notes, to_run
from model.experiments.curves import draw_curves
from model.experiments.figures import draw_methods, read_sources, shown_pairs
from model.experiments.plans import DEFAULT_PLAN, PROPOSED, SEEDED, Experiment, plan, runs_of
from model.experiments.results import Comparison
from model.experiments.training_process import train_alone
from model.training.run_folder import read_settings
from model.training.settings import ABLATIONS, CHECKPOINT, DISTRIBUTIONS, PRECISIONS, TrainingConfig

PAPER_SIZE = TrainingConfig.size
"""Rows and columns at which the paper computes its maps: those of its training images."""

RUN_RECORD = "record.json"
"""Name of the file that a training run writes when it is done."""

EXAMPLES = """examples:
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -i lytro -o ablation                  the paper's budget
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -i lytro -o ablation --budget small   minutes a run
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -i lytro -o transfer --budget cpu --runs proposed non-tl
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -o skips --runs proposed encoder-skips --seeds 0
A stopped ablation goes on where it was. What is shared by all runs stands in model/experiments/ablation.toml.
written: runs/NAME/ as train.py leaves them, tables/ (table1..3.md, transfer.png), seeds.png; with -i also figures/
exit codes: 0 done, 1 a run failed (the table says why), 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_shared(parser, "--voc")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="folder of pairs to fuse with every network")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT_PLAN, metavar="FILE", help="(model/experiments/ablation.toml)"
    )
    parser.add_argument(
        "--budget", default="paper", help="a budget of the configuration: paper, cpu, light or small (%(default)s)"
    )
    parser.add_argument("--runs", nargs="+", metavar="NAME", help=f"{PROPOSED}, {', '.join(ABLATIONS)} (the paper's)")
    parser.add_argument(
        "--seeds",
        type=natural,
        nargs="+",
        metavar="N",
        help=f"seeds of {' and '.join(SEEDED)}, the first also of the others (0 to 4)",
    )
    parser.add_argument(
        "--use", choices=USES, default=USES[0], help="epoch whose weights count; the paper's is the last (%(default)s)"
    )
    parser.add_argument("--transfer", metavar="FILE", help="VGG-19's file, in place of fetching it")
    parser.add_argument(
        "--size",
        type=map_size,
        metavar="N",
        help=f"find the maps of -i at NxN ({PAPER_SIZE} with the variant paper, else the images' own size)",
    )
    parser.add_argument(
        "--distribution",
        default=DISTRIBUTIONS[0],
        choices=DISTRIBUTIONS[:2],
        help="train on one device (the default), or on all of this host",
    )
    add_shared(parser, "--cache")
    parser.add_argument(
        "--mixed-precision", nargs="?", const=PRECISIONS[0], choices=PRECISIONS, help="as for train.py, in all runs"
    )
    parser.add_argument("--jit", action=argparse.BooleanOptionalAction, help="as for train.py, in all runs")
    parser.add_argument("--quiet", action="store_true", help="no progress bars and no tables")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the configuration or the data cannot be used.
    """
    given = {name: getattr(arguments, name) for name in ("mixed_precision", "jit")}
    changes = {name: value for name, value in given.items() if value is not None}
    experiments = plan(arguments.config, arguments.budget, arguments.transfer, arguments.runs, arguments.seeds, changes)
    listing = find_pairs(arguments.input) if arguments.input else Listing([], [])  # before hours of training
    for problem in listing.problems:
        say(f"warning: {problem}")
    rows: dict[str, dict[str, Any]] = {}
    for experiment in experiments:
        with isolate_errors(experiment.name) as part:
            rows[experiment.name] = _train(experiment, arguments)
        if part.failure:
            rows[experiment.name] = {"failure": part.failure}
    comparison = _fuse(rows, listing.stacks, _size(experiments, arguments.size), arguments) if arguments.input else None
    scores = comparison.scores() if comparison else None
    for name, table in make_tables(rows, scores, arguments.use).items():
        write_text(arguments.output / "tables" / f"{name}.md", table)
        if not arguments.quiet:
            print(table)
    failed = [row["failure"] for row in rows.values() if "failure" in row] + listing.problems
    failed += draw_curves(arguments.output, {name: row["record"] for name, row in rows.items() if "record" in row})
    if comparison and scores:
        failed += scores.failures(scores.pairs) + draw_fused(arguments.output / "figures", comparison)
    return EXIT_FAILED if failed else EXIT_DONE


def draw_fused(folder: Path, comparison: Comparison) -> list[str]:
    """Draws what the runs fused: with and without transfer for the first pairs (the paper's Fig. 9), and by all seeds
    for the first one (its Fig. 8).

    Args:
        folder: For `transfer-PAIR` and `seeds-PAIR`.
        comparison: Of the runs, by their names; after its run.

    Returns:
        What failed.
    """
    stacks = {stack.name: stack for stack in comparison.stacks}
    seeds, transfer = runs_of(comparison.competitors, PROPOSED), transfer_of(comparison.competitors)
    shown = shown_pairs(stacks)
    wanted = [("transfer", transfer, pair) for pair in shown if len(transfer) == 2]
    wanted += [("seeds", seeds, pair) for pair in shown[:1]]
    failures = []
    for what, names, pair in wanted:
        with isolate_errors(f"{what}-{pair}.png") as part:
            fused = comparison.fused_images(pair, names)
            if fused:  # else its failure has been said
                draw_methods(folder / f"{what}-{pair}", f"{pair}, {what}", read_sources(stacks[pair]), fused)
        failures += [part.failure] if part.failure else []
    return failures


def _train(experiment: Experiment, arguments: argparse.Namespace) -> dict[str, Any]:
    """Reads the record of a run if that is done, else trains it from the last checkpoint or from the start."""
    if experiment.config is None:
        return {"reason": experiment.reason}
    folder = arguments.output / "runs" / experiment.name
    started = (folder / CHECKPOINT).exists()
    if started:
        if read_settings(folder)[0] != experiment.config:
            raise InputError(f"{folder} was trained with other settings; choose another -o.")
        record = _read_record(folder)
        if record is not None:
            return {"record": record}
    how = {name: getattr(arguments, name) for name in ("quiet", "distribution", "cache")}
    try:
        return {"record": train_alone(experiment.config, arguments.voc, folder, resume=started, **how)}
    except StoppedError as stop:  # which advises to resume that run alone
        said = str(stop).partition("; go on with")[0].rstrip(".")
        raise StoppedError(f"{experiment.name}: {said}; the same command goes on from there.") from stop


def _read_record(folder: Path) -> dict[str, Any] | None:
    """Reads a run's record; None if it is missing or no table can be made of it, so that the run makes it anew."""
    record = Record(folder / RUN_RECORD).read({})
    try:
        for use in USES:
            validation_table("", {folder.name: {"record": record}}, use)
    except (TypeError, KeyError, IndexError, ValueError):
        return None
    return record


def _size(experiments: list[Experiment], size: int | None) -> int | None:
    """Returns rows and columns at which maps are computed; None is the images' own size."""
    paper = any(one.config is not None and one.config.variant == "paper" for one in experiments)
    return PAPER_SIZE if size is None and paper else size


def _fuse(
    rows: dict[str, dict[str, Any]], stacks: list[Stack], size: int | None, arguments: argparse.Namespace
) -> Comparison:
    """Fuses the pairs by each network with the paper's strategy."""
    competitors = {}
    for name in [name for name, row in rows.items() if "record" in row]:
        with isolate_errors(name) as part:
            weights = arguments.output / "runs" / name / f"{arguments.use}.weights.h5"
            competitors[name] = replace(to_run(PAPER, weights, size), title=name)
        if part.failure:
            rows[name]["failure"] = part.failure
    comparison = Comparison(competitors, stacks, arguments.output, size_notes(size))
    comparison.run(arguments.quiet)
    return comparison
