"""Measures fusion of rendered focus stacks against their truth: our default, its parts switched off, other tools.

Every folder below DIR with a `truth.png` is a stack. A result is aligned to the truth by an affine motion, because
tools align to different frames and cut differently, and a border of 5 % is left out. Each stack and method has a
record, so a run can be stopped and resumed. A change of our code is not noticed: delete OUT/records/METHOD then.
"""

import argparse
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from tqdm import tqdm

from data.io.batch import protect_files
from data.io.files import make_folder, write_text
from data.io.image_header import image_digest
from data.io.image_io import read_image, write_image
from data.io.records import Record
from data.registration.truth import align_to_reference, crop_border
from data.runtime.arguments import add_named, add_shared, by_name
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, printable
from data.runtime.parts import isolate_errors
from metrics import compute, get_metric
from metrics.markup import Cell, Column, Table, csv_text
from metrics.reference import lost_gradient, spurious_gradient, ssim
from metrics.tables import FAILED
from model.experiments.stack_methods import (
    CHOICE,
    OUR_DEFAULT,
    STACK_VARIANTS,
    TOOLS,
    RenderedStack,
    StackMethod,
    choose,
    find_rendered,
)

STACK_METRICS = {"psnr": ".2f", "ssim": ".4f", "spurious": ".4f", "lost": ".4f"}
"""Metrics of a stack and how they are printed; PSNR is of the colors, the others are of gray."""

Outcome = dict[str, float] | str
"""Value by name in `STACK_METRICS`, or the reason why there is none."""

EXAMPLES = """examples:
  python -m data.stacks -o rendered
  python -m model.experiments stacks rendered -o results
  python -m model.experiments stacks rendered -o results --methods default choice --fused other=DIR
written: OUT/stacks.md and .csv, OUT/fused/METHOD/STACK.png, OUT/records/METHOD/STACK.json"""


def measure(truth: np.ndarray, fused: np.ndarray) -> dict[str, float]:
    """Compares a result with the truth.

    Args:
        truth: (H, W, 3) uint8 RGB.
        fused: Of the same kind; of another size where it was cut.

    Returns:
        Value by name in `STACK_METRICS`.

    Raises:
        InputError: if it cannot be aligned to the truth.
    """
    fused, truth = crop_border(align_to_reference(truth, fused)), crop_border(truth)
    return {
        "psnr": compute("psnr", truth, truth, fused, color="rgb", reference=truth),
        "ssim": ssim(truth, fused),
        "spurious": spurious_gradient(truth, fused),
        "lost": lost_gradient(truth, fused),
    }


def measure_all(
    stacks: Sequence[RenderedStack], methods: Mapping[str, StackMethod], folder: Path, quiet: bool = True
) -> dict[str, dict[str, Outcome]]:
    """Fuses and measures what has no record yet; an error of a method on a stack fails that result alone.

    Args:
        stacks: With their truth.
        methods: Name to method.
        folder: Folder of records and fused images.
        quiet: Hides the progress bar.

    Returns:
        Method to stack to what was measured; an upper bound only where it is one.
    """
    records: dict[str, dict[str, Outcome]] = {name: {} for name in methods}
    with tqdm(total=len(stacks) * len(methods), unit="result", disable=quiet) as bar:
        for stack in stacks:
            digests = [image_digest(path) for path in (stack.truth, *stack.frames)]
            for name, method in methods.items():
                bar.update()
                if method.bound and stack.differs:
                    continue
                bar.set_postfix_str(printable(f"{stack.name}, {name}"))
                with isolate_errors(f"{name}, {stack.name}") as part:
                    records[name][stack.name] = _measured(name, method, stack, digests, folder)
                if part.failure:
                    records[name][stack.name] = part.failure
    return records


def _measured(
    name: str, method: StackMethod, stack: RenderedStack, digests: Sequence[str], folder: Path
) -> dict[str, Any]:
    key = {"files": digests, "inputs": method.inputs(stack)}
    record = Record(folder / "records" / name / f"{stack.name}.json", key)
    known = record.read({"scores": dict})
    if known is not None and set(known["scores"]) == set(STACK_METRICS):
        return known["scores"]
    fused = method.fuse(stack)
    write_image(_fused_path(folder, name, stack.name), fused)
    return record.write({"scores": measure(read_image(stack.truth), fused)})["scores"]


def _fused_path(folder: Path, name: str, stack: str) -> Path:
    return folder / "fused" / name / f"{stack}.png"


