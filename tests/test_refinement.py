"""The strategy `refined`, by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.refinement import RefinedDecision, compare, compose, remove_islands


def test_the_lowest_probability_wins_even_where_all_are_sure():
    # Each column has its own ranking; smoothing mixes columns only near their borders.
    maps = np.empty((3, 60, 120), np.float32)
    maps[:, :, :40] = np.array([0.2, 0.5, 0.9]).reshape(3, 1, 1)
    maps[:, :, 40:80] = np.array([0.99, 0.98, 0.999]).reshape(3, 1, 1)
    maps[:, :, 80:] = np.array([0.02, 0.5, 0.01]).reshape(3, 1, 1)
    labels = compare(maps)
    assert labels.dtype == np.uint8
    for start, label in ((0, 0), (40, 1), (80, 2)):
        np.testing.assert_array_equal(labels[:, start + 8 : start + 32], label)


def test_of_equals_the_first():
    assert not compare(np.full((2, 8, 8), 0.5, np.float32)).any()


def test_a_single_pixel_of_noise_is_smoothed_away():
    maps = np.stack([np.full((31, 31), 0.2, np.float32), np.full((31, 31), 0.8, np.float32)])
    maps[:, 15, 15] = 0.9, 0.1
    assert not compare(maps).any()


def test_islands_and_holes():
    labels = np.zeros((100, 100), np.uint8)
    labels[:, 50:] = 1
    labels[10:13, 10:13] = 1  # 9 pixels of 10,000
    labels[40:60, 70:90] = 0  # 400
    labels[80:83, 97:] = 2
    wanted = labels.copy()
    wanted[10:13, 10:13] = 0
    wanted[80:83, 97:] = 1
    np.testing.assert_array_equal(remove_islands(labels, 0.002), wanted)
    wanted[40:60, 70:90] = 1
    np.testing.assert_array_equal(remove_islands(labels, 0.05), wanted)


def test_where_all_regions_are_small_nothing_changes():
    board = (np.indices((20, 20)).sum(0) % 2).astype(np.uint8)
    np.testing.assert_array_equal(remove_islands(board, 0.01), board)


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_pixel_comes_from_its_source(shape, dtype):
    rng = np.random.default_rng(0)
    images = rng.integers(0, np.iinfo(dtype).max, (3, *shape), dtype=dtype, endpoint=True)
    labels = rng.integers(0, 3, (4, 5), dtype=np.uint8)
    fused = compose(images, labels)
    assert fused.dtype == dtype
    for row, column in np.ndindex(4, 5):
        np.testing.assert_array_equal(fused[row, column], images[labels[row, column], row, column])


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.float32, (2, 24, 24), elements=st.floats(0, 1, width=32)))
def test_swapping_two_sources_swaps_the_labels(maps):
    one, other = compare(maps), compare(maps[::-1])
    differing = one == other
    # Only where both are equally sharp, to the last bit, does the order count.
    assert not one[differing].any()


def test_summary():
    labels = np.array([[0, 0], [0, 2]], np.uint8)
    decision = RefinedDecision(labels, labels)
    assert decision.summary() == {"strategy": "refined", "shares": [0.75, 0.0, 0.25]}
