from dataclasses import fields

import pytest

from model.fusion.blending import BoundaryBlending
from model.fusion.focus_measure import FocusMeasure
from model.measurements.__main__ import main
from model.measurements.sweep import ALTERNATIVES


@pytest.mark.parametrize(
    ("strategy", "settings", "further"), [("refined", FocusMeasure, 1), ("learned", BoundaryBlending, 0)]
)
def test_every_constant_is_swept(strategy, settings, further, small_voc, capsys):
    assert main(["sweep", "--voc", str(small_voc), "--strategy", strategy, "--pairs", "1", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    alternatives = ALTERNATIVES[strategy]
    assert set(alternatives) == {field.name for field in fields(settings)}
    assert len(lines) == 2 + 1 + sum(len(values) for values in alternatives.values()) + further
    accuracies = [float(line.split("|")[-6]) for line in lines[2:]]
    assert all(0 < accuracy <= 1 for accuracy in accuracies)
