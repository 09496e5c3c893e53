"""Tables of scores: of all pairs or of one, for reading (Markdown, LaTeX) and for computing (CSV, JSON)."""

import json
from collections.abc import Iterable, Sequence
from math import inf, isfinite, isnan

from metrics.markup import Cell, Column, Table, csv_text
from metrics.metric import Metric
from metrics.scores import Scores, Summary, summarize

_DECIMALS = 4
"""Decimals of a value in a table; ranks compare the rounded values."""

FAILED = "failed"
"""Text that a table shows instead of a failed value."""

_FAILURES_SHOWN = 10
"""Most failures listed under a table."""

_COLOR_NAMES = {"gray": "BT.601 gray", "rgb": "the mean of the RGB channels"}
"""Color mode to what the metrics were computed on."""


def summary_table(scores: Scores) -> Table:
    """Builds the table of mean ± sample standard deviation: one row for each method, one column for each metric."""
    pairs, summaries = scores.pairs, summarize(scores).values()
    columns: list[Sequence[Cell | str]] = []
    for metric in scores.variants:
        column = [summary[metric.name] for summary in summaries]
        means = [one.mean if one.count == one.total else None for one in column]
        columns.append(rank_cells(map(_format_summary, column), means, metric.larger_is_better))
    failed = [method for method, _, _ in scores.failures(pairs)]
    columns.append([_format_count(len(pairs), failed.count(method)) for method in scores.results])
    caption = f"Mean ± sample standard deviation over n = {len(pairs)} pairs"
    return _table(scores, caption, columns, pairs, "Pairs")


def pair_table(scores: Scores, pair: str) -> Table:
    """Builds the table of one pair: one row for each method, one column for each metric."""
    columns = []
    for metric in scores.variants:
        column = [scores.value(method, pair, metric) for method in scores.results]
        values = [None if isinstance(value, str) else value for value in column]
        columns.append(rank_cells(map(_format, column), values, metric.larger_is_better))
    return _table(scores, f"Pair {pair}", columns, [pair])


def metric_columns(metrics: Iterable[Metric], arrows: bool = False) -> list[Column]:
    """Builds a header for each metric, with or without an arrow for its direction."""
    return [Column(metric.symbol, metric.latex, metric.arrow if arrows else "") for metric in metrics]


TABLES = ("per_pair.csv", "per_pair.md", "summary.csv", "summary.md", "summary.tex")
"""Names of the files that hold the tables."""


RANK_TABLES = ("ranks.csv", "ranks.md", "ranks.tex")
"""Names of the files that hold the ranks of several methods; `metrics.significance` makes them."""


def tables_as_text(scores: Scores, pairs: Sequence[str]) -> dict[str, str]:
    """Formats all tables, by the name of their file; `per_pair.md` has the given pairs, `per_pair.csv` all."""
    summary = summary_table(scores)
    shown = "\n".join(pair_table(scores, pair).markdown() for pair in pairs)
    texts = per_pair_csv(scores), shown, summary_csv(scores), summary.markdown(), summary.latex()
    return dict(zip(TABLES, texts, strict=True))


def per_pair_csv(scores: Scores) -> str:
    """Formats one row for each method and pair, in full precision; a failed value is empty and `failure` says why."""
    failures = {(method, pair): reason for method, pair, reason in scores.failures(scores.pairs)}
    rows = [["method", "pair", "color", *(one.column(variant) for one, variant in scores.variants.items()), "failure"]]
    for method in scores.results:
        for pair in scores.pairs:
            values = [scores.value(method, pair, metric) for metric in scores.variants]
            numbers = ["" if isinstance(value, str) else repr(float(value)) for value in values]
            rows.append([scores.title(method), pair, scores.color, *numbers, failures.get((method, pair), "")])
    return csv_text(rows)


def summary_csv(scores: Scores) -> str:
    """Formats one row for each method and metric: variant, direction, n, failed, mean and sample standard deviation."""
    rows = [["method", "metric", "variant", "color", "better", "n", "failed", "mean", "std"]]
    for method, by_name in summarize(scores).items():
        for metric, variant in scores.variants.items():
            summary = by_name[metric.name]
            better = "larger" if metric.larger_is_better else "smaller"
            numbers = ["" if isnan(number) else repr(number) for number in (summary.mean, summary.std)]
            counts = [str(summary.count), str(summary.total - summary.count)]
            row = [scores.title(method), metric.name, variant, scores.color, better]
            rows.append([*row, *counts, *numbers])
    return csv_text(rows)


