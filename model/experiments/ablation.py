"""Trains and evaluates the paper's ablations: losses, batch normalization, initialization, seeds, transfer."""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.arguments import add_shared
from data.errors import EXIT_DONE, EXIT_FAILED, InputError, say
from data.io.files import write_text
from data.io.stacks import Listing, Stack, find_pairs
from data.parts import alone
from metrics.markup import Table
from metrics.scores import Scores
from metrics.tables import summary_table
from model.experiments.competitors import to_run
from model.experiments.figures import new_figure, save_figure, with_suffixes
from model.experiments.plans import DEFAULT, NON_TRANSFER, PROPOSED, Experiment, plan
from model.experiments.results import METRIC_VARIANTS, Comparison, read_record
from model.training.run_folder import read_settings
from model.training.settings import CHECKPOINT

RECORD = "record.json"
"""What a training run notes when it is done."""

MEASURED = {
    "val_accuracy": ("accuracy", 4),
    "val_iou": ("IoU", 4),
    "val_compared_accuracy": ("compared", 4),
    "val_psnr": ("PSNR (dB)", 2),
    "val_ssim": ("SSIM", 4),
    "val_q_abf": ("Q_ABF", 4),
}
"""What validation measured in the best epoch, its name in tables, and digits."""

EXAMPLES = """examples:
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -i lytro -o ablation                  the paper's budget
  python -m model.experiments ablation --voc VOCdevkit/VOC2012 -i lytro -o ablation --budget small   minutes a run
A stopped ablation goes on where it was. What is shared by all runs stands in model/experiments/ablation.toml.
written: runs/NAME/ as train.py leaves them, tables/table1..3.md, seeds.png and .pdf
exit codes: 0 done, 1 a run failed (the table says why), 2 wrong usage"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_shared(parser, "--voc")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for everything")
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="folder of pairs to fuse with every network")
    parser.add_argument(
        "--config", type=Path, default=DEFAULT, metavar="FILE", help="(model/experiments/ablation.toml)"
    )
    parser.add_argument("--budget", default="paper", help="of the configuration: small, or paper (%(default)s)")
    parser.add_argument("--transfer", metavar="FILE", help="VGG-19's file, in place of fetching it")
    parser.add_argument("--quiet", action="store_true", help="no progress bars and no tables")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if the configuration or the data cannot be used.
    """
    experiments = plan(arguments.config, arguments.budget, arguments.transfer)
    listing = find_pairs(arguments.input) if arguments.input else Listing([], [])  # before hours of training
    for problem in listing.problems:
        say(f"warning: {problem}")
    rows: dict[str, dict[str, Any]] = {}
    for experiment in experiments:
        with alone(experiment.name) as part:
            rows[experiment.name] = _train(experiment, arguments)
        if part.failure:
            rows[experiment.name] = {"failure": part.failure}
    scores = _fuse(rows, listing.stacks, arguments) if arguments.input else None
    for name, table in make_tables(rows, scores).items():
        write_text(arguments.output / "tables" / f"{name}.md", table)
        if not arguments.quiet:
            print(table)
    with alone("seeds.png") as drawing:
        draw_seeds(arguments.output / "seeds", {name: row for name, row in rows.items() if "record" in row})
    failed = [row["failure"] for row in rows.values() if "failure" in row] + listing.problems
    if scores:
        failed += scores.failures(scores.pairs)
    return EXIT_FAILED if failed or drawing.failure else EXIT_DONE


def make_tables(rows: dict[str, dict[str, Any]], scores: Scores | None) -> dict[str, str]:
    """The paper's three tables: losses, normalization and initialization; seeds; transfer."""
    seeds = [name for name in rows if name.startswith(PROPOSED)]
    first = seeds[:1]
    ablated = [name for name in rows if name not in (*seeds, NON_TRANSFER)]
    groups = {
        "table1": ("Ablation of loss, normalization and initialization", [*first, *ablated]),
        "table2": ("The proposed training with different seeds", seeds),
        "table3": ("With and without transfer", [*first, *(name for name in rows if name == NON_TRANSFER)]),
    }
    texts = {}
    for key, (caption, names) in groups.items():
        text = _validation_table(caption, {name: rows[name] for name in names}).markdown()
        measured = [name for name in names if scores is not None and name in scores.results]
        if measured:
            part = replace(scores, results={name: scores.results[name] for name in measured})
            text += "\n" + summary_table(part).markdown()
        texts[key] = text
    return texts


