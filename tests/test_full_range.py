"""Frames of 10 or 12 bits in 16: fused as if they used the whole range, and written as they are."""

import numpy as np
import pytest

from data.imaging.full_range import FullRange, shift_back, unused_bits
from data.io.image_io import read_image, write_image
from model import FusionSettings
from model.fusion.pipeline import fuse
from tests.test_volume import frames as stack  # noqa: F401 - a fixture


@pytest.mark.parametrize(("largest", "expected"), [(65535, 0), (32768, 0), (32767, 1), (4095, 4), (1023, 6), (1, 15)])
def test_unused_bits(largest, expected):
    frames = [np.full((2, 2), value, np.uint16) for value in (0, largest, largest // 3)]
    assert unused_bits(frames) == expected
    shifted = FullRange(frames, expected)
    assert len(shifted) == 3 and shifted[1].dtype == np.uint16
    np.testing.assert_array_equal(shift_back(shifted[1], expected), frames[1])


def test_black_and_eight_bits_stay():
    assert unused_bits([np.zeros((2, 2), np.uint16)]) == 0
    assert unused_bits([np.ones((2, 2), np.uint8)]) == 0


@pytest.mark.parametrize("strategy", ["learned", "refined"])
def test_the_result_is_that_of_the_whole_range(stack, strategy):  # noqa: F811
    whole = [frame.astype(np.uint16) << 8 for frame in stack]
    settings = FusionSettings(strategy=strategy)
    expected = fuse(whole, settings)
    result = fuse([frame >> 4 for frame in whole], settings)
    np.testing.assert_array_equal(result.decision_map, expected.decision_map)
    assert np.abs(result.image.astype(int) - (expected.image >> 4)).max() <= 1


def test_files_hold_the_given_range(stack, tmp_path):  # noqa: F811
    from fuse import main

    for number, frame in enumerate(stack, 1):
        write_image(tmp_path / "in" / f"p_{number:03d}.tif", frame.astype(np.uint16) << 4)
    assert main([str(tmp_path / "in"), "-o", str(tmp_path / "fused.tif"), "--quiet"]) == 0
    fused = read_image(tmp_path / "fused.tif")
    assert fused.dtype == np.uint16 and 2048 < fused.max() <= 4095
    options = ["-o", str(tmp_path / "aligned"), "--align-only", "--quiet", "--format", "tif"]
    assert main([str(tmp_path / "in"), *options]) == 0
    aligned = [read_image(path) for path in sorted((tmp_path / "aligned").glob("*.tif"))]
    np.testing.assert_array_equal(aligned[0], stack[0].astype(np.uint16) << 4)
