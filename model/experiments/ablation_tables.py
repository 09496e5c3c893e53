"""The tables of the paper's ablations: validation and metrics of all runs, and transfer pair by pair."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from typing import Any

from metrics.markup import Column, Table
from metrics.scores import Scores
from metrics.tables import pair_table, summary_table
from model.experiments.plans import ENCODER_SKIPS, NON_TRANSFER, PROPOSED, runs_of
from model.experiments.transfer_effect import VALIDATION_MEASURES, transfer_effect, used_epoch

USES = ("last", "best")
"""Epochs whose weights and figures can count: the last as in the paper, or that with the highest IoU on held-out
scenes."""


def make_tables(rows: dict[str, dict[str, Any]], scores: Scores | None, use: str = USES[0]) -> dict[str, str]:
    """Builds the paper's three tables (losses, normalization and initialization; seeds; transfer), and one of skips
    inside the encoders where there is such a run.

    Args:
        rows: Name of a run to its record, or why there is none.
        scores: Scores of what the runs fused, if they did.
        use: One of `USES`.
    """
    seeds, without = runs_of(rows, PROPOSED), runs_of(rows, NON_TRANSFER)
    ablated = [name for name in rows if name not in (*seeds, *without, ENCODER_SKIPS)]
    groups = {
        "table1": ("Ablation of loss, normalization and initialization", [*seeds[:1], *ablated]),
        "table2": ("The proposed training with different seeds", seeds),
        "table3": ("With and without transfer", [*(seeds if len(without) > 1 else seeds[:1]), *without]),
    }
    if ENCODER_SKIPS in rows:
        groups["skips"] = ("With and without skips inside the encoders", [*seeds[:1], ENCODER_SKIPS])
    texts = {}
    for key, (caption, names) in groups.items():
        tables = [validation_table(caption, {name: rows[name] for name in names}, use)]
        measured = _part(scores, names)
        if measured:
            tables.append(summary_table(measured))
        if key == "table3":
            tables += _compare_transfer(rows, measured, use)
        texts[key] = "\n".join(table.markdown() for table in tables)
    return texts


def _part(scores: Scores | None, names: Iterable[str]) -> Scores | None:
    """Returns the scores of some runs; None where none of them has any."""
    results = {name: scores.results[name] for name in names if name in scores.results} if scores else {}
    return replace(scores, results=results) if scores and results else None


def _compare_transfer(rows: dict[str, dict[str, Any]], scores: Scores | None, use: str) -> Iterator[Table]:
    """Yields the tests over the seeds, where there are several, and the first runs with and without pair by pair."""
    effect = transfer_effect(rows, scores, use)
    if effect:
        yield effect
    first = _part(scores, transfer_of(rows))
    if first and len(first.results) == 2:
        yield by_pair_table(first)


def by_pair_table(scores: Scores) -> Table:
    """Builds the table of two methods, pair by pair.

    Args:
        scores: Scores of two methods.

    Returns:
        A row for each pair and metric: both values and the name of the better method, "equal" where both are printed
        alike, "-" where one has failed.
    """
    rows = []
    for pair in scores.pairs:
        table = pair_table(scores, pair)
        names, *columns = zip(*table.rows, strict=True)
        titled = [column for column in table.columns[1:] if isinstance(column, Column)]
        for metric, cells in zip(titled, columns, strict=True):
            best = [name for name, cell in zip(names, cells, strict=True) if cell.rank == 1]
            values = [cell if [name] == best else cell.text for name, cell in zip(names, cells, strict=True)]
            better = "equal" if len(best) == 2 else "".join(best) or "-"
            rows.append((pair, f"{metric.title} {metric.arrow}", *values, better))
    header = ("Pair", "Metric", *map(scores.title, scores.results), "Better")
    return Table(header, rows, "Pair by pair, as printed; the better value in bold", scores.notes)


def transfer_of(names: Collection[str]) -> list[str]:
    """Returns the first run with transfer and the first without, which have the same seed."""
    return [*runs_of(names, PROPOSED)[:1], *runs_of(names, NON_TRANSFER)[:1]]


def validation_table(caption: str, rows: dict[str, dict[str, Any]], use: str) -> Table:
    """Builds the table of what validation measured in each run's last or best epoch; below it stands why a run has no
    record."""
    columns = ("Method", *(title for title, _ in VALIDATION_MEASURES.values()), "Seconds")
    lines, notes = [], []
    for name, row in rows.items():
        if "record" not in row:
            lines.append((name, *["-"] * (len(columns) - 1)))
            notes.append(f"{name}: {row.get('failure') or row['reason']}")
            continue
        if "failure" in row:
            notes.append(f"{name}: {row['failure']}")
        record = row["record"]
        used = used_epoch(record, use)
        values = (f"{used[key]:.{digits}f}" for key, (_, digits) in VALIDATION_MEASURES.items())
        lines.append((name, *values, f"{record['training_seconds']:.0f}"))
    some = next((row["record"] for row in rows.values() if "record" in row), None)
    if some:
        config = some["config"]
        notes.append(
            f"Variant {config['variant']}, recipe {config['recipe']}, {some['steps']} steps of "
            f"{2 * config['pairs_per_batch']} images of {config['size']}x{config['size']}, {some['training_scenes']} "
            f"scenes, {config['optimizer']} {config['learning_rate']:g}, {use} epoch; {some['device']}."
        )
    return Table(columns, lines, f"{caption}: validation on held-out scenes", notes)
