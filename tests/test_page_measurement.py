"""The measurement of the page."""

import json
import os

import pytest

from model.measurements.__main__ import main

pytest.importorskip("fastapi", reason="the page's libraries are not installed (requirements-app.txt)")
pytest.importorskip("uvicorn", reason="the page's libraries are not installed (requirements-app.txt)")


@pytest.mark.long
@pytest.mark.skipif(os.name != "posix", reason="memory is read as Linux tells it")
def test_small_frames(capsys):
    assert main(["page", "--frames", "2", "--size", "600", "400", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert list(figures) == [
        "send 2 frames", "fuse", "the first tiles", "those beside them", "a stroke", "save as JPEG", "most memory (GB)",
    ]  # fmt: skip
    assert all(value > 0 for value in figures.values())
