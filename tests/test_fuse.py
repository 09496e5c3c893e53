"""fuse.py end to end, with the bundled weights; bad input gives one sentence and the documented exit code."""

import json
import subprocess
import sys

import cv2
import numpy as np
import pytest

from data.demo import main as make_demo
from data.io.image_io import read_image, read_index_image, write_image
from data.runtime.errors import run_command
from fuse import main
from metrics import compute
from model.fusion.timing import benchmark
from tests.conftest import REPOSITORY, fails


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    assert make_demo(["-o", str(folder), "--scene", "rendered", "--quiet"]) == 0
    return folder / "pairs" / "rendered-A.png", folder / "pairs" / "rendered-B.png"


def fuse(*arguments):
    return run_command(main, [str(argument) for argument in arguments])


def test_the_papers_strategy(pair, tmp_path, capsys):
    output = tmp_path / "new" / "fused.png"
    assert fuse(*pair, "-o", output, "--strategy", "paper", "--save-maps", "--panel") == 0
    assert "1 of 1 fused" in capsys.readouterr().out
    near, far, fused = (read_image(path) for path in (*pair, output))
    assert fused.shape == near.shape
    written = sorted(path.name for path in output.parent.iterdir())
    extras = ["F1.png", "F2.png", "M1.png", "M2.png", "M4.png", "M5.png", "decision.json", "panel.png"]
    assert written == sorted(["fused.png", *(f"fused-{extra}" for extra in extras)])
    maps = {name: read_image(output.with_name(f"fused-{name}.png")) == 255 for name in ("M1", "M2", "M4", "M5")}
    np.testing.assert_array_equal(maps["M4"], maps["M1"] & ~maps["M2"])
    np.testing.assert_array_equal(maps["M5"], maps["M1"] | ~maps["M2"])
    decision = json.loads((tmp_path / "new" / "fused-decision.json").read_text())
    chosen = read_image(output.with_name(f"fused-{decision['chosen']}.png"))
    np.testing.assert_array_equal(fused, chosen)
    assert decision["q_abf"][decision["chosen"]] == pytest.approx(compute("q_abf", near, far, fused))
    assert decision["q_abf"][decision["chosen"]] == max(decision["q_abf"].values())


def test_the_default_strategy(pair, tmp_path):
    output = tmp_path / "fused.png"
    assert fuse(*pair, "-o", output, "--save-maps", "--quiet") == 0
    near, far, fused = (read_image(path) for path in (*pair, output))
    assert json.loads((tmp_path / "fused-decision.json").read_text())["strategy"] == "learned"
    labels = read_index_image(tmp_path / "fused-labels.png")
    chosen = np.where(labels[..., None] == 1, far, near)
    assert 0 < np.mean(np.any(fused != chosen, -1)) < 0.1  # mixed at outlines alone
    assert np.all((np.minimum(near, far) <= fused) & (fused <= np.maximum(near, far)))


def test_the_refined_strategy(pair, tmp_path):
    output = tmp_path / "fused.png"
    assert fuse(*pair, "-o", output, "--strategy", "refined", "--save-maps", "--panel", "--quiet") == 0
    assert {path.name for path in tmp_path.iterdir()} == {
        *("fused.png", "fused-labels.png", "fused-decision.json", "fused-panel.png")
    }
    near, far, fused = (read_image(path) for path in (*pair, output))
    labels = read_index_image(tmp_path / "fused-labels.png")
    np.testing.assert_array_equal(fused, np.where(labels[..., None] == 1, far, near))
    shares = json.loads((tmp_path / "fused-decision.json").read_text())["shares"]
    assert shares == pytest.approx([(labels == 0).mean(), (labels == 1).mean()], abs=1e-4)


