"""Where two sources are mixed, by hand."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.fusion.blending import BoundaryBlending
from model.fusion.ranking import Ranking

ODDS = np.float32(np.log(3))  # the logit of 3/4
SHAPE = (12, 40)
REACH, THRESHOLD = BoundaryBlending().reach, BoundaryBlending().error_threshold


def two_halves(logit, images):
    """The first source on the left and the second on the right, each as sure as the logit says."""
    logits = np.full(SHAPE, -logit, np.float32)
    logits[:, 20:] = logit
    ranking = Ranking(SHAPE)
    ranking.add(1, logits)
    return BoundaryBlending().mix(images, ranking)


def gray(*values, dtype=np.uint8):
    return [np.full((*SHAPE, 3), value, dtype) for value in values]


def test_who_comes_second_is_known_however_sure_the_first_is():
    ranking = Ranking((1, 3))
    ranking.add(1, np.float32([[-100, 100, -1]]))
    np.testing.assert_array_equal(ranking.decision_map, [[0, 1, 0]])
    np.testing.assert_array_equal(ranking.runner_up, [[1, 0, 1]])
    np.testing.assert_array_equal(ranking.confidence[:, :2], 1)
    ranking.add(2, np.float32([[-2, -100, -2]]))
    np.testing.assert_array_equal(ranking.runner_up, [[2, 0, 1]])  # closer than the one before, or not


def test_doubt_at_an_outline_mixes_by_probability():
    fused = two_halves(ODDS, gray(100, 200))
    columns = fused[6, :, 0]
    np.testing.assert_array_equal(columns[20 - REACH : 20], 125)  # 3/4 of 100 and 1/4 of 200
    np.testing.assert_array_equal(columns[20 : 20 + REACH], 175)
    np.testing.assert_array_equal(columns[: 20 - REACH], 100)
    np.testing.assert_array_equal(columns[20 + REACH :], 200)


@pytest.mark.parametrize(("difference", "is_mixed"), [(THRESHOLD * 4, False), (THRESHOLD * 4 + 1, True)])
def test_small_mistakes_are_not_mixed(difference, is_mixed):
    fused = two_halves(ODDS, gray(100, 100 + int(difference)))
    assert np.any(~np.isin(fused, (100, 100 + int(difference)))) == is_mixed


def test_certainty_takes_one_source():
    fused = two_halves(np.float32(30), gray(0, 255))
    assert set(np.unique(fused)) == {0, 255}


def test_nothing_is_mixed_beyond_reach_or_without_a_mistake():
    logits = np.where(np.arange(40) < 20, -ODDS, ODDS)[None].repeat(12, 0)
    ranking = Ranking(SHAPE)
    ranking.add(1, logits)
    hard = BoundaryBlending(error_threshold=math.inf).mix(gray(100, 200), ranking)
    assert set(np.unique(hard)) == {100, 200}
    near = BoundaryBlending(reach=1).mix(gray(100, 200), ranking)
    np.testing.assert_array_equal(np.unique(np.nonzero(near != hard)[1]), [19, 20])


def test_smoothing():
    point = np.zeros((21, 21), np.float32)
    point[10, 10] = 1
    smoothed = BoundaryBlending(smoothing=1).smooth(point)
    np.testing.assert_allclose(smoothed[10, 10], 0.3989**2, rtol=0.01)  # 1 / sqrt(2 pi), twice
    assert BoundaryBlending().smooth(point) is point


def test_gray_and_sixteen_bits():
    color = two_halves(ODDS, gray(100, 200))
    np.testing.assert_array_equal(two_halves(ODDS, [image[..., 0] for image in gray(100, 200)]), color[..., 0])
    wide = two_halves(ODDS, gray(100 * 257, 200 * 257, dtype=np.uint16))
    np.testing.assert_array_equal(wide, color.astype(np.uint16) * 257)


def test_the_ranking_by_hand():
    ranking = Ranking((1, 4))
    first = ranking.add(1, np.float32([[2, -2, -2, 2]]))
    second = ranking.add(2, np.float32([[-1, -1, -3, 4]]))
    np.testing.assert_array_equal(first, [[[True, False, False, True]], [[False, True, True, False]]])
    np.testing.assert_array_equal(second, [[[False, False, False, True]], [[True, True, False, False]]])
    np.testing.assert_array_equal(ranking.decision_map, [[1, 0, 0, 2]])
    np.testing.assert_array_equal(ranking.runner_up, [[2, 2, 1, 1]])  # whichever came closer
    np.testing.assert_allclose(ranking.confidence, 1 / (1 + np.exp([[-1, -1, -2, -4]])), rtol=1e-6)


def test_the_sources_of_a_pair_are_exchanged_without_a_doubt():
    ranking = Ranking((1, 3))
    ranking.add(1, np.float32([[2, -2, 2]]))
    ranking.exchange(np.array([[True, True, False]]))
    np.testing.assert_array_equal(ranking.decision_map, [[0, 1, 1]])
    np.testing.assert_array_equal(ranking.runner_up, [[1, 0, 0]])
    np.testing.assert_allclose(ranking.confidence, [[1, 1, 1 / (1 + np.exp(-2))]], rtol=1e-6)


def test_islands_go_without_a_doubt():
    logits = np.full((40, 40), -1, np.float32)
    logits[10:12, 10:12] = 1
    ranking = Ranking((40, 40))
    ranking.add(1, logits)
    ranking.remove_small_regions(0.01)
    assert not ranking.decision_map.any()
    assert np.all(ranking.confidence[10:12, 10:12] == 1)
    assert np.count_nonzero(ranking.confidence == 1) == 4


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(np.uint8, (2, 9, 11, 3)),
    hnp.arrays(np.float32, (9, 11), elements=st.floats(-6, 6, width=32).filter(bool)),
)
def test_between_the_sources_and_the_same_when_they_are_swapped(images, logits):
    results = []
    for pair, sign in ((images, 1), (images[::-1], -1)):
        ranking = Ranking((9, 11))
        ranking.add(1, sign * logits)
        results.append(BoundaryBlending().mix(pair, ranking))
    np.testing.assert_array_equal(*results)
    assert np.all((images.min(0) <= results[0]) & (results[0] <= images.max(0)))
