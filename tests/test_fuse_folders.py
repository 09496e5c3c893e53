"""fuse.py with folders as a camera leaves them: what it understands, says and writes."""

import json

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from data.io.image_io import read_image, read_photograph, write_image
from data.io.metadata import Metadata
from data.runtime.errors import run_command
from fuse import main
from tests.conftest import drawn_photograph


def fuse(*arguments):
    return run_command(main, [str(argument) for argument in arguments])


def frames(folder, *names, shape=(96, 128)):
    scene = drawn_photograph(np.random.default_rng(0), *shape)
    for number, name in enumerate(names):
        image = cv2.GaussianBlur(scene, (0, 0), 1)
        image[:, number % 2 :: 2] = scene[:, number % 2 :: 2]  # all differ, and lie on each other
        image[number] = scene[number]
        write_image(folder / name, image)


def test_a_folder_is_one_stack_and_what_was_understood_is_one_line(tmp_path, capsys):
    frames(tmp_path / "pcb", "pcb_009.png", "pcb_010.png", "truth.png")
    assert fuse(tmp_path / "pcb", "-o", tmp_path / "fused.png", "--method", "dwt") == 0
    said = capsys.readouterr()
    assert said.err.splitlines()[:2] == [
        "pcb: 2 frames, pcb_009 to pcb_010",
        "warning: pcb: truth.png is left out, not of the series pcb_009.png to pcb_010.png",
    ]
    assert "1 of 1 fused" in said.out
    sources = [tmp_path / "pcb" / name for name in ("pcb_009.png", "pcb_010.png")]
    assert fuse(*sources, "-o", tmp_path / "same.png", "--method", "dwt", "--quiet") == 0
    assert capsys.readouterr() == ("", "")
    assert (tmp_path / "fused.png").read_bytes() == (tmp_path / "same.png").read_bytes()


def test_a_dry_run_lists_every_frame(tmp_path, capsys):
    names = [f"DSC_{number}.jpg" for number in range(9998, 10003)]
    frames(tmp_path / "beetle", *names)
    assert fuse(tmp_path / "beetle", "-o", tmp_path / "fused.tif", "--dry-run") == 0
    said = capsys.readouterr()
    expected = [f"fuse beetle: {tmp_path / 'fused.tif'}", *(f"  {tmp_path / 'beetle' / name}" for name in names)]
    assert said.out.splitlines() == expected
    assert said.err == "beetle: 5 frames, DSC_9998 to DSC_10002\n"
    assert not (tmp_path / "fused.tif").exists()


def test_json_lists_every_frame_and_what_is_left_out(tmp_path, capsys):
    frames(tmp_path / "pcb", "0000.png", "0001.png", "0002.png", "all.png")
    assert fuse(tmp_path / "pcb", "-o", tmp_path / "fused.png", "--dry-run", "--json", "-") == 0
    said = capsys.readouterr()
    report = json.loads(said.out)
    assert report["results"][0]["sources"] == [str(tmp_path / "pcb" / f"000{number}.png") for number in range(3)]
    assert "all.png is left out" in report["notes"][0] and report["problems"] == []
    assert said.err == ""


def test_one_stack_from_each_subfolder_named_after_it(tmp_path, capsys):
    frames(tmp_path / "in" / "pcb", "1_001.png", "1_002.png")
    frames(tmp_path / "in" / "fly", "A.png", "B.png")
    assert fuse("-i", tmp_path / "in", "-o", tmp_path / "out", "--method", "dwt") == 0
    assert {path.name for path in (tmp_path / "out").glob("*.png")} == {"fly.png", "pcb.png"}
    assert fuse("-i", tmp_path / "in" / "pcb", "-o", tmp_path / "one", "--method", "dwt", "--quiet") == 0
    assert {path.name for path in (tmp_path / "one").glob("*.png")} == {"pcb.png"}


