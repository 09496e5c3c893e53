"""docs/tutorial.ipynb runs, and shows what it says."""

import json

import matplotlib.pyplot as plt
import pytest

from tests.conftest import REPOSITORY

NOTEBOOK = REPOSITORY / "docs" / "tutorial.ipynb"


@pytest.fixture
def cells():
    return [cell for cell in json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


@pytest.mark.long
def test_it_runs_from_the_first_cell_to_the_last(cells, monkeypatch, capsys):
    monkeypatch.chdir(NOTEBOOK.parent)
    monkeypatch.setattr(plt, "show", plt.close)
    names = {}
    for cell in cells:
        exec(compile("".join(cell["source"]), NOTEBOOK.name, "exec"), names)
    printed = capsys.readouterr().out
    assert "'strategy': 'learned'" in printed and "val_loss" in printed
    assert names["scores"]["psnr"] > 20
    assert names["own"].strategy is not names["fuser"].strategy


def test_its_figures_are_in_it(cells):
    """As readers see it without running it."""
    pictures = [output for cell in cells for output in cell["outputs"] if "image/png" in output.get("data", {})]
    assert len(pictures) == sum("".join(cell["source"]).count("show(") for cell in cells[1:])
    assert not [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
