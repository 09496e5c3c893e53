"""Ranks of methods over many pairs, and whether differences between them are more than chance.

Source: Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: Friedman's test over all
methods, then Wilcoxon's signed-rank test of one against each other with Holm's correction.
"""

import warnings
from dataclasses import dataclass
from math import nan

import numpy as np
from scipy import stats

from metrics.markup import Table
from metrics.registry import get_metric
from metrics.scores import Scores
from metrics.tables import FAILED, metric_columns, rank_cells

SIGNIFICANT = 0.05
"""Below this p a difference counts as shown."""


@dataclass(frozen=True)
class Significance:
    """Ranks by one metric.

    Attributes:
        mean_ranks: Method to its mean rank over the pairs, 1 = best, equal values sharing their ranks; only methods
            that have every pair.
        friedman: p of Friedman's test that all are alike; NaN for fewer than three methods or two pairs.
        wilcoxon: Method to p of Wilcoxon's test against the first method, after Holm; without the first.
        better: Method to whether its median difference from the first is to its favor.
    """

    mean_ranks: dict[str, float]
    friedman: float
    wilcoxon: dict[str, float]
    better: dict[str, bool]


def rank(scores: Scores, metric: str) -> Significance:
    """Ranks the methods by one metric.

    Args:
        scores: Results of several methods on several pairs.
        metric: One of `scores.variants`.
    """
    sign = -1.0 if get_metric(metric).larger_is_better else 1.0
    values = {m: [scores.value(m, pair, metric) for pair in scores.pairs] for m in scores.results}
    costs = {m: sign * np.array(row) for m, row in values.items() if not any(isinstance(v, str) for v in row)}
    if not costs:
        return Significance({}, nan, {}, {})
    matrix = np.stack(list(costs.values()))
    ranks = stats.rankdata(matrix, axis=0).mean(1)
    friedman = nan
    if len(costs) > 2 and matrix.shape[1] > 1:
        with np.errstate(invalid="ignore"):  # all alike: 0 / 0
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
    """Mean ranks: one row for each method, one column for each metric; signs say how each compares with the first."""
    rankings = {metric: rank(scores, metric) for metric in scores.variants}
    first = scores.title(next(iter(scores.results)))
    columns = [_column(ranking, scores.results) for ranking in rankings.values()]
    rows = list(zip(map(scores.title, scores.results), *columns, strict=True))
    tests = [f"{get_metric(metric).symbol} {ranking.friedman:.1e}" for metric, ranking in rankings.items()]
    notes = (
        f"p of Friedman's test that all methods are alike: {', '.join(tests)}.",
        f"Against {first}, by Wilcoxon's signed-rank test with Holm's correction at {SIGNIFICANT}: + better, - worse, "
        "= no difference shown.",
    )
    caption = f"Mean ranks over n = {len(scores.pairs)} pairs, 1 = best"
    return Table(("Method", *metric_columns(scores)), rows, caption, notes)


def _column(ranking, methods):
    means = [ranking.mean_ranks.get(method) for method in methods]
    signs = [_sign(ranking, method) for method in methods]
    texts = [FAILED if mean is None else f"{mean:.2f}{sign}" for mean, sign in zip(means, signs, strict=True)]
    return rank_cells(texts, means, decimals=2)


def _sign(ranking, method):
    if method not in ranking.wilcoxon:
        return ""
    if ranking.wilcoxon[method] >= SIGNIFICANT:
        return " ="
    return " +" if ranking.better[method] else " -"


def _wilcoxon(differences):
    if len(differences) < 2 or not np.any(differences):
        return 1.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # few pairs or ties: scipy takes the normal approximation
        return float(stats.wilcoxon(differences).pvalue)


def _holm(values):
    """Holm's correction: the i-th smallest of m values times m - i + 1, never falling."""
    corrected, largest = {}, 0.0
    for place, (method, value) in enumerate(sorted(values.items(), key=lambda item: item[1])):
        largest = max(largest, min(1.0, value * (len(values) - place)))
        corrected[method] = largest
    return corrected
