from dataclasses import fields

from model.refinement import Refinement
from model.sweep import ALTERNATIVES, main


def test_every_constant_is_swept(small_voc, capsys):
    assert main(["--voc", str(small_voc), "--pairs", "1", "--quiet"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert set(ALTERNATIVES) == {field.name for field in fields(Refinement)}
    assert len(lines) == 2 + 2 + sum(len(values) for values in ALTERNATIVES.values())
    accuracies = [float(line.split("|")[-4]) for line in lines[2:]]
    assert all(0 < accuracy <= 1 for accuracy in accuracies)
