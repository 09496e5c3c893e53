"""No photograph is replaced, whatever the options; and no scene ends the others."""

import hashlib
import json
import os
import shutil

import cv2
import numpy as np
import pytest
from PIL import Image

import evaluate
from data.io.image_header import read_size
from data.io.image_io import read_image, write_image
from data.runtime.errors import run_command
from fuse import main
from tests.conftest import drawn_photograph, put_endless

PAPER = ("--strategy", "paper")


@pytest.fixture
def photographs(tmp_path):
    """Three photographs of one scene, and what could be taken for companions of a result `pic.png`."""
    folder = tmp_path / "photographs"
    sharp = drawn_photograph(np.random.default_rng(0), 40, 48)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    left = np.arange(48)[None, :, None] < 24
    for name in ("A", "C", "pic-panel", "pic-M1"):
        write_image(folder / f"{name}.png", np.where(left, sharp, blurred))
    for name in ("B", "pic-labels", "pic-F2"):
        write_image(folder / f"{name}.png", np.where(left, blurred, sharp))
    return folder


def fuse(*arguments):
    """The exit code, of wrong usage as well."""
    try:
        return run_command(main, [*map(str, arguments), "--quiet"])
    except SystemExit as stop:
        return stop.code


def digests(folder):
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.rglob("*") if path.is_file()}


def kept(folder, before):
    after = digests(folder)
    return all(after.get(path) == digest for path, digest in before.items())


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("report", ["A.png", "pic.png", "A", "x.json.png", ""])
def test_a_report_has_a_name_of_its_own(photographs, report, overwrite, monkeypatch, capsys):
    monkeypatch.chdir(photographs)
    before = digests(photographs)
    assert fuse("--json", report, "B.png", "C.png", "-o", "pic.png", "--method", "pca", *overwrite) == 2
    assert "does not end in .json; give such a name, or - to print" in capsys.readouterr().err
    assert digests(photographs) == before


def test_an_option_does_not_eat_a_photograph(photographs, monkeypatch, capsys):
    monkeypatch.chdir(photographs)
    assert fuse("A.png", "B.png", "-o", "pic.png", "--method", "pca", "--json") == 2
    assert "expected one argument" in capsys.readouterr().err
    assert fuse("--json", "-", "A.png", "B.png", "-o", "pic.png", "--method", "pca") == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["sources"] == ["A.png", "B.png"]


def test_a_report_that_exists_is_replaced_only_with_overwrite(photographs, capsys):
    report = photographs / "report.json"
    report.write_text("mine")
    sources = [photographs / "A.png", photographs / "B.png"]
    command = [*sources, "--method", "pca", "--json", report, "-o"]
    assert fuse(*command, photographs / "pic.png") == 1
    assert "report.json exists already; --overwrite replaces it" in capsys.readouterr().err
    assert not (photographs / "pic.png").exists()
    assert fuse("--benchmark", *sources, "--method", "pca", "--json", report) == 1
    assert report.read_text() == "mine"
    assert fuse(*command, photographs / "pic.png", "--overwrite") == 0
    assert json.loads(report.read_text())["results"][0]["output"].endswith("pic.png")
    for other in (photographs / "folder.json", photographs / "pipe.json"):
        os.mkfifo(other) if other.stem == "pipe" else other.mkdir()
        assert fuse(*sources, "-o", photographs / "new.png", "--method", "pca", "--json", other, "--overwrite") == 1
    assert not (photographs / "new.png").exists()


def test_a_report_over_what_belongs_to_the_weights(photographs, capsys):
    from model.bundled import BUNDLED_WEIGHTS

    for path in (BUNDLED_WEIGHTS, BUNDLED_WEIGHTS.with_suffix(".json")):
        shutil.copy(path, photographs)
    weights = photographs / BUNDLED_WEIGHTS.name
    before = digests(photographs)
    command = ["A.png", "B.png", "-o", "pic.png", "--json", weights.with_suffix(".json"), "--weights", weights]
    assert fuse(*(photographs / part if "png" in str(part) else part for part in command), "--overwrite") == 1
    assert "is one of the files that are read" in capsys.readouterr().err
    assert digests(photographs) == before


@pytest.mark.parametrize(
    ("sources", "options"),
    [
        (("pic-panel", "B"), ("--panel",)),
        (("pic-labels", "A"), ("--save-maps",)),
        (("A", "pic-M1"), ("--save-maps", *PAPER)),
        (("A", "pic-F2"), ("--save-maps", *PAPER)),
    ],
)
@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
def test_companions_replace_no_source(photographs, sources, options, overwrite, capsys):
    before = digests(photographs)
    paths = [photographs / f"{name}.png" for name in sources]
    assert fuse(*paths, "-o", photographs / "pic.png", *options, *overwrite) == 1
    assert "is one of the files that are read; choose another output" in capsys.readouterr().err
    assert digests(photographs) == before


