"""Multi-band blending, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.fusion.multiband import SIDE, blend
from tests.conftest import drawn_photograph


def halves(height, width):
    decision_map = np.zeros((height, width), np.uint8)
    decision_map[:, width // 2 :] = 1
    return decision_map


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_sources_come_back(levels, dtype):
    image = drawn_photograph(np.random.default_rng(0), 61, 83).astype(dtype)
    np.testing.assert_array_equal(blend([image, image], halves(61, 83), levels), image)


def test_without_levels_it_is_a_hard_cut():
    images = [np.full((20, 30), value, np.uint8) for value in (10, 200)]
    np.testing.assert_array_equal(blend(images, halves(20, 30), 0), np.where(halves(20, 30) == 0, *images))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_flat_sources_fade_into_each_other(levels):
    images = [np.full((64, 256), value, np.uint8) for value in (40, 120)]
    row = blend(images, halves(64, 256), levels)[32].astype(int)
    reach = 2 ** (levels + 1)
    assert np.all(row[: 128 - reach] == 40) and np.all(row[128 + reach :] == 120)
    assert np.all(np.diff(row) >= 0)
    assert 1 <= np.abs(row[127:129] - 80).max() <= 40 - 2**levels  # the more levels, the smaller the step
    assert row[:128].sum() + row[128:].sum() == pytest.approx(256 * 80, abs=128)  # as much lighter as darker


def test_windows_do_not_show():
    rng = np.random.default_rng(1)
    height, width = SIDE + 37, 2 * SIDE + 5
    images = [rng.integers(0, 65536, (height, width, 3), dtype=np.uint16) for _ in range(3)]
    decision_map = np.zeros((height, width), np.uint8)
    decision_map[:, SIDE - 3 :] = 1  # a boundary beside that of the windows
    decision_map[SIDE + 1 :, :] = 2
    fused = blend(images, decision_map, 2)
    shifted = blend([image[8:, 12:] for image in images], decision_map[8:, 12:], 2)  # a multiple of 2 ** levels
    inner = np.s_[16:, 16:]
    np.testing.assert_allclose(shifted[inner].astype(int), fused[8:, 12:][inner].astype(int), atol=1)


@settings(max_examples=30, deadline=None)
@given(
    hnp.arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 24), st.integers(1, 24)), elements=st.integers(0, 2)),
    st.integers(0, 3),
)
def test_far_from_boundaries_every_pixel_is_that_of_its_source(noise, levels):
    images = [layer * 100 for layer in noise]
    one = np.full(images[0].shape, 2, np.uint8)
    np.testing.assert_array_equal(blend(images, one, levels), images[2])
