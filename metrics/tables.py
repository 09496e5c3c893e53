"""Results as data: mean and standard deviation per method, tables per pair, CSV and JSON.

A failed value is a string that says why, or NaN (undefined for these images). It is never averaged in: the mean is over
the pairs that succeeded, their number is printed, and the method is not ranked, because its rivals have more pairs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, isnan, nan

import numpy as np

from metrics.markup import Cell, Column, Table, csv_text
from metrics.registry import get_metric

_DECIMALS = 4
_UNDEFINED = "the metric is undefined for these images (0/0)"
_NOT_EVALUATED = "not evaluated"
_FAILURES_SHOWN = 10
_COLOR_NAMES = {"gray": "BT.601 gray", "rgb": "the mean of the RGB channels"}


@dataclass(frozen=True)
class Scores:
    """Everything that the tables need.

    Attributes:
        results: Method to pair to metric to value, or to the reason why there is none. Orders rows.
        variants: Metric to the variant that was computed. Orders columns.
        color: Color mode of the metrics, "gray" or "rgb".
        labels: Method to its printed name, where that says more, such as "CSR (JPEG)".
        notes: Sentences to stand under every table.
    """

    results: Mapping[str, Mapping[str, Mapping[str, float | str]]]
    variants: Mapping[str, str]
    color: str = "gray"
    labels: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def pairs(self) -> list[str]:
        """All pairs that any method has, in the order of their first appearance."""
        return list(dict.fromkeys(pair for by_pair in self.results.values() for pair in by_pair))

    def label(self, method: str) -> str:
        """The printed name of a method."""
        return self.labels.get(method, method)

    def value(self, method: str, pair: str, metric: str) -> float | str:
        """A number (never NaN), or the reason why there is none."""
        value = self.results[method].get(pair, {}).get(metric, _NOT_EVALUATED)
        return _UNDEFINED if isinstance(value, float) and isnan(value) else value

    def failures(self, pairs: Sequence[str]) -> list[tuple[str, str, str]]:
        """Method, pair and reason of everything that failed; the metric is named where others succeeded."""
        found = []
        for method in self.results:
            for pair in pairs:
                reasons = {m: v for m in self.variants if isinstance(v := self.value(method, pair, m), str)}
                if len(reasons) == len(self.variants) and len(set(reasons.values())) == 1:
                    found.append((method, pair, next(iter(reasons.values()))))
                elif reasons:
                    found.append((method, pair, "; ".join(f"{metric}: {reason}" for metric, reason in reasons.items())))
        return found

    def undefined(self) -> list[tuple[str, str, str]]:
        """As `failures`, of all pairs: those in which nothing was raised for a metric, and yet it has no value."""
        missing = {
            (method, pair)
            for method, by_pair in self.results.items()
            for pair, row in by_pair.items()
            if any(isinstance(value, float) and isnan(value) for value in row.values())
        }
        return [failure for failure in self.failures(self.pairs) if failure[:2] in missing]


@dataclass(frozen=True)
class Summary:
    """One metric of one method over all pairs.

    Attributes:
        mean: Mean over the `count` pairs that succeeded; NaN where none did.
        std: Sample standard deviation (divisor n - 1); NaN for fewer than two pairs or an infinite value.
        count: Pairs that succeeded.
        total: All pairs.
    """

    mean: float
    std: float
    count: int
    total: int


def summarize(scores: Scores) -> dict[str, dict[str, Summary]]:
    """Method to metric to its summary."""
    pairs = scores.pairs
    return {
        method: {metric: _summary([scores.value(method, pair, metric) for pair in pairs]) for metric in scores.variants}
        for method in scores.results
    }


def summary_table(scores: Scores) -> Table:
    """Mean ± sample standard deviation: one row for each method, one column for each metric."""
    pairs, summaries = scores.pairs, summarize(scores)
    complete = {
        metric: [s[metric].mean if s[metric].count == len(pairs) else None for s in summaries.values()]
        for metric in scores.variants
    }
    ranks = {metric: _rank(means, get_metric(metric).larger_is_better) for metric, means in complete.items()}
    failed = [method for method, _, _ in scores.failures(pairs)]
    rows = tuple(
        (
            scores.label(method),
            (
                *(Cell(_format_summary(summary), ranks[metric][row]) for metric, summary in by_metric.items()),
                Cell(_format_count(len(pairs), failed.count(method))),
            ),
        )
        for row, (method, by_metric) in enumerate(summaries.items())
    )
    caption = f"Mean ± sample standard deviation over n = {len(pairs)} pairs, {_describe(scores)}"
    return Table(caption, (*_columns(scores), Column("Pairs", "Pairs")), rows, _notes(scores, pairs))


def pair_table(scores: Scores, pair: str) -> Table:
    """One pair: one row for each method, one column for each metric."""
    values = {metric: [scores.value(method, pair, metric) for method in scores.results] for metric in scores.variants}
    ranks = {
        metric: _rank([None if isinstance(v, str) else v for v in column], get_metric(metric).larger_is_better)
        for metric, column in values.items()
    }
    rows = tuple(
        (
            scores.label(method),
            tuple(Cell(_format(values[metric][row]), ranks[metric][row]) for metric in scores.variants),
        )
        for row, method in enumerate(scores.results)
    )
    return Table(f"Pair {pair}, {_describe(scores)}", _columns(scores), rows, _notes(scores, [pair]))


def tables_as_text(scores: Scores, pairs: Sequence[str]) -> dict[str, str]:
    """The tables by the name of the file they belong in; `per_pair.md` has the pairs asked for, `per_pair.csv` all."""
    summary = summary_table(scores)
    return {
        "per_pair.csv": per_pair_csv(scores),
        "per_pair.md": "\n".join(pair_table(scores, pair).markdown() for pair in pairs),
        "summary.csv": summary_csv(scores),
        "summary.md": summary.markdown(),
        "summary.tex": summary.latex(),
    }


def per_pair_csv(scores: Scores) -> str:
    """One row for each method and pair, in full precision; a failed value is empty and `failure` says why."""
    failures = {(method, pair): reason for method, pair, reason in scores.failures(scores.pairs)}
    rows = [["method", "pair", "color", *(f"{name}[{v}]" for name, v in scores.variants.items()), "failure"]]
    for method in scores.results:
        for pair in scores.pairs:
            values = [scores.value(method, pair, metric) for metric in scores.variants]
            numbers = ["" if isinstance(value, str) else repr(float(value)) for value in values]
            rows.append([scores.label(method), pair, scores.color, *numbers, failures.get((method, pair), "")])
    return csv_text(rows)


def summary_csv(scores: Scores) -> str:
    """One row for each method and metric: variant, direction, n, failed, mean and sample standard deviation."""
    rows = [["method", "metric", "variant", "color", "better", "n", "failed", "mean", "std"]]
    for method, by_metric in summarize(scores).items():
        for name, summary in by_metric.items():
            better = "larger" if get_metric(name).larger_is_better else "smaller"
            numbers = ["" if isnan(number) else repr(number) for number in (summary.mean, summary.std)]
            counts = [str(summary.count), str(summary.total - summary.count)]
            row = [scores.label(method), name, scores.variants[name], scores.color, better]
            rows.append([*row, *counts, *numbers])
    return csv_text(rows)


def to_json(scores: Scores) -> str:
    """The same as standard JSON: a failed value is null, an infinite one the string "inf"."""
    failures = scores.failures(scores.pairs)
    summaries = summarize(scores)
    methods = {
        method: {
            "label": scores.label(method),
            "summary": {
                name: {"mean": _json(s.mean), "std": _json(s.std), "n": s.count, "failed": s.total - s.count}
                for name, s in summaries[method].items()
            },
            "pairs": {
                pair: {name: _json(scores.value(method, pair, name)) for name in scores.variants}
                for pair in scores.pairs
            },
            "failures": {pair: reason for failed, pair, reason in failures if failed == method},
        }
        for method in scores.results
    }
    document = {"color": scores.color, "variants": dict(scores.variants), "notes": list(scores.notes)}
    return json.dumps(document | {"methods": methods}, indent=2, allow_nan=False)


def _summary(values: list[float | str]) -> Summary:
    numbers = [float(value) for value in values if not isinstance(value, str)]
    mean = sum(numbers) / len(numbers) if numbers else nan
    std = float(np.std(numbers, ddof=1)) if len(numbers) > 1 and isfinite(mean) else nan
    return Summary(mean, std, len(numbers), len(values))


def _rank(values: list[float | None], larger_is_better: bool) -> list[int]:
    """1 for the best, 2 for the second best, as printed; None is not ranked, and one value alone is no best."""
    rounded = [None if value is None else round(value, _DECIMALS) for value in values]
    ordered = sorted({value for value in rounded if value is not None}, reverse=larger_is_better)
    if sum(value is not None for value in rounded) < 2:
        return [0] * len(values)
    ranks = {value: rank for rank, value in enumerate(ordered[:2], start=1)}
    return [ranks.get(value, 0) for value in rounded]


def _format(value: float | str) -> str:
    if isinstance(value, str):
        return "failed"
    return "∞" if value == inf else f"{value:.{_DECIMALS}f}"


def _format_summary(summary: Summary) -> str:
    if summary.count == 0:
        return "failed"
    spread = "" if isnan(summary.std) else f" ± {summary.std:.{_DECIMALS}f}"
    partial = "" if summary.count == summary.total else f" (n = {summary.count})"
    return f"{_format(summary.mean)}{spread}{partial}"


def _format_count(total: int, failed: int) -> str:
    return f"{total - failed}/{total} failed: {failed}" if failed else str(total)


def _columns(scores: Scores) -> tuple[Column, ...]:
    metrics = [get_metric(name) for name in scores.variants]
    return tuple(Column(metric.symbol, metric.latex, metric.arrow) for metric in metrics)


def _describe(scores: Scores) -> str:
    named = [
        f"{metric.symbol} {scores.variants[metric.name]}"
        for metric in map(get_metric, scores.variants)
        if len(metric.variants) > 1
    ]
    variants = f" Variants: {', '.join(named)}." if named else ""
    return f"on {_COLOR_NAMES[scores.color]}. Best in bold, second underlined.{variants}"


def _notes(scores: Scores, pairs: Sequence[str]) -> tuple[str, ...]:
    failures = scores.failures(pairs)
    notes = [f"Failed: {scores.label(method)}, {pair}: {reason}" for method, pair, reason in failures[:_FAILURES_SHOWN]]
    if len(failures) > _FAILURES_SHOWN:
        notes.append(f"Failed: {len(failures) - _FAILURES_SHOWN} more, listed in the CSV file of all pairs.")
    if failures and len(pairs) > 1:
        notes.append("A method with failures is averaged over the other pairs and not ranked.")
    return (*notes, *scores.notes)


def _json(value: float | str) -> float | str | None:
    if isinstance(value, str) or isnan(value):
        return None
    return value if isfinite(value) else "inf"