@pytest.mark.parametrize("options", [("--panel",), ("--save-maps",), ("--save-maps", *PAPER)])
def test_companions_replace_no_file_unasked(photographs, options, capsys):
    before = digests(photographs)
    command = [photographs / "A.png", photographs / "B.png", "-o", photographs / "pic.png", *options]
    assert fuse(*command) == 1
    assert "exists already; --overwrite replaces it" in capsys.readouterr().err
    assert digests(photographs) == before
    assert fuse(*command, "--overwrite") == 0
    assert not kept(photographs, before)


def test_companions_of_a_batch_are_kept_and_made_with_their_result(photographs, tmp_path, capsys):
    folder, output = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for side in "AB":
        shutil.copy(photographs / f"{side}.png", folder / f"pic-{side}.png")
    command = ["-i", folder, "-o", output, "--panel", "--save-maps", "--strategy", "refined"]
    assert fuse(*command) == 0
    before = {path: path.stat().st_mtime_ns for path in output.iterdir()}
    assert fuse(*command, "--resume") == 0
    assert {path: path.stat().st_mtime_ns for path in output.iterdir()} == before
    (output / "pic-panel.png").unlink()
    assert fuse(*command, "--resume") == 0  # what is missing is made again, with all that belongs to it
    assert (output / "pic-panel.png").exists()
    write_image(output / "pic-labels.png", np.zeros((4, 4), np.uint8))
    assert fuse(*command, "--resume") == 1
    assert "pic-labels.png exists already, made from other images or settings" in capsys.readouterr().err
    assert read_size(output / "pic-labels.png") == (4, 4)


def test_a_part_of_a_batch_replaces_no_source_of_another(photographs, capsys):
    """The result of scene x-A is called as the first photograph of scene x, which another process fuses."""
    folder = photographs / "in"
    folder.mkdir()
    for name in ("x", "x-A"):
        for side in "AB":
            shutil.copy(photographs / f"{side}.png", folder / f"{name}-{side}.png")
    before = digests(folder)
    for part in (1, 2):
        assert fuse("-i", folder, "-o", folder, "--method", "pca", "--overwrite", "--shard", f"{part}/2") in (0, 1)
    assert "x-A.png is one of the files that are read" in capsys.readouterr().err
    assert kept(folder, before)


def test_a_link_to_a_source_is_the_source(photographs, capsys):
    (photographs / "linked.png").symlink_to(photographs / "A.png")
    (photographs / "hard.png").hardlink_to(photographs / "A.png")
    before = digests(photographs)
    for name in ("linked", "hard"):
        output = photographs / f"{name}.png"
        assert fuse(photographs / "A.png", photographs / "B.png", "-o", output, "--method", "pca", "--overwrite") == 1
        assert "is one of the files that are read" in capsys.readouterr().err
    assert digests(photographs) == before


def batch(tmp_path, photographs, bad):
    """A good scene and a bad one: name to its two files."""
    folder = tmp_path / "in"
    folder.mkdir()
    for side, content in zip("AB", bad, strict=True):
        (folder / f"bad-{side}.png").write_bytes(content)
        shutil.copy(photographs / f"{side}.png", folder / f"good-{side}.png")
    return folder


def thin(tmp_path, height, width):
    for seed, side in enumerate("AB"):
        write_image(tmp_path / f"{side}.png", drawn_photograph(np.random.default_rng(seed), height, width))
    return [(tmp_path / f"{side}.png").read_bytes() for side in "AB"]


@pytest.mark.parametrize(
    ("size", "options", "message"),
    [
        ((1, 1100), ("--strategy", "refined"), None),
        ((1100, 1), ("--strategy", "learned", "--panel", "--save-maps"), None),
        ((1, 1100), PAPER, "needs at least 2x2 pixels"),
        ((1, 8), ("--method", "nmei"), "nmei needs at least 2x2 pixels, received 8x1"),
        ((1, 1100), ("--no-align",), None),
        ((1, 1100), ("--crop", "none"), None),
        ((1, 1), ("--match-exposure", "none"), None),
    ],
)
def test_a_thin_scene_is_fused_or_refused_by_a_sentence(photographs, tmp_path, size, options, message, capsys):
    folder = batch(tmp_path, photographs, thin(tmp_path, *size))
    assert fuse("-i", folder, "-o", tmp_path / "out", *options) == (1 if message else 0)
    said = capsys.readouterr().err
    assert "Traceback" not in said and "unexpected" not in said
    if message:
        assert f"error: bad: {message}" in said or message in said
    else:
        assert read_size(tmp_path / "out" / "bad.png") == size
    assert (tmp_path / "out" / "good.png").exists()


def test_exif_data_too_long_for_the_result(photographs, tmp_path, capsys):
    exif = Image.Exif()
    exif[0x8769] = {0x927C: bytes(100_000)}
    for side in "AB":
        Image.open(photographs / f"{side}.png").save(tmp_path / f"{side}.png", exif=exif)
    folder = batch(tmp_path, photographs, [(tmp_path / f"{side}.png").read_bytes() for side in "AB"])
    assert fuse("-i", folder, "-o", tmp_path / "out", "--format", "jpg", "--method", "pca") == 0
    assert "warning: the camera maker's note does not fit into a JPEG" in capsys.readouterr().err
    assert read_image(tmp_path / "out" / "bad.jpg").shape == (40, 48, 3)


