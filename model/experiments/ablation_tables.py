"""The tables of the paper's ablations: validation and metrics of all runs, and transfer pair by pair."""

from collections.abc import Collection, Iterable
from dataclasses import replace
from typing import Any

from metrics.markup import Column, Table
from metrics.scores import Scores
from metrics.tables import pair_table, summary_table
from model.experiments.plans import ENCODER_SKIPS, NON_TRANSFER, PROPOSED

MEASURED = {
    "val_accuracy": ("accuracy", 4),
    "val_iou": ("IoU", 4),
    "val_compared_accuracy": ("compared", 4),
    "val_psnr": ("PSNR (dB)", 2),
    "val_ssim": ("SSIM", 4),
    "val_q_abf": ("Q_ABF", 4),
}
"""What validation measured, its name in tables, and digits."""

USES = ("last", "best")
"""Epochs whose weights and figures can count: the paper's, and the one with the highest IoU on held-out scenes."""


def make_tables(rows: dict[str, dict[str, Any]], scores: Scores | None, use: str = USES[0]) -> dict[str, str]:
    """The paper's three tables (losses, normalization and initialization; seeds; transfer), and one of skips inside the
    encoders where there is such a run.

    Args:
        rows: Name of a run to its record, or why there is none.
        scores: Of what the runs fused, if they did.
        use: One of `USES`.
    """
    seeds = seeds_of(rows)
    ablated = [name for name in rows if name not in (*seeds, NON_TRANSFER, ENCODER_SKIPS)]
    groups = {
        "table1": ("Ablation of loss, normalization and initialization", [*seeds[:1], *ablated]),
        "table2": ("The proposed training with different seeds", seeds),
        "table3": ("With and without transfer", transfer_of(rows)),
    }
    if ENCODER_SKIPS in rows:
        groups["skips"] = ("With and without skips inside the encoders", [*seeds[:1], ENCODER_SKIPS])
    texts = {}
    for key, (caption, names) in groups.items():
        text = validation_table(caption, {name: rows[name] for name in names}, use).markdown()
        measured = [name for name in names if scores is not None and name in scores.results]
        if scores is not None and measured:
            part = replace(scores, results={name: scores.results[name] for name in measured})
            text += "\n" + summary_table(part).markdown()
            if key == "table3" and len(measured) == 2:
                text += "\n" + by_pair_table(part).markdown()
        texts[key] = text
    return texts


def by_pair_table(scores: Scores) -> Table:
    """Two methods compared on each pair.

    Args:
        scores: Of two methods.

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


def seeds_of(names: Iterable[str]) -> list[str]:
    """The runs of the proposed training, one for each seed."""
    return [name for name in names if name.startswith(PROPOSED)]


def transfer_of(names: Collection[str]) -> list[str]:
    """The runs that show what transfer does: the first of these, and the one without."""
    return [*seeds_of(names)[:1], *(name for name in names if name == NON_TRANSFER)]


def validation_table(caption: str, rows: dict[str, dict[str, Any]], use: str) -> Table:
    """What validation measured in each run's last or best epoch; a run without a record says why below the table."""
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
        used = record["epochs"][-1 if use == "last" else int(record["best_epoch"]) - 1]
        values = (f"{used[key]:.{digits}f}" for key, (_, digits) in MEASURED.items())
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
