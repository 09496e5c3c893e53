"""Ranks of methods over many pairs, and tests of whether they differ significantly.

Source: Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: Friedman's test over all
methods, then Wilcoxon's signed-rank test of one against each other with Holm's correction.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy import stats

from metrics.markup import Cell, Table
from metrics.metric import Metric
from metrics.scores import Scores
from metrics.tables import FAILED, metric_columns, rank_cells

SIGNIFICANT = 0.05
"""Significance level: a difference with a smaller p is significant."""


@dataclass(frozen=True)
class Significance:
    """Ranks of methods by one metric, and the tests of their differences.

    Attributes:
        mean_ranks: Method to its mean rank over the pairs, 1 = best, equal values sharing their rank; only methods
            that have every pair.
        friedman: p of Friedman's test that all methods are equal; NaN for fewer than three methods or two pairs.
        wilcoxon: Method to p of Wilcoxon's test against the first method, after Holm's correction; without the first.
        better: Method to whether its median difference from the first is in its favor.
    """

    mean_ranks: dict[str, float]
    friedman: float
    wilcoxon: dict[str, float]
    better: dict[str, bool]


def rank(scores: Scores, metric: Metric) -> Significance:
    """Ranks the methods by one metric.

    Args:
        scores: Results of several methods on several pairs.
        metric: One of `scores.variants`.
    """
    sign = -1.0 if metric.larger_is_better else 1.0
    values = {m: [scores.value(m, pair, metric) for pair in scores.pairs] for m in scores.results}
    costs = {m: sign * np.array(row) for m, row in values.items() if not any(isinstance(v, str) for v in row)}
    if not costs:
        return Significance({}, nan, {}, {})
    matrix = np.stack(list(costs.values()))
    ranks = stats.rankdata(matrix, axis=0).mean(1)
    friedman = nan
    if len(costs) > 2 and matrix.shape[1] > 1:
        with np.errstate(invalid="ignore"):  # all equal: 0 / 0
            friedman = float(stats.friedmanchisquare(*matrix).pvalue)
    first, *others = costs
    differences = {method: costs[method] - costs[first] for method in others}
    return Significance(
        dict(zip(costs, map(float, ranks), strict=True)),
        friedman,
        _holm({method: _wilcoxon(difference) for method, difference in differences.items()}),
        {method: bool(np.median(difference) < 0) for method, difference in differences.items()},
    )


def rank_table(scores: Scores) -> Table:
    """Builds the table of mean ranks: a row for each method, a column for each metric, with signs against the first."""
    rankings = {metric: rank(scores, metric) for metric in scores.variants}
    first = scores.title(next(iter(scores.results)))
    columns = [_column(ranking, scores.results) for ranking in rankings.values()]
    rows = list(zip(map(scores.title, scores.results), *columns, strict=True))
    tests = [f"{metric.symbol} {ranking.friedman:.1e}" for metric, ranking in rankings.items()]
    notes = (
        f"p of Friedman's test that all methods are alike: {', '.join(tests)}.",
        f"Against {first}, by Wilcoxon's signed-rank test with Holm's correction at {SIGNIFICANT}: + better, - worse, "
        "= no difference shown.",
    )
    caption = f"Mean ranks over n = {len(scores.pairs)} pairs, 1 = best"
    return Table(("Method", *metric_columns(scores.variants)), rows, caption, notes)


def _column(ranking: Significance, methods: Iterable[str]) -> list[Cell]:
    means = [ranking.mean_ranks.get(method) for method in methods]
    signs = [sign(ranking, method) for method in methods]
    texts = [FAILED if mean is None else f"{mean:.2f}{sign}" for mean, sign in zip(means, signs, strict=True)]
    return rank_cells(texts, means, decimals=2)


def sign(ranking: Significance, method: str) -> str:
    """Returns how a method compares with the first: " +", " -" or " =", "" for the first or without a rank."""
    if method not in ranking.wilcoxon:
        return ""
    if ranking.wilcoxon[method] >= SIGNIFICANT:
        return " ="
    return " +" if ranking.better[method] else " -"


def _wilcoxon(differences: np.ndarray) -> float:
    if len(differences) < 2 or not np.any(differences):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few pairs or ties: scipy takes the normal approximation
        return float(stats.wilcoxon(differences).pvalue)


def _holm(values: Mapping[str, float]) -> dict[str, float]:
    """Applies Holm's correction: the i-th smallest of m values times m - i + 1, never falling."""
    corrected: dict[str, float] = {}
    largest = 0.0
    for place, (method, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, value * (len(values) - place)))
        corrected[method] = largest
    return corrected