def test_results_below_the_photographs_are_not_fused(tmp_path, capsys):
    for name in ("stack_001", "stack_002"):
        frames(tmp_path / name, "1_001.png", "1_002.png")
    arguments = ("-i", tmp_path, "-o", tmp_path / "fused", "--method", "dwt", "--quiet")
    assert fuse(*arguments) == 0
    assert fuse(*arguments, "--overwrite") == 0
    assert {path.name for path in (tmp_path / "fused").glob("*.png")} == {"stack_001.png", "stack_002.png"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "no image pair in"),
        (["x/1_001.png", "x/1_002.png", "y/1_001.png", "y/1_002.png"], "holds 2 scenes, x to y; -i"),
        (["front.png", "back.png"], "belongs to no stack"),
        (["1_001.png", "1_002.png", "1_003.png"], "has more than 2 images"),
    ],
)
def test_folders_that_are_no_scene(tmp_path, names, message, capsys):
    (tmp_path / "in").mkdir()
    frames(tmp_path / "in", *names)
    assert fuse(tmp_path / "in", "-o", tmp_path / "fused.png", "--method", "dwt") == 1
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
    assert not (tmp_path / "fused.png").exists()


def test_a_folder_beside_images_is_refused(tmp_path, capsys):
    frames(tmp_path / "in", "1_001.png", "1_002.png")
    images = sorted((tmp_path / "in").iterdir())
    assert fuse(tmp_path / "in", *images, "-o", tmp_path / "fused.png") == 1
    assert "it is a folder" in capsys.readouterr().err


def test_no_frame_of_a_folder_is_replaced(tmp_path, capsys):
    frames(tmp_path / "in", "1_001.png", "1_002.png")
    before = (tmp_path / "in" / "1_002.png").read_bytes()
    assert fuse(tmp_path / "in", "-o", tmp_path / "in" / "1_002.png", "--method", "dwt", "--overwrite") == 1
    assert "is one of the files that are read" in capsys.readouterr().err
    assert (tmp_path / "in" / "1_002.png").read_bytes() == before


def test_frames_of_slightly_different_size(tmp_path):
    frames(tmp_path / "in", "1_001.png", shape=(200, 300))
    frames(tmp_path / "in", "1_002.png", shape=(199, 302))
    assert fuse(tmp_path / "in", "-o", tmp_path / "fused.png", "--method", "dwt", "--quiet") == 0
    assert read_image(tmp_path / "fused.png").shape == (199, 300, 3)


def test_frames_of_16_bits_with_all_that_a_camera_says(tmp_path):
    """A stack of three with the default strategy, from TIFF to TIFF."""
    exif = Image.Exif()
    exif[0x010F], exif[0x8769], exif[0x8825] = "Maker", {0x829A: 0.02, 0x927C: bytes(9000)}, {1: "N"}
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    scene = (96 + drawn_photograph(np.random.default_rng(0), 96, 96) // 4).astype(np.uint16) * 257
    for number in range(3):
        frame = scene.copy()
        band = np.s_[32 * number : 32 * number + 32]
        frame[band] = cv2.GaussianBlur(scene, (0, 0), 1)[band]
        write_image(tmp_path / "in" / f"P{number + 9:04}.tif", frame, metadata=Metadata(profile, exif.tobytes()))
    assert fuse(tmp_path / "in", "-o", tmp_path / "fused.tif", "--quiet") == 0
    image, metadata = read_photograph(tmp_path / "fused.tif")
    assert image.dtype == np.uint16 and image.shape == scene.shape
    assert (image == scene).mean() > 0.7
    assert metadata == read_photograph(tmp_path / "in" / "P0009.tif")[1] and metadata.profile == profile
    with Image.open(tmp_path / "fused.tif") as opened:
        assert opened.getexif().get_ifd(0x8769)[0x927C] == bytes(9000)


def test_with_a_json_file_what_was_understood_is_said_all_the_same(tmp_path, capsys):
    frames(tmp_path / "pcb", "0000.png", "0001.png", "0002.png", "all.png")
    options = ("-o", tmp_path / "fused.png", "--dry-run", "--json", tmp_path / "report.json")
    assert fuse(tmp_path / "pcb", *options) == 0
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "pcb: 3 frames, 0000 to 0002" and "all.png is left out" in said[1]
