import json

from metrics import METRICS
from model.measurements.__main__ import main


def test_what_metrics_reward(capsys):
    assert main(["rewards", "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)
    names = [name for name, metric in METRICS.items() if not metric.needs_reference]
    assert list(scores["truth"]) == names
    for name in ("q_sf", "q_ag", "ei", "sd", "en"):  # reward oversharpening, as docs/metrics.md says
        assert scores["sharpened truth"][name] > scores["truth"][name]
    for name in ("q_abf", "q_cb", "viff", "q_e"):
        assert all(scores["truth"][name] > scores[other][name] for other in scores if other != "truth"), name
    assert scores["mean of the sources"]["invented"] == 0 < scores["mean of the sources"]["missed"]


def test_table(capsys):
    assert main(["rewards", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 + sum(not metric.needs_reference for metric in METRICS.values())
    assert lines[2].startswith("| Q_SF eskicioglu ↑ |") and lines[2].endswith("| sharpened truth |")
