"""Ranks of methods over many pairs, and tests of whether they differ significantly.

Source: Demsar, "Statistical comparisons of classifiers over multiple data sets", JMLR 7, 2006: Friedman's test over all
methods, then Wilcoxon's signed-rank test of one against each other with Holm's correction.
"""

import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, nan

import numpy as np
from scipy import stats

from metrics.markup import Cell, Table, csv_text
from metrics.metric import Metric
from metrics.scores import Scores
from metrics.tables import FAILED, RANK_TABLES, metric_columns, rank_cells

SIGNIFICANT = 0.05
"""Significance level: a difference with a smaller p is significant."""


SIGN_NAMES = {"+": "better", "-": "worse", "=": "same"}
"""Signs in words, for CSV, where a spreadsheet would take them for formulas."""


@dataclass(frozen=True)
class Significance:
    """Ranks of methods by one metric, and the tests of their differences.

    Attributes:
        against: The method that the others are tested against.
        pairs: Pairs that count, those that all ranked methods have.
        mean_ranks: Method to its mean rank over these pairs, 1 = best, equal values sharing their rank; only methods
            that have at least half of all pairs.
        friedman: p of Friedman's test that all methods are equal; NaN for fewer than three methods or two pairs.
        wilcoxon: Method to p of Wilcoxon's test against `against`, after Holm's correction; without that method.
        better: Method to whether its median difference from it is in its favor.
    """

    against: str
    pairs: int
    mean_ranks: dict[str, float]
    friedman: float
    wilcoxon: dict[str, float]
    better: dict[str, bool]


def rank(scores: Scores, metric: Metric, against: str | None = None) -> Significance:
    """Ranks the methods by one metric.

    Args:
        scores: Results of several methods on several pairs.
        metric: One of `scores.variants`.
        against: The method that the others are tested against; None takes the first.
    """
    against = against or next(iter(scores.results))
    sign = -1.0 if metric.larger_is_better else 1.0
    values = {method: _values(scores, method, metric) for method in scores.results}
    ranked = {method: row for method, row in values.items() if 2 * (~np.isnan(row)).sum() >= max(1, len(row))}
    if not ranked:
        return Significance(against, 0, {}, nan, {}, {})
    shared = ~np.isnan(np.stack(list(ranked.values()))).any(0)
    if not shared.any():
        return Significance(against, 0, {}, nan, {}, {})
    costs = {method: sign * row[shared] for method, row in ranked.items()}
    matrix = np.stack(list(costs.values()))
    ranks = stats.rankdata(matrix, axis=0).mean(1)
    friedman = nan
    if len(costs) > 2 and matrix.shape[1] > 1:
        with np.errstate(invalid="ignore"):  # all equal: 0 / 0
            friedman = float(stats.friedmanchisquare(*matrix).pvalue)
    with np.errstate(invalid="ignore"):  # infinite values, as of PSNR
        differences = {
            method: cost - costs[against] for method, cost in costs.items() if against in costs and method != against
        }
    return Significance(
        against,
        int(shared.sum()),
        dict(zip(costs, map(float, ranks), strict=True)),
        friedman,
        _holm({method: _wilcoxon(difference) for method, difference in differences.items()}),
        {method: bool(np.median(difference) < 0) for method, difference in differences.items()},
    )


def rank_table(scores: Scores, against: str | None = None) -> Table:
    """Builds the table of mean ranks: a row for each method, a column for each metric, with p and a sign where a method
    is tested against one of them; `against` as in `rank`."""
    rankings = {metric: rank(scores, metric, against) for metric in scores.variants}
    named = next(iter(rankings.values())).against
    columns = [_column(ranking, scores.results) for ranking in rankings.values()]
    rows = list(zip(map(scores.title, scores.results), *columns, strict=True))
    tests = [
        f"{metric.symbol} {ranking.friedman:.1e}" for metric, ranking in rankings.items() if not isnan(ranking.friedman)
    ]
    notes = [f"p of Friedman's test that all methods are alike: {', '.join(tests)}."] if tests else []
    notes.append(
        f"In brackets p against {scores.title(named)}, by Wilcoxon's signed-rank test with Holm's correction for "
        f"{max(1, len(scores.results) - 1)} tests; at {SIGNIFICANT}: + better, - worse, = no difference shown."
    )
    counts = {metric.symbol: ranking.pairs for metric, ranking in rankings.items()}
    least = _least_p(min(counts.values()), len(scores.results) - 1)
    if least >= SIGNIFICANT:
        notes.append(
            f"With so few pairs no difference can be significant: the smallest p that is possible here is {least:.2g}."
        )
    fewer = [f"{symbol} {count}" for symbol, count in counts.items() if count < len(scores.pairs)]
    if fewer:
        notes.append(f"Pairs that count, where some method has not all: {', '.join(fewer)}.")
    caption = f"Mean ranks over n = {len(scores.pairs)} pairs, 1 = best"
    return Table(("Method", *metric_columns(scores.variants)), rows, caption, notes, label="tab:ranks")


def rank_csv(scores: Scores, against: str | None = None) -> str:
    """Formats a row for each method and metric: pairs that count, mean rank, p against one method, and the sign."""
    rows = [["method", "metric", "variant", "n", "mean_rank", "against", "p", "sign"]]
    for metric, variant in scores.variants.items():
        ranking = rank(scores, metric, against)
        for method in scores.results:
            mean, p = ranking.mean_ranks.get(method), ranking.wilcoxon.get(method)
            numbers = ["" if mean is None else repr(mean), ranking.against, "" if p is None else repr(p)]
            sign_ = sign(ranking, method).strip()
            rows.append([method, metric.name, variant, str(ranking.pairs), *numbers, SIGN_NAMES.get(sign_, "")])
    return csv_text(rows)


def rank_texts(scores: Scores, against: str | None = None) -> dict[str, str]:
    """Formats the ranks and tests, by the name of their file; `against` as in `rank`."""
    table = rank_table(scores, against)
    return dict(zip(RANK_TABLES, (rank_csv(scores, against), table.markdown(), table.latex()), strict=True))


def _values(scores: Scores, method: str, metric: Metric) -> np.ndarray:
    """Returns a method's value of each pair, (n,) float64; NaN where there is none."""
    values = (scores.value(method, pair, metric) for pair in scores.pairs)
    return np.array([nan if isinstance(value, str) else value for value in values])


def _least_p(pairs: int, tests: int) -> float:
    """Returns the smallest p that Wilcoxon's test, two-sided, can have after Holm's correction."""
    return min(1.0, max(1, tests) * 2.0 ** (1 - pairs))


def _column(ranking: Significance, methods: Iterable[str]) -> list[Cell]:
    means = [ranking.mean_ranks.get(method) for method in methods]
    signs = [sign(ranking, method) for method in methods]
    tested = [ranking.wilcoxon.get(method) for method in methods]
    shown = ["" if p is None else f" ({p:.1g})" for p in tested]
    texts = [
        FAILED if mean is None else f"{mean:.2f}{sign}{p}" for mean, sign, p in zip(means, signs, shown, strict=True)
    ]
    return rank_cells(texts, means, decimals=2)


def sign(ranking: Significance, method: str) -> str:
    """Returns how a method compares with `against`: " +", " -" or " =", "" for that or without a rank."""
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