def test_a_stack_of_three(pair, tmp_path):
    near, far = (read_image(path) for path in pair)
    blurred = cv2.GaussianBlur(near, (0, 0), 5)
    for name, image in (("ball-A", near), ("ball-B", far), ("ball-C", blurred)):
        write_image(tmp_path / "in" / f"{name}.png", image)
    assert (
        fuse("-i", tmp_path / "in", "-o", tmp_path / "out", "--average", "none", "--save-maps", "--panel", "--quiet")
        == 0
    )
    labels = read_index_image(tmp_path / "out" / "ball-labels.png")
    assert (labels == 2).mean() < 0.02
    assert fuse(*pair, "-o", tmp_path / "two.png", "--quiet") == 0
    same = read_image(tmp_path / "out" / "ball.png") == read_image(tmp_path / "two.png")
    assert same.mean() > 0.95


def test_a_folder_with_one_bad_pair(pair, tmp_path, capsys):
    folder = tmp_path / "in"
    near, far = (read_image(path) for path in pair)
    for name in ("one", "two"):
        write_image(folder / f"{name}-A.png", near)
        write_image(folder / f"{name}-B.jpg", far)
    write_image(folder / "orphan-A.png", near)
    (folder / "two-B.jpg").write_bytes((folder / "two-B.jpg").read_bytes()[:5000])
    assert fuse("-i", folder, "-o", tmp_path / "out", "--json", "-") == 1
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert [result["name"] for result in report["results"]] == ["one", "two"]
    assert "damaged or cut short" in report["results"][1]["error"]
    assert "orphan" in report["problems"][0]
    assert "Traceback" not in captured.err
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"one.png", ".fused"}
    assert fuse("-i", folder, "-o", tmp_path / "out2", "--format", "tif", "--quiet") == 1
    assert read_image(tmp_path / "out2" / "one.tif").shape == near.shape


def test_output_is_deterministic_in_a_new_process(pair, tmp_path):
    outputs = [tmp_path / "1.png", tmp_path / "2.png"]
    for output in outputs:
        command = [sys.executable, REPOSITORY / "fuse.py", *pair, "-o", output, "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == ""
    assert outputs[0].read_bytes() == outputs[1].read_bytes()


def test_benchmark(capsys):
    assert fuse("--benchmark", "--json", "-") == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["width"], figures["height"]) == (520, 520)


@pytest.mark.parametrize(("side", "pairs"), [(100, 1 + 5), (2001, 1 + 1)])
def test_what_a_benchmark_times(side, pairs, monkeypatch):
    """A clock that the fuser itself moves: 7 s to load, 5 s for the first pair, then 1, 2, 9, 2 and 4 s."""
    clock, seconds, fused = [0.0], iter([5, 1, 2, 9, 2, 4]), []
    monkeypatch.setattr("model.fusion.timing.time.perf_counter", lambda: clock[0])

    def fuser(*images):
        clock[0] += next(seconds)
        fused.append([image.shape for image in images])

    def load():
        clock[0] += 7
        return fuser

    figures = benchmark(load, *np.zeros((2, side, side, 3), np.uint8))
    assert fused == [[(side, side, 3)] * 2] * pairs
    assert (figures["load_seconds"], figures["first_seconds"]) == (7, 5)
    assert figures["pair_seconds"] == (2 if side == 100 else 1)  # the median of five, and the only one
    assert figures["megapixels_per_second"] == pytest.approx(0.005 if side == 100 else 4.004001)
    assert 0.01 < figures["peak_gigabytes"] < 1000


def bad_images(tmp_path, pair):
    near = read_image(pair[0])
    other = tmp_path / "other.png"
    cases = {
        "missing": (tmp_path / "absent.png", "absent.png: there is no such file"),
        "folder": (tmp_path, "it is a folder"),
    }
    write_image(other, near[:-20])
    cases["unequal"] = (other, "480x360")
    gray = tmp_path / "gray.png"
    write_image(gray, near[..., 0])
    cases["gray with color"] = (gray, "gray uint8")
    truncated = tmp_path / "truncated.png"
    truncated.write_bytes(pair[0].read_bytes()[:30_000])
    cases["truncated"] = (truncated, "damaged or cut short")
    corrupt = tmp_path / "corrupt.png"
    corrupt.write_bytes(b"no image at all")
    cases["corrupt"] = (corrupt, "is no JPEG, PNG, TIFF, BMP or WebP")
    from PIL import Image

    transparent = tmp_path / "alpha.png"
    alpha = np.full(near.shape[:2], 128, np.uint8)
    Image.fromarray(np.dstack([near, alpha])).save(transparent)
    cases["alpha"] = (transparent, "transparent pixels")
    return cases


