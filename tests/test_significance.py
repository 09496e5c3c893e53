"""Ranks by hand, and the tests of significance against scipy's."""

from math import isnan

import numpy as np
import pytest
from scipy import stats

from metrics import METRICS, resolve_variants
from metrics.scores import Scores
from metrics.significance import rank, rank_csv, rank_table

VARIANTS = resolve_variants(["q_sf", "q_labf"])


def make(values):
    """Scores of methods by the lists of their Q_SF; Q_LABF is the same number."""
    results = {
        method: {f"pair-{i}": {"q_sf": value, "q_labf": value} for i, value in enumerate(row)}
        for method, row in values.items()
    }
    return Scores(results, VARIANTS)


def test_mean_ranks_by_hand():
    scores = make({"a": [3.0, 3.0, 1.0], "b": [2.0, 3.0, 2.0], "c": [1.0, 1.0, 3.0]})
    # larger is better: ranks of a are 1, 1.5, 3, of b 2, 1.5, 2, of c 3, 3, 1
    assert rank(scores, METRICS["q_sf"]).mean_ranks == pytest.approx({"a": 5.5 / 3, "b": 5.5 / 3, "c": 7 / 3})
    # smaller is better: the other way round
    assert rank(scores, METRICS["q_labf"]).mean_ranks == pytest.approx({"a": 6.5 / 3, "b": 6.5 / 3, "c": 5 / 3})


def test_tests_are_scipys_with_holms_correction():
    rng = np.random.default_rng(0)
    rows = {"a": rng.normal(0, 1, 20), "b": rng.normal(0.2, 1, 20), "c": rng.normal(3, 1, 20)}
    ranking = rank(make({name: row.tolist() for name, row in rows.items()}), METRICS["q_sf"])
    assert ranking.friedman == pytest.approx(stats.friedmanchisquare(*rows.values()).pvalue)
    alone = {name: stats.wilcoxon(rows["a"] - rows[name]).pvalue for name in "bc"}
    assert alone["c"] < alone["b"]
    assert ranking.wilcoxon == pytest.approx({"c": 2 * alone["c"], "b": max(alone["b"], 2 * alone["c"])})
    assert ranking.better == {"b": bool(np.median(rows["b"] - rows["a"]) > 0), "c": True}


def test_a_failed_pair_is_left_out_for_all_and_said():
    results = make({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 4.0]}).results
    results["b"]["pair-1"]["q_sf"] = "missing"
    ranking = rank(Scores(results, VARIANTS), METRICS["q_sf"])
    assert ranking.pairs == 2 and ranking.mean_ranks == {"a": 2, "b": 1}
    assert (
        "Pairs that count, where some method has not all: Q_SF 2." in rank_table(Scores(results, VARIANTS)).markdown()
    )


def test_a_method_that_lacks_most_pairs_is_not_ranked():
    results = make({"a": [1.0, 2.0, 3.0], "b": [2.0, 1.0, 4.0]}).results
    results["b"]["pair-1"]["q_sf"] = results["b"]["pair-2"]["q_sf"] = "missing"
    ranking = rank(Scores(results, VARIANTS), METRICS["q_sf"])
    assert ranking.pairs == 3 and list(ranking.mean_ranks) == ["a"]
    assert isnan(ranking.friedman)
    assert "failed" in rank_table(Scores(results, VARIANTS)).markdown()


def test_any_method_may_be_the_one_to_test_against():
    rng = np.random.default_rng(2)
    base = rng.normal(0, 1, 12)
    scores = make({"a": base.tolist(), "b": (base + rng.uniform(1, 2, 12)).tolist()})
    assert rank(scores, METRICS["q_sf"], "b").better == {"a": False}
    text = rank_csv(scores, "b")
    assert text.splitlines()[0] == "method,metric,variant,n,mean_rank,against,p,sign"
    assert text.splitlines()[1].startswith("a,q_sf,eskicioglu,12,2.0,b,0.00048828125,worse")
    assert text.splitlines()[2] == "b,q_sf,eskicioglu,12,1.0,b,,"
    assert "against b" in rank_table(scores, "b").markdown()


@pytest.mark.parametrize(("pairs", "methods", "said"), [(3, 2, True), (5, 2, True), (6, 2, False), (6, 3, True)])
def test_it_is_said_where_no_test_can_show_a_difference(pairs, methods, said):
    scores = make({name: np.arange(pairs) + float(place) for place, name in enumerate("abc"[:methods])})
    text = rank_table(scores).markdown()
    assert ("no difference can be significant" in text) == said and "nan" not in text


def test_the_table_marks_what_differs():
    rng = np.random.default_rng(1)
    base = rng.normal(0, 1, 20)
    rows = {"first": base, "same": base, "more": base + rng.uniform(1, 2, 20), "less": base - rng.uniform(1, 2, 20)}
    text = rank_table(make({name: row.tolist() for name, row in rows.items()})).markdown()
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("|")}
    assert "2.50 =" in lines["same"]
    assert "1.00 +" in lines["more"]
    assert "4.00 -" in lines["less"]
    assert "Friedman" in text
