"""Whether transfer helps: runs with it against runs without it, over the seeds."""

import warnings
from collections.abc import Sequence
from math import isnan
from statistics import fmean, stdev
from typing import Any

from metrics.markup import Cell, Table
from metrics.metric import Metric
from metrics.scores import Scores, summarize
from metrics.tables import FAILED
from model.experiments.plans import NON_TRANSFER, PROPOSED, runs_of

VALIDATION_MEASURES = {
    "val_accuracy": ("accuracy", 4),
    "val_iou": ("IoU", 4),
    "val_compared_accuracy": ("compared", 4),
    "val_psnr": ("PSNR (dB)", 2),
    "val_ssim": ("SSIM", 4),
    "val_q_abf": ("Q_ABF", 4),
}
"""Measures of validation: name in tables and digits; larger is better."""

EFFECT_COLUMNS = ("With", "Without", "Difference", "p, Welch", "p, Mann-Whitney", "p, Wilcoxon")
"""Columns of the table beside the first."""

NOTES = (
    "Bold: significantly better by Welch's t-test at {level}. Welch's t-test and Mann-Whitney's U test compare the "
    "seeds, unpaired; of metrics of fused pairs these are means over the pairs.",
    "Wilcoxon's signed-rank test compares the means over the seeds pair by pair. No p is corrected for the number of "
    "rows.",
)
"""Notes below the table."""


def used_epoch(record: dict[str, Any], use: str) -> dict[str, Any]:
    """Returns the row of a run's epoch that counts: its "last", or its "best" by IoU."""
    return record["epochs"][-1 if use == "last" else int(record["best_epoch"]) - 1]


def transfer_effect(rows: dict[str, dict[str, Any]], scores: Scores | None, use: str) -> Table | None:
    """Compares runs with and without transfer.

    Args:
        rows: Name of a run to its record, or why there is none.
        scores: Scores of what the runs fused, if they did.
        use: The epoch that counts; see `used_epoch`.

    Returns:
        A row for each measure of validation and each metric: mean and sample standard deviation with and without
        transfer, their difference, and p of three tests that there is none; None where a side has fewer than two runs.
    """
    from metrics.significance import SIGNIFICANT  # loads scipy's statistics

    sides = [[name for name in runs_of(rows, kind) if "record" in rows[name]] for kind in (PROPOSED, NON_TRANSFER)]
    if min(map(len, sides)) < 2:
        return None
    lines = []
    for key, (title, digits) in {"val_loss": ("loss", 4), **VALIDATION_MEASURES}.items():
        first, second = ([used_epoch(rows[name]["record"], use)[key] for name in side] for side in sides)
        up = key != "val_loss"
        cells = _compare(first, second, digits, up, SIGNIFICANT)
        lines.append((f"validation: {title} {'↑' if up else '↓'}", *cells, "-"))
    if scores:
        fused = [[name for name in side if name in scores.results] for side in sides]
        lines += [_compare_metric(scores, fused, metric, SIGNIFICANT) for metric in scores.variants]
    counts = " and ".join(str(len(side)) for side in sides)
    caption = f"Effect of transfer: mean ± sample standard deviation over the seeds, n = {counts}"
    return Table(("Measure", *EFFECT_COLUMNS), lines, caption, [note.format(level=SIGNIFICANT) for note in NOTES])


def _compare_metric(scores: Scores, sides: Sequence[Sequence[str]], metric: Metric, level: float) -> tuple[Any, ...]:
    """Builds the row of a metric; where it failed on a pair, it has no means to compare."""
    from metrics.significance import rank

    title = f"{metric.symbol} {metric.arrow}"
    summaries = summarize(scores)
    used = [[summaries[name][metric.name] for name in side] for side in sides]
    if min(map(len, sides)) < 2 or any(one.count < one.total for side in used for one in side):
        return (title, FAILED, FAILED, *["-"] * (len(EFFECT_COLUMNS) - 2))
    by_pair = {
        str(side): {
            pair: {metric.name: fmean(float(scores.value(name, pair, metric)) for name in names)}
            for pair in scores.pairs
        }
        for side, names in enumerate(sides)
    }
    paired = rank(Scores(by_pair, {metric: scores.variants[metric]}), metric).wilcoxon["1"]
    first, second = ([one.mean for one in side] for side in used)
    return (title, *_compare(first, second, 4, metric.larger_is_better, level), f"{paired:.2g}")


def _compare(first: Sequence[float], second: Sequence[float], digits: int, up: bool, level: float) -> list[Cell | str]:
    """Builds the cells of means, difference and unpaired tests; larger values are better where `up`."""
    difference = fmean(first) - fmean(second)
    welch, mann_whitney = unpaired_tests(first, second)
    cells = [
        Cell(f"{fmean(values):.{digits}f} ± {stdev(values):.{digits}f}", int(welch < level and better))
        for values, better in ((first, (difference > 0) == up), (second, (difference > 0) != up))
    ]
    tests = ("-" if isnan(p) else f"{p:.2g}" for p in (welch, mann_whitney))
    return [*cells, f"{difference:+.{digits}f}", *tests]


def unpaired_tests(first: Sequence[float], second: Sequence[float]) -> tuple[float, float]:
    """Returns p of Welch's t-test and of Mann-Whitney's U test that two samples are alike; NaN where it is undefined,
    as for two equal constants."""
    from scipy import stats

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # samples without spread
        welch = stats.ttest_ind(first, second, equal_var=False).pvalue
        return float(welch), float(stats.mannwhitneyu(first, second).pvalue)