def scene_table(records: Mapping[str, Mapping[str, Outcome]], metric: str) -> Table:
    """Builds the table of one metric: a row for each stack and their mean, a column for each method; the upper bound is
    not ranked."""
    stacks = list(dict.fromkeys(stack for by_stack in records.values() for stack in by_stack))
    rows: list[Any] = [
        (stack, *_ranked(metric, {name: records[name].get(stack) for name in records})) for stack in stacks
    ]
    rows.append(("mean", *_ranked(metric, {name: _means(by_stack, stacks) for name, by_stack in records.items()})))
    title = get_metric(metric)
    return Table(("Stack", *records), rows, f"{title.symbol} {title.arrow}: {title.title}")


def ablation_table(records: Mapping[str, Mapping[str, Outcome]]) -> Table:
    """Builds the table of our variants: a row of means for each, over the stacks on which none of them failed."""
    own = {name: by_stack for name, by_stack in records.items() if name in STACK_VARIANTS}
    stacks = [stack for stack in next(iter(own.values())) if all(isinstance(by[stack], dict) for by in own.values())]
    rows: list[Any] = []
    for name, by_stack in own.items():
        means = _means(by_stack, stacks)
        numbers = [format(means[m], STACK_METRICS[m]) if isinstance(means, dict) else FAILED for m in STACK_METRICS]
        rows.append((name, *numbers))
    columns = [Column(get_metric(metric).symbol, arrow=get_metric(metric).arrow) for metric in STACK_METRICS]
    return Table(("Variant", *columns), rows, f"Our default and its variants, means over n = {len(stacks)} stacks")


def _means(by_stack: Mapping[str, Outcome], stacks: Iterable[str]) -> Outcome | None:
    rows = [by_stack.get(stack) for stack in stacks]
    if not rows or None in rows:
        return None
    measured = [row for row in rows if isinstance(row, dict)]
    if len(measured) < len(rows):
        return FAILED
    return {metric: fmean(row[metric] for row in measured) for metric in STACK_METRICS}


def _ranked(metric: str, row: Mapping[str, Outcome | None]) -> list[Cell]:
    """Returns the cells of a row with the ranks of the best two methods."""
    values = {name: round(record[metric], 4) for name, record in row.items() if isinstance(record, dict)}
    known = {value for name, value in values.items() if name != CHOICE}
    best = sorted(known, reverse=get_metric(metric).larger_is_better)[:2]
    ranks = {value: place for place, value in enumerate(best, start=1)}
    return [
        Cell(format(values[name], STACK_METRICS[metric]), 0 if name == CHOICE else ranks.get(values[name], 0))
        if name in values
        else Cell("-" if row[name] is None else FAILED)
        for name in row
    ]


def records_csv(records: Mapping[str, Mapping[str, Outcome]]) -> str:
    """Formats one row for each method and stack, in full precision; a failed one has its reason in place of numbers."""
    rows = [["method", "stack", *STACK_METRICS, "failure"]]
    for name, by_stack in records.items():
        for stack, record in by_stack.items():
            numbers = [""] * len(STACK_METRICS) if isinstance(record, str) else [repr(record[m]) for m in STACK_METRICS]
            rows.append([name, stack, *numbers, record if isinstance(record, str) else ""])
    return csv_text(rows)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    known = [*STACK_VARIANTS, *TOOLS, CHOICE]
    parser.add_argument("folder", type=Path, metavar="DIR", help="stacks with their truth, at any depth")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    text = f"methods to compare, of {', '.join(known)} (all)"
    parser.add_argument("--methods", nargs="+", choices=known, metavar="NAME", help=text)
    text = "results of other tools, DIR/STACK.png and so on; may be given again"
    add_named(parser, "--fused", "NAME=DIR", text)
    add_shared(parser, "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if there is no stack, or a folder of results cannot be used.
    """
    stacks = find_rendered(arguments.folder)
    folders = by_name("--fused", arguments.fused, Path)
    methods, absent = choose(arguments.methods, folders)
    protect_files(
        (_fused_path(arguments.output, name, stack.name) for name in methods for stack in stacks),
        [
            *(path for stack in stacks for path in (stack.truth, *stack.frames)),
            *(path for folder in folders.values() for path in folder.iterdir()),
        ],
    )
    make_folder(arguments.output)
    records = measure_all(stacks, methods, arguments.output, arguments.quiet)
    tables = [scene_table(records, metric) for metric in STACK_METRICS]
    if OUR_DEFAULT in records:
        tables.append(ablation_table(records))
    text = "\n".join(table.markdown() for table in tables)
    if absent:
        text += f"\nNot installed, or not on the PATH: {', '.join(absent)}.\n"
    write_text(arguments.output / "stacks.md", text)
    write_text(arguments.output / "stacks.csv", records_csv(records))
    if not arguments.quiet:
        print(text, end="")
    failed = any(isinstance(record, str) for by_stack in records.values() for record in by_stack.values())
    return EXIT_FAILED if failed else EXIT_DONE