CASES = ("missing", "folder", "unequal", "gray with color", "truncated", "corrupt", "alpha")


@pytest.mark.parametrize("case", CASES)
def test_images_that_cannot_be_fused(case, pair, tmp_path, capsys):
    path, message = bad_images(tmp_path, pair)[case]
    code, said = fails(capsys, main, pair[0], path, "-o", tmp_path / "fused.png")
    assert code == 1
    assert message in said
    assert said.count("error:") == 1
    assert not (tmp_path / "fused.png").exists()


def test_alpha_can_be_dropped(pair, tmp_path):
    path, _ = bad_images(tmp_path, pair)["alpha"]
    output = tmp_path / "fused.png"
    with pytest.warns(UserWarning, match="alpha channel"):
        assert main([str(path), str(pair[1]), "-o", str(output), "--alpha", "drop", "--quiet"]) == 0
    assert read_image(output).shape == read_image(pair[1]).shape


def test_outputs_that_cannot_be_written(pair, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.png").mkdir()
    for output, message in (
        (tmp_path / "file" / "fused.png", "is a file"),
        (tmp_path / "folder.png", "it is a folder"),
        (tmp_path / "fused.gif", ".gif"),
        (pair[0], "is one of the files that are read"),
    ):
        code, said = fails(capsys, main, *pair, "-o", output)
        assert code == 1
        assert message in said


def test_weights_that_cannot_be_used(pair, tmp_path, capsys):
    code, said = fails(capsys, main, *pair, "-o", tmp_path / "f.png", "--weights", tmp_path / "absent.weights.h5")
    assert code == 1
    assert "absent.weights.h5 is missing" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["A", "B", "C", "-o", "X.png", "--strategy", "paper"], "fuses two images, received 3"),
        ([], "two images, a folder or a TIFF of several pages are needed, received 0"),
        (["A.png"], "received 1"),
        (["A.png", "B.png"], "-o PATH is needed"),
        (["A.png", "B.png", "-i", "DIR", "-o", "X"], "not both"),
        (["A.png", "B.png", "-o", "X.png", "--size", "8"], "at least 32, received 8"),
    ],
)
def test_wrong_usage(arguments, message, capsys):
    code, said = fails(capsys, main, *arguments)
    assert code == 2
    assert message in said


def test_reference_and_warps_on_the_command_line(tmp_path, capsys):
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8), (0, 0), 1.5)
    for number in range(3):
        warp = cv2.getRotationMatrix2D((80, 60), 0, 1 + 0.02 * number)
        write_image(tmp_path / "light" / f"x_{number:03d}.png", cv2.warpAffine(image, warp, (160, 120)))
        write_image(tmp_path / "other" / f"x_{number:03d}.png", np.full((120, 160, 3), 90, np.uint8))
    report = tmp_path / "report.json"

    def run(*words):
        return run_command(main, [str(word) for word in (*words, "--quiet", "--overwrite")])

    assert run(tmp_path / "light", "-o", tmp_path / "a.png", "--reference", 1, "--json", report) == 0
    assert json.loads(report.read_text())["results"][0]["reference"] == 0
    assert run(tmp_path / "other", "-o", tmp_path / "b.png", "--warps", report) == 0
    assert read_image(tmp_path / "b.png").shape == read_image(tmp_path / "a.png").shape
    assert run(tmp_path / "light", "-o", tmp_path / "c.png", "--reference", 7) == 1
    assert "there is no frame 7 of 3" in capsys.readouterr().err
    assert run(tmp_path / "other", "-o", tmp_path / "c.png", "--warps", report, "--json", report) != 0  # would be lost
    for words in (("--warps", report, "--reference", 2), ("--reference", 0)):
        with pytest.raises(SystemExit):
            run(tmp_path / "light", "-o", tmp_path / "c.png", *words)