def _validation_table(caption, rows):
    columns = ("Method", *(title for title, _ in MEASURED.values()), "Seconds")
    lines, notes = [], []
    for name, row in rows.items():
        if "record" not in row:
            lines.append((name, *["-"] * (len(columns) - 1)))
            notes.append(f"{name}: {row.get('failure') or row['reason']}")
            continue
        if "failure" in row:
            notes.append(f"{name}: {row['failure']}")
        record = row["record"]
        best = record["epochs"][int(record["best_epoch"]) - 1]
        values = (f"{best[key]:.{digits}f}" for key, (_, digits) in MEASURED.items())
        lines.append((name, *values, f"{record['training_seconds']:.0f}"))
    some = next((row["record"] for row in rows.values() if "record" in row), None)
    if some:
        config = some["config"]
        notes.append(
            f"Variant {config['variant']}, recipe {config['recipe']}, {some['steps']} steps of "
            f"{2 * config['pairs_per_batch']} images of {config['size']}x{config['size']}, {some['training_scenes']} "
            f"scenes, {config['optimizer']} {config['learning_rate']:g}; {some['device']}."
        )
    return Table(columns, lines, f"{caption}: validation on held-out scenes", notes)


def draw_seeds(path: Path, rows: dict[str, dict[str, Any]]) -> None:
    """The curves of all runs: loss and accuracy on the held-out scenes, epoch by epoch (the paper's Fig. 8)."""
    panels = {"val_loss": "loss", "val_accuracy": "accuracy"}
    figure, (grid,) = new_figure(1, len(panels), (11, 4), bare=False)
    for axes, (key, title) in zip(grid, panels.items(), strict=True):
        for name, row in rows.items():
            epochs = row["record"]["epochs"]
            style = "-" if name.startswith(PROPOSED) else "--"
            axes.plot([one["epoch"] for one in epochs], [one[key] for one in epochs], style, marker="o", label=name)
        axes.set_title(f"{title} on held-out scenes")
        axes.set_xlabel("epoch")
        axes.grid(alpha=0.3)
    if rows:
        figure.axes[0].legend(fontsize=8)
    save_figure(figure, with_suffixes(path), dpi=110)


def _train(experiment: Experiment, arguments: argparse.Namespace) -> dict[str, Any]:
    """The record of a run: read where it is done, trained from where it was otherwise."""
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
    from model import TrainingRun  # loads TensorFlow, which what is done need not wait for

    training = TrainingRun(experiment.config, arguments.voc, folder, resume=started)
    steps = {"initial": training.steps_done, "total": training.total_steps, "unit": "step"}
    with tqdm(**steps, desc=experiment.name, disable=arguments.quiet) as bar:
        return {"record": training.run(lambda *_: bar.update())}


def _read_record(folder: Path) -> dict[str, Any] | None:
    """A run's record; None where it is not there or no table can be made of it, so that the run makes it anew."""
    record = read_record(folder / RECORD)
    try:
        _validation_table("", {folder.name: {"record": record}})
    except (TypeError, KeyError, IndexError, ValueError):
        return None
    return record


def _fuse(rows: dict[str, dict[str, Any]], stacks: list[Stack], arguments) -> Scores:
    """Scores of the pairs, fused by each network with the paper's strategy."""
    competitors = {}
    for name in [name for name, row in rows.items() if "record" in row]:
        with alone(name) as part:
            weights = arguments.output / "runs" / name / "best.weights.h5"
            competitors[name] = replace(to_run("proposed-paper", weights=weights), title=name)
        if part.failure:
            rows[name]["failure"] = part.failure
    comparison = Comparison(competitors, stacks, arguments.output)
    comparison.run(arguments.quiet)
    return comparison.scores() if competitors else Scores({}, METRIC_VARIANTS)
