"""Scores of methods on pairs as data, and their mean and standard deviation.

A failed value is a string that gives the reason, or NaN (undefined for these images). It is never averaged in: the mean
is over the pairs that succeeded, their number is printed, and the method is not ranked, because others have more pairs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite, isnan, nan

import numpy as np

from metrics.metric import Metric

_NOT_EVALUATED = "not evaluated"
"""Reason of a pair that only other methods have."""


@dataclass(frozen=True)
class Scores:
    """Scores of methods on pairs: everything that tables need.

    Attributes:
        results: Method to pair to metric name to value, or to the reason why there is none; in the order of rows.
        variants: Metric to the variant that was computed, in the order of columns.
        color: Color mode of the metrics, "gray" or "rgb".
        titles: Method to its printed name where that differs, such as "CSR (JPEG)".
        notes: Sentences to print under every table.
    """

    results: Mapping[str, Mapping[str, Mapping[str, float | str]]]
    variants: Mapping[Metric, str]
    color: str = "gray"
    titles: Mapping[str, str] = field(default_factory=dict)
    notes: Sequence[str] = ()

    @property
    def pairs(self) -> list[str]:
        """Pairs that any method has, in the order of their first appearance."""
        return list(dict.fromkeys(pair for by_pair in self.results.values() for pair in by_pair))

    def title(self, method: str) -> str:
        """Returns the printed name of a method."""
        return self.titles.get(method, method)

    def value(self, method: str, pair: str, metric: Metric) -> float | str:
        """Returns a number (never NaN), or the reason why there is none."""
        value = self.results[method].get(pair, {}).get(metric.name, _NOT_EVALUATED)
        if isinstance(value, float) and isnan(value):
            return f"the metric is undefined for these images ({metric.undefined})"
        return value

    def failures(self, pairs: Sequence[str]) -> list[tuple[str, str, str]]:
        """Lists method, pair and reason of every failure; the reason names the metrics where others succeeded."""
        found = []
        for method in self.results:
            for pair in pairs:
                reasons = {m.name: v for m in self.variants if isinstance(v := self.value(method, pair, m), str)}
                if len(reasons) == len(self.variants) and len(set(reasons.values())) == 1:
                    found.append((method, pair, next(iter(reasons.values()))))
                elif reasons:
                    found.append((method, pair, "; ".join(f"{name}: {reason}" for name, reason in reasons.items())))
        return found

    def undefined(self) -> list[tuple[str, str, str]]:
        """Lists the `failures` of all pairs in which some metric is NaN: no error was raised that would name it."""
        missing = {
            (method, pair)
            for method, by_pair in self.results.items()
            for pair, row in by_pair.items()
            if any(isinstance(value, float) and isnan(value) for value in row.values())
        }
        return [failure for failure in self.failures(self.pairs) if failure[:2] in missing]


@dataclass(frozen=True)
class Summary:
    """Mean and spread of one metric of one method over all pairs.

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
    """Summarizes all pairs: method to metric name to summary."""
    pairs = scores.pairs
    return {
        method: {one.name: _summary([scores.value(method, pair, one) for pair in pairs]) for one in scores.variants}
        for method in scores.results
    }


def _summary(values: list[float | str]) -> Summary:
    numbers = [float(value) for value in values if not isinstance(value, str)]
    mean = sum(numbers) / len(numbers) if numbers else nan
    std = float(np.std(numbers, ddof=1)) if len(numbers) > 1 and isfinite(mean) else nan
    return Summary(mean, std, len(numbers), len(values))
