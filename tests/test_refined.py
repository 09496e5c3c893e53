"""The strategy `refined`, by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.imaging.composition import compose
from model.fusion.decision import MapDecision
from model.fusion.focus_measure import VISIBLE_CONTRAST, FocusMeasure, contrast, lowest, remove_small_regions

FLAT = np.full((40, 40, 3), 90, np.uint8)


def maps(value, shape=(40, 40)):
    return np.full(shape, value, np.float32)


def test_a_score_by_hand():
    measure = FocusMeasure(coarse_weight=0.5, contrast_weight=2.0)
    # 1.5 - 0.2 - 2 ln 100, of a picture without any contrast.
    np.testing.assert_allclose(measure.score(FLAT, maps(1.5), maps(-0.4)), -7.91034, rtol=1e-5)


def test_contrast_by_hand():
    ramp = np.repeat(np.arange(40, dtype=np.uint8)[None] * 5, 40, axis=0)
    # Sobel sums eight differences of 5 over two pixels: 40 along x, 0 along y.
    np.testing.assert_allclose(contrast(ramp, 2.0)[10:30, 10:30], 1600, rtol=1e-4)
    np.testing.assert_allclose(contrast(ramp.astype(np.uint16) * 257, 2.0)[10:30, 10:30], 1600, rtol=1e-4)
    color = np.repeat(ramp[..., None], 3, axis=2)
    np.testing.assert_allclose(contrast(color, 2.0), contrast(ramp, 2.0), rtol=1e-4)


def test_the_more_certain_source_wins_even_where_both_are_sure():
    scores = [FocusMeasure().score(FLAT, maps(value), maps(value)) for value in (20.5, 20.0, 21.0)]
    assert np.all(FocusMeasure().decide([FLAT] * 3, scores) == 1)


def test_contrast_decides_between_maps_that_say_the_same():
    rng = np.random.default_rng(0)
    sharp = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
    dull = cv2.GaussianBlur(sharp, (0, 0), 2)
    scores = [FocusMeasure().score(image, maps(0.0), maps(0.0)) for image in (dull, sharp)]
    assert np.all(FocusMeasure().decide((dull, sharp), scores) == 1)
    without = [FocusMeasure(contrast_weight=0).score(image, maps(0.0), maps(0.0)) for image in (dull, sharp)]
    assert not FocusMeasure().decide((dull, sharp), without).any()  # of equals the first


def test_a_single_pixel_of_noise_is_smoothed_away():
    first, second = maps(-1.5), maps(1.5)
    first[15, 15], second[15, 15] = 2.2, -2.2
    scores = [FocusMeasure(smoothing=2).score(FLAT, one, one) for one in (first, second)]
    assert not lowest(scores).any()


def test_islands_and_holes():
    labels = np.zeros((100, 100), np.uint8)
    labels[:, 50:] = 1
    labels[10:13, 10:13] = 1  # 9 pixels of 10,000
    labels[40:60, 70:90] = 0  # 400
    labels[80:83, 97:] = 2
    wanted = labels.copy()
    wanted[10:13, 10:13] = 0
    wanted[80:83, 97:] = 1
    np.testing.assert_array_equal(remove_small_regions(labels, 0.002), wanted)
    wanted[40:60, 70:90] = 1
    np.testing.assert_array_equal(remove_small_regions(labels, 0.05), wanted)


def test_a_small_region_that_shows_something_stays():
    decision_map = np.zeros((100, 100), np.uint8)
    decision_map[10:13, 10:13] = 1
    decision_map[30:33, 30:33] = 2
    shown = np.zeros((100, 100), np.float32)
    shown[11, 11] = VISIBLE_CONTRAST
    shown[29, 30] = VISIBLE_CONTRAST  # beside the other
    wanted = decision_map.copy()
    wanted[30:33, 30:33] = 0
    np.testing.assert_array_equal(remove_small_regions(decision_map, 0.01, shown), wanted)


def test_where_all_regions_are_small_nothing_changes():
    board = (np.indices((20, 20)).sum(0) % 2).astype(np.uint8)
    np.testing.assert_array_equal(remove_small_regions(board, 0.01), board)


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
@given(hnp.arrays(np.float32, (2, 24, 24), elements=st.floats(-9, 9, width=32)))
def test_swapping_two_sources_swaps_the_labels(scores):
    one, other = lowest(scores), lowest(scores[::-1])
    np.testing.assert_array_equal(one == other, scores[0] == scores[1])
    assert not one[scores[0] == scores[1]].any()


def test_summary():
    labels = np.array([[0, 0], [0, 2]], np.uint8)
    decision = MapDecision(labels, labels)
    assert decision.summary() == {"strategy": "refined", "shares": [0.75, 0.0, 0.25]}
