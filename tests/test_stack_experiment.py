"""The measurement of rendered stacks: its records, tools that are run, and what it says of those that fail."""

import csv
import os

import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, run_command
from data.stacks import main as make_stacks
from model.experiments.__main__ import main as experiments
from model.experiments.stack_methods import best_choice
from model.experiments.stack_quality import measure

posix = pytest.mark.skipif(os.name != "posix", reason="the tool is a shell script")

TOOL = """#!/bin/sh
echo "$@" >> {calls}
for word in "$@"; do case "$word" in --output=*) output="${{word#--output=}}" ;; *) last="$word" ;; esac; done
cp "$last" "$output"
"""
"""Takes the last frame."""


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """Two stacks of three frames, one of which breathes."""
    folder = tmp_path_factory.mktemp("rendered")
    options = ["--kinds", "desk", "breathing", "--frames", "3", "--size", "160", "120", "--quiet"]
    assert make_stacks(["-o", str(folder), *options]) == 0
    return folder


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Puts an `enfuse` of our own on the PATH, and nothing else; returns it and the list of its calls."""
    path, calls = tmp_path / "bin" / "enfuse", tmp_path / "calls"
    path.parent.mkdir()
    path.write_text(TOOL.format(calls=calls))
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return path, calls


def run(folder, output, *options):
    return run_command(experiments, ["stacks", str(folder), "-o", str(output), *map(str, options)])


def rows(output):
    with (output / "stacks.csv").open(encoding="utf-8", newline="") as file:
        return {(row["method"], row["stack"]): row for row in csv.DictReader(file)}


def test_the_best_choice_worked_by_hand():
    truth = np.full((40, 40, 3), 100, np.uint8)
    left, right = truth.copy(), truth.copy()
    left[:, 20:], right[:, :20] = 140, 60
    fused = best_choice([left, right], truth)
    np.testing.assert_array_equal(fused, truth)
    np.testing.assert_array_equal(best_choice([right, right], truth), right)


def test_the_truth_is_its_own_best_result(rendered):
    truth = read_image(rendered / "desk" / "truth.png")
    perfect = measure(truth, truth)
    assert perfect["psnr"] == np.inf and perfect["ssim"] == pytest.approx(1) and perfect["lost"] == 0
    # One gray level everywhere, cut at the left: laid on the truth and measured without its border.
    assert measure(truth, np.minimum(truth, 254) + 1)["psnr"] == pytest.approx(48.13, abs=0.2)
    assert measure(truth, truth[:, 4:])["psnr"] > 35


@posix
def test_a_tool_and_a_folder_are_measured_and_resumed(rendered, tool, tmp_path, capsys):
    for name in ("desk", "breathing"):
        frame = sorted((rendered / name).glob("01.*"))[0]
        write_image(tmp_path / "middle" / f"{name}.png", read_image(frame))
    output, (script, calls) = tmp_path / "out", tool
    options = ["--methods", "enfuse", "focus-stack", "choice", "--fused", f"middle={tmp_path / 'middle'}"]
    assert run(rendered, output, *options) == EXIT_DONE
    printed = capsys.readouterr().out
    assert printed == (output / "stacks.md").read_text(encoding="utf-8")
    assert "Not installed, or not on the PATH: focus-stack." in printed
    measured = rows(output)
    assert set(measured) == {
        *(("enfuse", "desk"), ("enfuse", "breathing"), ("middle", "desk"), ("middle", "breathing")),
        ("choice", "desk"),  # frames that breathe do not lie on each other: there is no choice of pixels
    }
    last = read_image(sorted((rendered / "desk").glob("02.*"))[0])
    np.testing.assert_array_equal(read_image(output / "fused" / "enfuse" / "desk.png"), last)
    expected = measure(read_image(rendered / "desk" / "truth.png"), last)
    assert {name: float(measured["enfuse", "desk"][name]) for name in expected} == pytest.approx(expected)
    psnr = {key: float(row["psnr"]) for key, row in measured.items()}
    assert psnr["choice", "desk"] > max(psnr["enfuse", "desk"], psnr["middle", "desk"]) + 1

    assert calls.read_text().count("\n") == 2
    assert run(rendered, output, *options, "--quiet") == EXIT_DONE
    assert calls.read_text().count("\n") == 2 and rows(output) == measured
    script.write_text(script.read_text() + "# another version\n")
    assert run(rendered, output, *options, "--quiet") == EXIT_DONE
    assert calls.read_text().count("\n") == 4


@posix
def test_a_tool_that_fails_ends_nothing_else(rendered, tool, tmp_path, capsys):
    script, _ = tool
    script.write_text("#!/bin/sh\necho out of luck >&2\nexit 3\n")
    output = tmp_path / "out"
    assert run(rendered, output, "--methods", "enfuse", "choice", "--quiet") == EXIT_FAILED
    measured = rows(output)
    assert "ended with 3" in measured["enfuse", "desk"]["failure"]
    assert "out of luck" in measured["enfuse", "desk"]["failure"] and measured["enfuse", "desk"]["psnr"] == ""
    assert float(measured["choice", "desk"]["psnr"]) > 20
    assert "| failed |" in (output / "stacks.md").read_text(encoding="utf-8")
    assert not (output / "records" / "enfuse").exists()  # so that the next run tries again


def test_what_cannot_be_measured_is_said(rendered, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", tmp_path / "out") == EXIT_FAILED
    assert "python -m data.stacks" in capsys.readouterr().err
    write_image(tmp_path / "lonely" / "truth.png", np.zeros((20, 20, 3), np.uint8))
    assert run(tmp_path / "lonely", tmp_path / "out") == EXIT_FAILED
    assert "has 0 frames" in capsys.readouterr().err
    assert run(rendered, tmp_path / "out", "--fused", f"choice={tmp_path}") == EXIT_FAILED
    assert "name the folder otherwise" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
