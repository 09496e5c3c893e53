"""Measures of a fused stack without a truth, on drawn failures: a patch, a cut leg, a worm, a lost speck."""

import cv2
import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, run_command
from metrics.checks import RefusedError
from metrics.frames import FrameFaults
from model.experiments.__main__ import main as experiments
from tests.conftest import drawn_photograph

SHAPE = (120, 160)


@pytest.fixture(scope="module")
def stack():
    """A leg before dull ground of another brightness, and a speck: frames and the right result."""
    near = np.full((*SHAPE, 3), 150, np.uint8)
    cv2.line(near, (80, 0), (80, 119), (40, 40, 40), 5)
    far = np.full((*SHAPE, 3), 130, np.uint8)
    cv2.circle(far, (30, 60), 2, (20, 20, 20), -1)
    right = near.copy()
    right[40:80, 10:50] = cv2.add(far[40:80, 10:50], (20, 20, 20, 0))
    return (near, far), right


def faults(stack, fused):
    measured = FrameFaults(stack[0])
    return measured.invented(fused), measured.lost(fused)


def test_the_right_result_has_neither(stack):
    assert faults(stack, stack[1]) == (0, 0)


def test_a_patch_is_invented(stack):
    patched = stack[1].copy()
    patched[10:40, 100:150] = stack[0][1][10:40, 100:150]
    invented, lost = faults(stack, patched)
    assert invented > 20 and lost == 0


def test_a_cut_leg_is_invented_and_lost(stack):
    cut = stack[1].copy()
    cut[50:70] = 150
    invented, lost = faults(stack, cut)
    assert invented > 5 and lost > 20


def test_a_worm_is_invented(stack):
    worm = stack[1].copy()
    cv2.ellipse(worm, (120, 60), (20, 8), 0, 0, 200, (165, 165, 165), 3)
    invented, lost = faults(stack, worm)
    assert invented > 20 and lost == 0


def test_a_speck_is_lost(stack):
    without = stack[1].copy()
    without[50:70, 20:40] = 150
    invented, lost = faults(stack, without)
    assert invented == 0 and lost > 5


@pytest.mark.parametrize("kind", ["gray", "16 bits"])
def test_the_same_of_other_kinds(stack, kind):
    convert = (lambda image: image[..., 0]) if kind == "gray" else (lambda image: image.astype(np.uint16) * 257)
    cut = stack[1].copy()
    cut[50:70] = 150
    converted = [convert(frame) for frame in stack[0]], convert(stack[1])
    assert faults(converted, convert(cut)) == pytest.approx(faults(stack, cut), rel=0.02)


def test_another_size_is_refused(stack):
    with pytest.raises(RefusedError):
        FrameFaults(stack[0]).lost(stack[1][:, 1:])


def test_the_command(tmp_path, capsys):
    rng = np.random.default_rng(0)
    sharp = drawn_photograph(rng, *SHAPE)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    for index in range(3):
        frame = blurred.copy()
        frame[:, 50 * index : 50 * index + 60] = sharp[:, 50 * index : 50 * index + 60]
        write_image(tmp_path / "stacks" / "one" / f"{index}.png", frame)
    write_image(tmp_path / "others" / "one.png", blurred)
    command = ["real-stacks", str(tmp_path / "stacks"), "-o", str(tmp_path / "out"), "--methods", "default"]
    fused = ["--fused", f"blurred={tmp_path / 'others'}"]
    assert run_command(experiments, [*command, *fused]) == EXIT_DONE
    table = (tmp_path / "out" / "real-stacks.md").read_text(encoding="utf-8")
    assert capsys.readouterr().out == table
    (row,) = (line for line in table.splitlines() if line.startswith("| one"))
    ours, other = (float(cell.split("/")[1]) for cell in row.split("|")[2:4])
    assert ours < other and (tmp_path / "out" / "fused" / "default" / "one.png").exists()
    (tmp_path / "others" / "one.png").unlink()
    assert run_command(experiments, [*command, *fused, "--quiet"]) == EXIT_FAILED
    capsys.readouterr()
    for bad, message in (
        (["real-stacks", str(tmp_path / "absent"), "-o", str(tmp_path / "x")], "is missing or no folder"),
        ([*command, "--fused", f"default={tmp_path / 'others'}"], "is the name of a method"),
        ([*command[:3], str(tmp_path / "stacks"), *command[4:], "--fused", f"../x={tmp_path / 'others'}"], "a method"),
    ):
        assert run_command(experiments, bad) == EXIT_FAILED
        said = capsys.readouterr().err
        assert message in said and "Traceback" not in said
    write_image(tmp_path / "out" / "fused" / "default" / "one.png", blurred)
    theirs = ["--fused", f"ours={tmp_path / 'out' / 'fused' / 'default'}"]  # would be written over while it is read
    assert run_command(experiments, [*command, *theirs]) == EXIT_FAILED
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "fused" / "default" / "one.png"), blurred)
    (tmp_path / "none").mkdir()
    assert run_command(experiments, ["real-stacks", str(tmp_path / "none"), "-o", str(tmp_path / "x")]) == EXIT_FAILED
