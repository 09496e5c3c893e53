"""The picture of known failures."""

import numpy as np

from data.imaging.composition import compose
from data.io.image_io import read_image
from data.runtime.errors import run_command
from data.stacks import main as draw
from metrics.reference import psnr
from model.measurements.__main__ import main
from model.measurements.failures import hard_cases


def test_each_case_is_as_hard_as_it_says():
    cases = hard_cases()
    plain = cases["none: as in the demo"]

    def labeled(case):
        return psnr(case.reference, compose((case.near, case.far), case.label))

    for title in ("defocus up to 23 pixels", "noise of 20 gray levels", "B shifted by 3 pixels"):
        assert labeled(cases[title]) < labeled(plain) - 3
    flat = cases["surfaces without texture"].reference.astype(int)
    change, plain_change = (np.abs(np.diff(image.astype(int), axis=1)).mean() for image in (flat, plain.reference))
    assert change < 0.9 * plain_change


def test_command(tmp_path, capsys):
    assert main(["failures", "-o", str(tmp_path / "failures.png")]) == 0
    assert read_image(tmp_path / "failures.png").std() > 20
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert len(lines) == 2 + len(hard_cases())


def test_stacks(tmp_path, capsys):
    words = ["--kinds", "pins", "breathing", "--size", "128", "96", "--frames", "3", "--quiet"]
    assert draw(["-o", str(tmp_path / "rendered"), *words]) == 0
    picture = tmp_path / "failures.jpg"
    assert main(["failures", str(tmp_path / "rendered"), "-o", str(picture)]) == 0
    height, width = read_image(picture).shape[:2]
    assert height < width < 1000  # two rows of four: what breathes has no best choice, and is not drawn
    assert [line.split(" ")[1] for line in capsys.readouterr().out.splitlines()][2:] == ["pins"]
    truth = tmp_path / "rendered" / "pins" / "truth.png"
    assert run_command(main, ["failures", str(tmp_path / "rendered"), "-o", str(truth), "--overwrite"]) == 1
    assert "one of the files that are read" in capsys.readouterr().err


def test_stacks_that_move_have_no_best_choice(tmp_path, capsys):
    words = ["--kinds", "breathing", "--size", "128", "96", "--frames", "2", "--quiet"]
    assert draw(["-o", str(tmp_path / "rendered"), *words]) == 0
    assert run_command(main, ["failures", str(tmp_path / "rendered"), "-o", str(tmp_path / "failures.jpg")]) == 1
    assert "move or flicker" in capsys.readouterr().err
