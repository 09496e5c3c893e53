"""Batches: nothing replaced unasked, stopped ones resumed, several processes on one folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from data.io.frames import Frames
from data.io.image_io import read_image, read_photograph, write_image
from data.io.listing import check_stack
from data.runtime.errors import InputError, run_command
from evaluate import main as evaluate
from fuse import main
from tests.conftest import REPOSITORY, drawn_photograph


@pytest.fixture
def folder(tmp_path):
    """Five pairs of 40x48."""
    for number in range(5):
        for place, side in enumerate("AB"):
            image = drawn_photograph(np.random.default_rng(2 * number + place), 40, 48)
            write_image(tmp_path / "in" / f"scene{number}-{side}.png", image)
    return tmp_path / "in"


def fuse(folder, output, *more, method="dwt"):
    return run_command(main, ["-i", str(folder), "-o", str(output), "--method", method, *more])


def manifest(output, scene):
    return output / ".fused" / f"{scene}.png.json"


def times(output):
    return {path.name: path.stat().st_mtime_ns for path in output.glob("*.png")}


def test_nothing_is_replaced_unasked(folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert fuse(folder, output, "--quiet") == 0
    before = times(output)
    assert fuse(folder, output, "--quiet") == 1
    assert "scene0.png and 4 more exists already; --overwrite replaces it" in capsys.readouterr().err
    assert times(output) == before
    assert fuse(folder, output, "--quiet", "--overwrite", method="pca") == 0
    assert all(times(output)[name] != then for name, then in before.items())


def test_resume_keeps_what_is_up_to_date(folder, tmp_path, capsys):
    output = tmp_path / "out"
    assert fuse(folder, output, "--quiet") == 0
    before = times(output)
    (output / "scene3.png").unlink()
    assert fuse(folder, output, "--resume") == 0
    assert "1 of 5 fused" in capsys.readouterr().out
    after = times(output)
    assert {name for name in before if after[name] == before[name]} == set(before) - {"scene3.png"}
    # Other settings, another source, or an edited result are not up to date, and not replaced unasked.
    assert fuse(folder, output, "--resume", "--quiet", method="pca") == 1
    assert ", made from other images or settings; --overwrite replaces it" in capsys.readouterr().err
    write_image(folder / "scene1-A.png", np.zeros((40, 48, 3), np.uint8))
    assert fuse(folder, output, "--resume", "--quiet") == 1
    assert "scene1.png exists already" in capsys.readouterr().err
    assert fuse(folder, output, "--resume", "--overwrite", "--quiet") == 0
    write_image(output / "scene2.png", np.zeros((40, 48, 3), np.uint8))
    assert fuse(folder, output, "--resume", "--quiet") == 1
    assert "scene2.png exists already" in capsys.readouterr().err


def test_a_run_that_is_stopped_before_a_file_takes_its_place(folder, tmp_path, monkeypatch):
    """The manifest is there and the image is not, or is still the one before: neither counts as made."""
    output = tmp_path / "out"
    true_replace = Path.replace

    def stop(path, target):
        if Path(target) == output / "scene4.png":
            raise KeyboardInterrupt
        return true_replace(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", stop)
        assert fuse(folder, output, "--quiet") == 1
    assert manifest(output, "scene4").exists() and not (output / "scene4.png").exists()
    assert fuse(folder, output, "--resume", "--quiet") == 0
    (output / "scene4.png").write_bytes(b"mine")
    assert fuse(folder, output, "--resume", "--quiet") == 1
    assert (output / "scene4.png").read_bytes() == b"mine"


@pytest.mark.parametrize("content", ["{", "[]", "3", '{"results": []}', '{"results": {"scene4.png": 3}}', "NaN"])
def test_a_damaged_manifest_vouches_for_nothing(folder, tmp_path, content, capsys):
    assert fuse(folder, tmp_path / "out", "--quiet") == 0
    manifest(tmp_path / "out", "scene4").write_text(content)
    before = times(tmp_path / "out")
    assert fuse(folder, tmp_path / "out", "--resume", "--quiet") == 1
    assert "scene4.png exists already, made from other images or settings" in capsys.readouterr().err
    assert times(tmp_path / "out") == before


def test_a_manifest_says_what_its_run_wrote_and_not_what_lies_there(folder, tmp_path, monkeypatch):
    """Two runs with different settings in one folder: the other's image comes in between."""
    output = tmp_path / "out"
    other = drawn_photograph(np.random.default_rng(99), 40, 48)
    true_replace = Path.replace

    def replace(path, target):
        moved = true_replace(path, target)
        if Path(target) == output / "scene2.png":
            Image.fromarray(other).save(target)
        return moved

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        assert fuse(folder, output, "--quiet") == 0
    assert fuse(folder, output, "--resume", "--quiet") == 1
    np.testing.assert_array_equal(read_image(output / "scene2.png"), other)


