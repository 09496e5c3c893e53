"""Means, ranks, failures and markup of the tables."""

import csv
import io
import json
import math

import pytest

from metrics import resolve_variants
from metrics.markup import Table, csv_text, escape_latex, escape_markdown
from metrics.scores import Scores, summarize
from metrics.tables import pair_table, per_pair_csv, summary_csv, summary_table, to_json


def example_scores(**changes):
    results = {
        "A": {"p1": {"q_abf": 0.5, "q_labf": 0.1}, "p2": {"q_abf": 0.7, "q_labf": 0.3}},
        "B_1|x": {"p1": {"q_abf": 0.8, "q_labf": 0.1}, "p2": {"q_abf": 0.8, "q_labf": 0.2}},
        "C": {"p1": {"q_abf": 0.9, "q_labf": 0.05}, "p2": {"q_abf": "no file", "q_labf": "no file"}},
    }
    return Scores(results, resolve_variants(["q_abf", "q_labf"]), **changes)


def test_summary_is_mean_and_sample_deviation_of_what_succeeded():
    summary = summarize(example_scores())
    assert summary["A"]["q_abf"].mean == pytest.approx(0.6)
    # sqrt((.1^2 + .1^2) / (2 - 1))
    assert summary["A"]["q_abf"].std == pytest.approx(math.sqrt(0.02))
    partial = summary["C"]["q_abf"]
    assert (partial.mean, partial.count, partial.total) == (0.9, 1, 2)
    assert math.isnan(partial.std)


def test_summary_table_marks_the_best_of_the_complete_methods():
    text = summary_table(example_scores(notes=["a_note"])).markdown()
    assert "| Method | Q_ABF ↑ | Q_LABF ↓ | Pairs |" in text
    assert "| A | <u>0.6000 ± 0.1414</u> | <u>0.2000 ± 0.1414</u> | 2 |" in text
    assert r"| B_1\|x | **0.8000 ± 0.0000** | **0.1500 ± 0.0707** | 2 |" in text
    assert "| C | 0.9000 (n = 1) | 0.0500 (n = 1) | 1/2 failed: 1 |" in text
    assert "n = 2 pairs, on BT.601 gray" in text
    assert "Variants: Q_ABF xydeas, Q_LABF xydeas-lt." in text
    assert "- Failed: C, p2: no file\n- A method with failures" in text
    assert text.endswith("- a_note\n")


def test_pair_table_ranks_what_succeeded_and_shares_a_tie():
    text = pair_table(example_scores(), "p1").markdown()
    assert "| A | 0.5000 | <u>0.1000</u> |" in text
    assert r"| B_1\|x | <u>0.8000</u> | <u>0.1000</u> |" in text
    assert "| C | **0.9000** | **0.0500** |" in text
    assert "| C | failed | failed |" in pair_table(example_scores(), "p2").markdown()


def test_latex_is_escaped():
    text = summary_table(example_scores(titles={"A": "50% of A & B_{x}"})).latex()
    assert r"50\% of A \& B\_\{x\}" in text
    assert r"$Q^{AB/F}$ $\uparrow$ & $Q^{LAB/F}$ $\downarrow$ & Pairs \\" in text
    assert r"\textbf{0.8000 $\pm$ 0.0000}" in text and r"\underline{0.6000 $\pm$ 0.1414}" in text
    assert r"\toprule" in text and r"\bottomrule" in text
    assert Table(("Method", "x"), [("∞", "#")], "~^\\<").latex().count(r"\text") == 4


def test_one_method_is_neither_best_nor_second():
    scores = Scores({"A": {"p": {"psnr": math.inf, "q_abf": math.nan}}}, resolve_variants(["psnr", "q_abf"]))
    text = summary_table(scores).markdown()
    assert "| A | ∞ | failed | 0/1 failed: 1 |" in text
    assert "Failed: A, p: q_abf: the metric is undefined" in text