def to_json(scores: Scores) -> str:
    """Formats all scores as standard JSON: a failed value is null, an infinite one the string "inf"."""
    failures = scores.failures(scores.pairs)
    summaries = summarize(scores)
    methods = {
        method: {
            "label": scores.title(method),
            "summary": {
                name: {"mean": _json(s.mean), "std": _json(s.std), "n": s.count, "failed": s.total - s.count}
                for name, s in summaries[method].items()
            },
            "pairs": {
                pair: {metric.name: _json(scores.value(method, pair, metric)) for metric in scores.variants}
                for pair in scores.pairs
            },
            "failures": {pair: reason for failed, pair, reason in failures if failed == method},
        }
        for method in scores.results
    }
    variants = {metric.name: variant for metric, variant in scores.variants.items()}
    document = {"color": scores.color, "variants": variants, "notes": list(scores.notes), "methods": methods}
    return json.dumps(document, indent=2, allow_nan=False)


def _table(
    scores: Scores, caption: str, columns: Sequence[Sequence[Cell | str]], pairs: Sequence[str], *further: str
) -> Table:
    """Builds a table with a row for each method and a column for each metric, then the `further` ones."""
    header: list[Column | str] = ["Method", *metric_columns(scores.variants, arrows=True), *further]
    rows = list(zip(map(scores.title, scores.results), *columns, strict=True))
    label = "tab:fusion" if len(pairs) != 1 else ""
    caption = f"{caption}, {_describe(scores)}"
    return Table(header, rows, caption, _notes(scores, pairs), _notes(scores, pairs, False), label)


def rank_cells(
    texts: Iterable[str], values: Iterable[float | None], larger_is_better: bool = False, decimals: int = _DECIMALS
) -> list[Cell]:
    """Builds the cells of a column and ranks the best two values, compared as printed; None is not ranked, nor is a
    single value."""
    rounded = [None if value is None else round(value, decimals) for value in values]
    known = [value for value in rounded if value is not None]
    best = sorted(set(known), reverse=larger_is_better)[: 2 if len(known) > 1 else 0]
    ranks = {value: rank for rank, value in enumerate(best, start=1)}
    places = [0 if value is None else ranks.get(value, 0) for value in rounded]
    return list(map(Cell, texts, places))


def _format(value: float | str) -> str:
    if isinstance(value, str):
        return FAILED
    return "∞" if value == inf else f"{value:.{_DECIMALS}f}"


def _format_summary(summary: Summary) -> str:
    if summary.count == 0:
        return FAILED
    spread = "" if isnan(summary.std) else f" ± {summary.std:.{_DECIMALS}f}"
    partial = "" if summary.count == summary.total else f" (n = {summary.count})"
    return f"{_format(summary.mean)}{spread}{partial}"


def _format_count(total: int, failed: int) -> str:
    return f"{total - failed}/{total} failed: {failed}" if failed else str(total)


def _describe(scores: Scores) -> str:
    named = [f"{metric.symbol} {variant}" for metric, variant in scores.variants.items() if len(metric.variants) > 1]
    variants = f" Variants: {', '.join(named)}." if named else ""
    return f"on {_COLOR_NAMES[scores.color]}. Best in bold, second underlined.{variants}"


def _notes(scores: Scores, pairs: Sequence[str], reasons: bool = True) -> tuple[str, ...]:
    failures = scores.failures(pairs)
    notes = []
    for method, pair, reason in failures[:_FAILURES_SHOWN]:
        notes.append(f"Failed: {scores.title(method)}, {pair}{f': {reason}' if reasons else '.'}")
    if len(failures) > _FAILURES_SHOWN:
        notes.append(f"Failed: {len(failures) - _FAILURES_SHOWN} more, listed in the CSV file of all pairs.")
    if failures and len(pairs) > 1:
        notes.append("A method with failures is averaged over the other pairs and not ranked.")
    return (*notes, *scores.notes)


def _json(value: float | str) -> float | str | None:
    if isinstance(value, str) or isnan(value):
        return None
    return value if isfinite(value) else "inf"