def test_a_pipe_in_the_place_of_a_manifest(folder, tmp_path, capsys):
    assert fuse(folder, tmp_path / "out", "--quiet") == 0
    manifest(tmp_path / "out", "scene4").unlink()
    os.mkfifo(manifest(tmp_path / "out", "scene4"))
    assert fuse(folder, tmp_path / "out", "--resume", "--quiet") == 1
    assert "pipe, socket or device" in capsys.readouterr().err


def test_a_batch_killed_at_any_moment_is_finished_by_resume(folder, tmp_path):
    for number in range(5, 12):
        for side in "AB":
            (folder / f"scene{number}-{side}.png").write_bytes((folder / f"scene{number - 5}-{side}.png").read_bytes())
    output = tmp_path / "out"
    command = [sys.executable, REPOSITORY / "fuse.py", "-i", folder, "-o", output, "--method", "dwt", "--quiet"]
    for wanted in (1, 4, 8):
        process = subprocess.Popen([*command, "--resume"])
        while len(list(output.glob("*.png"))) < wanted and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
        for path in output.glob("scene*.png"):
            assert read_image(path).shape == (40, 48, 3)  # whole, whenever it came
    subprocess.run([*command, "--resume"], check=True)
    assert fuse(folder, tmp_path / "whole", "--quiet") == 0
    assert {path.name: path.read_bytes() for path in output.glob("scene*.png")} == {
        path.name: path.read_bytes() for path in (tmp_path / "whole").glob("*.png")
    }


def test_dry_run(folder, tmp_path, capsys):
    (folder / "orphan-A.png").write_bytes((folder / "scene0-A.png").read_bytes())
    assert fuse(folder, tmp_path / "out", "--dry-run") == 1  # the orphan
    said = capsys.readouterr()
    assert said.out.splitlines()[0] == f"fuse scene0: {tmp_path / 'out' / 'scene0.png'}"
    assert "orphan" in said.err
    assert not (tmp_path / "out").exists()


def test_json_into_a_file(folder, tmp_path):
    assert fuse(folder, tmp_path / "out", "--quiet", "--json", str(tmp_path / "report.json")) == 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert [result["name"] for result in report["results"]] == [f"scene{number}" for number in range(5)]
    assert {result["method"] for result in report["results"]} == {"dwt"}


def test_the_benchmark_in_words(capsys):
    assert run_command(main, ["--benchmark", "--method", "pca"]) == 0
    assert " s a pair of 520x520, " in capsys.readouterr().out


def test_three_processes_share_one_folder(folder, tmp_path):
    command = [
        sys.executable,
        REPOSITORY / "fuse.py",
        "-i",
        folder,
        "-o",
        tmp_path / "out",
        "--method",
        "dwt",
        "--quiet",
    ]
    processes = [subprocess.Popen([*command, "--quiet", "--shard", f"{part}/3"]) for part in (1, 2, 3)]
    assert [process.wait() for process in processes] == [0, 0, 0]
    assert fuse(folder, tmp_path / "alone", "--quiet") == 0
    for path in (tmp_path / "alone").glob("*.png"):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert len(list((tmp_path / "out").glob("*.png"))) == 5
    assert fuse(folder, tmp_path / "out", "--resume", "--quiet") == 0


def test_results_of_several_hosts_are_scored_as_one(folder, tmp_path, capsys):
    parts = [tmp_path / "one", tmp_path / "two"]
    for number, part in enumerate(parts, 1):
        assert fuse(folder, part, "--quiet", "--shard", f"{number}/2") == 0
    assert fuse(folder, tmp_path / "alone", "--quiet") == 0
    tables = [tmp_path / "merged", tmp_path / "whole"]
    sources = ["--source", str(folder), "--quiet"]
    assert evaluate([*sources, "-o", str(tables[0]), "--fused", *(f"dwt={part}" for part in parts)]) == 0
    assert evaluate([*sources, "-o", str(tables[1]), "--fused", f"dwt={tmp_path / 'alone'}"]) == 0
    merged, whole = ((table / "per_pair.csv").read_text() for table in tables)
    assert merged == whole
    assert merged.count("scene3") == 1
    shutil.copy(next(parts[0].glob("scene*.png")), parts[1])  # one image in both is not counted twice but refused
    assert evaluate([*sources, "-o", str(tables[0]), "--overwrite", "--fused", *(f"dwt={part}" for part in parts)]) == 1
    assert "several images for one name" in capsys.readouterr().err


@pytest.mark.parametrize("shard", ["0/3", "4/3", "x", "1/", "-1/3"])
def test_wrong_shards(shard, folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        fuse(folder, tmp_path / "out", f"--shard={shard}")
    assert stop.value.code == 2
    assert "is not of the form I/N" in capsys.readouterr().err


def test_names_that_differ_by_case_alone(folder, tmp_path, capsys):
    for side in "AB":
        (folder / f"SCENE0-{side}.png").write_bytes((folder / f"scene0-{side}.png").read_bytes())
    assert fuse(folder, tmp_path / "out", "--quiet") == 1
    assert "differ by case alone" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="the administrator may write everywhere")