def test_a_result_that_its_type_cannot_hold(tmp_path, capsys):
    thin(tmp_path, 1, 16_384)
    sources = [tmp_path / "A.png", tmp_path / "B.png"]
    assert fuse(*sources, "-o", tmp_path / "x.webp", "--method", "pca") == 1
    assert ".webp holds at most 16383 pixels a side; use .png or .tif" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyError("defect"), MemoryError(), RuntimeError("two\nlines"), OSError(28, "full")])
def test_whatever_a_scene_raises_becomes_its_line(photographs, tmp_path, monkeypatch, capsys, error):
    def method(near, far):
        if near.shape[0] == 1:
            raise error
        return near

    monkeypatch.setattr("fuse._load", lambda *_: method)
    folder = batch(tmp_path, photographs, thin(tmp_path, 1, 8))
    command = ["-i", folder, "-o", tmp_path / "out", "--json", tmp_path / "report.json", "--method", "pca"]
    assert fuse(*command) == 1
    said = capsys.readouterr().err
    (line,) = [line for line in said.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: bad: ")
    assert "Traceback" not in said
    bad, good = json.loads((tmp_path / "report.json").read_text())["results"]
    assert bad["error"] in line and "error" not in good
    assert (tmp_path / "out" / "good.png").exists()
    assert fuse(*command, "--overwrite", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["pipe", "device", "sparse"])
def test_what_would_never_end_is_not_read(photographs, tmp_path, kind, capsys):
    folder = tmp_path / "in"
    shutil.copytree(photographs, folder)
    bad = folder / "x-B.png"
    put_endless(bad, kind)
    expected = "at most" if kind == "sparse" else "pipe, socket or device"
    assert fuse(folder / "A.png", bad, "-o", tmp_path / "x.png", "--method", "pca") == 1
    assert expected in capsys.readouterr().err
    for side in "AB":
        shutil.copy(photographs / f"{side}.png", folder / f"y-{side}.png")
    shutil.copy(photographs / "A.png", folder / "x-A.png")
    assert fuse("-i", folder, "-o", tmp_path / "out", "--method", "pca") == 1
    said = capsys.readouterr().err
    assert expected in said and "x-B.png" in said
    assert (tmp_path / "out" / "y.png").exists()
    (tmp_path / "fused").mkdir()
    bad.rename(tmp_path / "fused" / "y.png")
    command = ["--source", folder, "--fused", f"m={tmp_path / 'fused'}", "-o", tmp_path / "tables", "--quiet"]
    assert run_command(evaluate.main, list(map(str, command))) == 1
    assert expected in capsys.readouterr().err


@pytest.mark.parametrize("name", ["x-\u0130", "x-\u0131", "x-\u017f", "x-\u212a", "x-\u00b2", "x-\u0661"])
def test_letters_that_are_no_places(photographs, tmp_path, name, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for side in "AB":
        shutil.copy(photographs / f"{side}.png", folder / f"good-{side}.png")
    shutil.copy(photographs / "A.png", folder / f"{name}.png")
    assert fuse("-i", folder, "-o", tmp_path / "out", "--method", "pca") == 1
    assert f"{name}.png belongs to no stack" in capsys.readouterr().err
    assert (tmp_path / "out" / "good.png").exists()


def test_names_that_are_no_utf_8(photographs, tmp_path, capsys):
    folder = tmp_path / "in"
    folder.mkdir()
    for side in "AB":
        shutil.copy(photographs / f"{side}.png", os.fsencode(folder) + b"/x\xff-" + side.encode() + b".png")
    assert fuse("-i", folder, "-o", tmp_path / "out", "--strategy", "refined", "--panel", "--json", "-") == 0
    assert json.loads(capsys.readouterr().out)["results"][0]["name"] == "x\udcff"
    assert os.path.exists(os.fsencode(tmp_path / "out") + b"/x\xff.png")  # noqa: PTH110
    for kind in ("tif", "jpg", "bmp"):
        assert fuse("-i", folder, "-o", tmp_path / kind, "--method", "pca", "--format", kind) == 0


def test_a_name_is_no_formula_of_a_panel(photographs, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    for side in "AB":
        shutil.copy(photographs / f"{side}.png", folder / f"$x_{{$-{side}.png")
    assert fuse("-i", folder, "-o", tmp_path / "out", "--strategy", "refined", "--panel") == 0


def test_a_file_in_the_place_of_a_folder_is_said_before_work_begins(photographs, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("fuse._load", lambda *_: pytest.fail("began to work"))
    (tmp_path / "file").write_text("mine")
    command = [photographs / "A.png", photographs / "B.png", "--method", "pca", "-o", tmp_path / "file" / "x" / "y.png"]
    assert fuse(*command) == 1
    assert "file is a file; choose another name" in capsys.readouterr().err
    assert (tmp_path / "file").read_text() == "mine"