def test_csv_holds_full_precision_and_reasons():
    third = 1 / 3
    scores = Scores({"A": {"p": {"q_abf": third}, "q": {"q_abf": "broken, file"}}, "B": {"p": {"q_abf": 1.0}}},
                    resolve_variants(["q_abf"], {"q_abf": "kumar"}), titles={"B": "B (JPEG)"})  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(per_pair_csv(scores))))
    assert float(rows[0]["q_abf[kumar]"]) == third and rows[0]["failure"] == ""
    assert rows[1] == {"method": "A", "pair": "q", "color": "gray", "q_abf[kumar]": "", "failure": "broken, file"}
    assert rows[3]["failure"] == "not evaluated" and rows[3]["method"] == "B (JPEG)"
    summary = list(csv.DictReader(io.StringIO(summary_csv(scores))))
    assert summary[0]["n"] == "1" and summary[0]["failed"] == "1" and summary[0]["std"] == ""
    assert summary[0]["better"] == "larger" and float(summary[0]["mean"]) == third


def test_json_is_standard():
    scores = Scores({"A": {"p": {"psnr": math.inf, "q_abf": "broken"}}}, resolve_variants(["psnr", "q_abf"]))
    method = json.loads(to_json(scores))["methods"]["A"]
    assert method["pairs"]["p"] == {"psnr": "inf", "q_abf": None}
    assert method["summary"]["q_abf"] == {"mean": None, "std": None, "n": 0, "failed": 1}
    assert method["failures"] == {"p": "q_abf: broken"}


def test_many_failures_are_cut_short_in_tables_only():
    scores = Scores({"A": {f"p{i}": {"q_sf": "gone"} for i in range(12)}}, resolve_variants(["q_sf"]))
    text = summary_table(scores).markdown()
    assert text.count("- Failed: A") == 10 and "Failed: 2 more" in text and "0/12 failed: 12" in text
    assert per_pair_csv(scores).count("gone") == 12


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("[a](http://b)", r"\[a\](http:&#47;/b)"),
        ("![a](b)", r"!\[a\](b)"),
        ("~~a~~", r"\~\~a\~\~"),
        ("&lt;b&gt; &#65;", "&amp;lt;b&amp;gt; &amp;#65;"),
        ("<b>", "&lt;b&gt;"),
        ("www.a.b WWW.c", "www&#46;a.b WWW&#46;c"),
        ("HTTPS://a", "HTTPS:&#47;/a"),
        ("a@b.c", "a<span>@</span>b.c"),
        ("mailto:a", "mailto&#58;a"),
        ("$a$", "&#36;a&#36;"),
        ("a\\|`*b*`", "a\\\\\\|\\`\\*b\\*\\`"),
        ("Q_ABF _a_", r"Q_ABF \_a\_"),
        ("a\x1b[31m\u202eb\n\udcff", r"a\\x1b\[31m\\u202eb\\x0a\\xff"),
    ],
)
def test_names_in_markdown_are_shown_as_they_are(name, shown):
    # Checked against GitHub's own renderer (cmark-gfm): no link, no picture, and the name as its text.
    assert escape_markdown(name) == shown


def test_names_in_latex_do_not_act():
    assert escape_latex("a\x1b\u202e\udcff\n") == "".join(
        ["a", *(rf"\textbackslash{{}}{code}" for code in ("x1b", "u202e", "xff", "x0a"))]
    )


def test_what_a_spreadsheet_would_compute_is_text():
    cells = ["=1+1", "+a", "-a", "@a", "\t=1", "\r=1", "＝1", "a=1", "-0.5", "+1e-05", "-inf", ""]  # noqa: RUF001
    (row,) = csv.reader(io.StringIO(csv_text([cells])))
    assert row[:7] == ["'=1+1", "'+a", "'-a", "'@a", "'\\x09=1", "'\\x0d=1", "'＝1"]  # noqa: RUF001
    assert row[7:] == cells[7:]


def test_names_and_reasons_in_csv_do_nothing():
    scores = Scores({"=A": {"@p": {"q_abf": -0.25}, "q\u202e": {"q_abf": "-cmd\n"}}}, resolve_variants(["q_abf"]))
    rows = list(csv.reader(io.StringIO(per_pair_csv(scores))))
    assert rows[1:] == [["'=A", "'@p", "gray", "-0.25", ""], ["'=A", "q\\u202e", "gray", "", "'-cmd\\x0a"]]
    assert next(csv.DictReader(io.StringIO(summary_csv(scores))))["method"] == "'=A"