def test_a_folder_without_permission(folder, tmp_path, capsys):
    (tmp_path / "out").mkdir(mode=0o500)
    assert fuse(folder, tmp_path / "out", "--quiet") == 1
    assert "no permission" in capsys.readouterr().err


def test_a_full_disk_loses_nothing(folder, tmp_path, monkeypatch, capsys):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    output = tmp_path / "out"
    assert fuse(folder, output, "--quiet") == 0
    before = {path.name: path.read_bytes() for path in output.glob("*.png")}
    monkeypatch.setattr("data.io.image_io.save_8_bit", full)
    assert fuse(folder, output, "--quiet", "--overwrite", method="pca") == 1
    assert capsys.readouterr().err.count("No space left on device") == 5
    assert {path.name: path.read_bytes() for path in output.glob("*.png")} == before
    assert not list(output.glob(".partial*"))


def test_a_source_that_vanishes_half_way(folder, tmp_path, monkeypatch, capsys):
    def read(path, **options):
        if path.name == "scene1-A.png":
            (folder / "scene3-B.png").unlink(missing_ok=True)
        return read_photograph(path, **options)

    monkeypatch.setattr("data.io.frames.read_photograph", read)
    assert fuse(folder, tmp_path / "out", "--quiet") == 1
    assert "scene3" in capsys.readouterr().err
    assert len(list((tmp_path / "out").glob("*.png"))) == 4


@cache
def profile(space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def exif_of(path):
    with Image.open(path) as image:
        exif = image.getexif()
        return dict(exif), exif.get_ifd(0x8769), exif.get_ifd(0x8825), image.info.get("icc_profile")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_metadata_are_those_of_the_first_image(suffix, tmp_path):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    exif[0x8769] = {0x829A: 0.02, 0xA002: 999}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0)}
    for seed, side in enumerate("AB"):
        picture = Image.fromarray(drawn_photograph(np.random.default_rng(seed), 40, 48))
        picture.save(tmp_path / f"x-{side}.jpg", quality=95, exif=exif, icc_profile=profile("sRGB"))
    sources = [str(tmp_path / f"x-{side}.jpg") for side in "AB"]
    output = tmp_path / f"fused.{suffix}"
    assert main([*sources, "-o", str(output), "--quiet"]) == 0
    assert read_image(output).shape == (48, 40, 3)  # upright
    tags, exposure, place, carried = exif_of(output)
    assert tags[0x010F] == "Maker"
    assert tags.get(0x0112, 1) == 1
    assert float(exposure[0x829A]) == pytest.approx(0.02)
    assert 0xA002 not in exposure
    assert place[1] == "N"
    assert carried == profile("sRGB")


def test_profiles_that_differ_are_said(tmp_path):
    for seed, (side, space) in enumerate({"A": "sRGB", "B": "XYZ"}.items()):
        picture = Image.fromarray(drawn_photograph(np.random.default_rng(seed), 40, 48))
        picture.save(tmp_path / f"x-{side}.png", icc_profile=profile(space))
    sources = [str(tmp_path / f"x-{side}.png") for side in "AB"]
    with pytest.warns(UserWarning, match="differ in color profile"):
        assert main([*sources, "-o", str(tmp_path / "fused.png"), "--method", "pca", "--quiet"]) == 0
    assert exif_of(tmp_path / "fused.png")[3] == profile("sRGB")


def test_a_manifest_vouches_for_what_was_read(folder, tmp_path, monkeypatch):
    """A source that another program writes while its scene is fused: the result is not taken for one of the new."""
    source = sorted(folder.iterdir())[0]
    content, other = source.read_bytes(), sorted(folder.iterdir())[2].read_bytes()

    def read_and_exchange(path, **options):
        found = read_photograph(path, **options)
        if path == source:
            source.write_bytes(other)
        return found

    output = tmp_path / "out"
    with monkeypatch.context() as patch:
        patch.setattr("data.io.frames.read_photograph", read_and_exchange)
        fuse(folder, output, "--quiet")
    assert fuse(folder, output, "--resume", "--quiet") == 1  # made from other images: replaced only when asked
    source.write_bytes(content)
    assert fuse(folder, output, "--resume", "--quiet", "--overwrite") == 0


def test_a_file_that_changes_between_two_looks_is_said(folder, tmp_path):
    images = sorted(folder.iterdir())[:2]
    frames = Frames(check_stack(*images))
    frames[0]
    images[0].write_bytes(images[1].read_bytes())
    frames._read.clear()
    with pytest.raises(InputError, match="has become another file while it was read"):
        frames[0]
