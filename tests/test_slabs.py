"""Parts of a deep stack whose results are written beside that of the whole."""

import cv2
import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError, run_command
from fuse import main
from model.fusion.outputs import Slabs
from tests.conftest import drawn_photograph


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("3", 7, [(0, 3), (3, 6), (6, 7)]),
        ("3:1", 7, [(0, 3), (2, 5), (4, 7)]),
        ("20:5", 40, [(0, 20), (15, 35), (30, 40)]),
        ("9", 7, [(0, 7)]),
        ("2:1", 3, [(0, 2), (1, 3)]),
    ],
)
def test_spans(tmp_path, text, count, expected):
    slabs = Slabs.parse(text)
    assert [(span.start, span.stop) for span in slabs.spans(count)] == expected
    files = slabs.files(tmp_path / "x.png", count)
    assert [file.name for file in files] == [f"x-slab-{number}.png" for number in range(1, len(expected) + 1)]


@pytest.mark.parametrize("text", ["", "1", "3:3", "3:-1", "x", "3:x", "3.5"])
def test_what_is_no_slab(text):
    with pytest.raises(InputError, match="slabs are SIZE or SIZE:OVERLAP"):
        Slabs.parse(text)


def test_a_part_is_prepared_as_the_whole():
    image = drawn_photograph(np.random.default_rng(0), 160, 200)
    frames = [
        cv2.warpAffine(image, cv2.getRotationMatrix2D((100, 80), 0, 1 + 0.02 * step), (200, 160)) for step in range(5)
    ]
    whole = PreparedFrames(frames, match_exposure="none")
    part = whole.part(range(3, 5))
    assert part.frame_numbers == (3, 4) and len(whole) == 5
    np.testing.assert_array_equal(part[0], whole[3])
    assert whole.part([9]).frame_numbers == (4,)
    labels = np.ones(whole[0].shape[:2], np.uint8)
    part.assign_uncovered(labels)
    assert labels.max() <= 1


def test_slabs_are_written_with_the_result(tmp_path, capsys):
    sharp = drawn_photograph(np.random.default_rng(1), 96, 160)
    for number in range(4):
        frame = cv2.GaussianBlur(sharp, (0, 0), 3)
        frame[:, 40 * number : 40 * (number + 1)] = sharp[:, 40 * number : 40 * (number + 1)]
        write_image(tmp_path / "in" / f"x_{number:03d}.png", frame)
    words = [str(tmp_path / "in"), "-o", str(tmp_path / "out.png"), "--no-align", "--quiet"]
    assert run_command(main, [*words, "--slabs", "2"]) == 0
    slabs = [read_image(tmp_path / f"out-slab-{number}.png") for number in (1, 2)]
    whole = read_image(tmp_path / "out.png")

    def near(image, columns):
        return np.abs(image[8:-8, columns].astype(int) - sharp[8:-8, columns]).mean()

    assert near(slabs[0], np.s_[8:72]) < 2 < near(slabs[0], np.s_[88:152])
    assert near(slabs[1], np.s_[88:152]) < 2 < near(slabs[1], np.s_[8:72])
    assert near(whole, np.s_[8:152]) < 2
    assert run_command(main, [*words, "--slabs", "2"]) == 1  # they are there
    assert "exists already" in capsys.readouterr().err
    for wrong in (["--slabs", "2", "--strategy", "paper"], ["--slabs", "1"], ["--slabs", "2", "--align-only"]):
        with pytest.raises(SystemExit):
            main([*words, *wrong])


def test_a_wrong_division_is_wrong_usage(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["-i", str(tmp_path), "-o", str(tmp_path / "out"), "--split", "foo"])
    assert stop.value.code == 2 and "--split: a division is count:N" in capsys.readouterr().err
