import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from data.imaging.composition import compose
from model.fusion.paper import decide, refine

SHAPE = (12, 9)
maps = hnp.arrays(bool, SHAPE)
images = hnp.arrays(np.uint8, (*SHAPE, 3))


def test_truth_table():
    m1 = np.array([[False, False, True, True]])
    m2 = np.array([[False, True, False, True]])
    # M3 = NOT M2 = 1 0 1 0
    m4, m5 = refine(m1, m2)
    np.testing.assert_array_equal(m4, [[False, False, True, False]])
    np.testing.assert_array_equal(m5, [[True, False, True, True]])


def test_pixels_come_from_the_source_that_the_map_names():
    near, far = np.full((2, 2, 3), 10, np.uint8), np.full((2, 2, 3), 200, np.uint8)
    fused = compose((near, far), np.array([[True, False], [False, True]]))
    assert fused[..., 0].tolist() == [[200, 10], [10, 200]]
    gray = compose((near[..., 0], far[..., 0]), np.array([[True, False], [False, True]]))
    assert gray.tolist() == [[200, 10], [10, 200]]


def test_the_candidate_with_the_higher_q_abf_is_chosen():
    """A vertical edge that only one source shows: the candidate that keeps it wins."""
    near, far = np.zeros((2, 16, 16), np.uint8)
    near[:, 8:] = 220
    nothing, everything = np.zeros((16, 16), bool), np.ones((16, 16), bool)
    # Both maps say "out of focus" everywhere: M4 = 1 AND 0 takes the first source, M5 = 1 OR 0 the second.
    decision = decide(near, far, everything, everything)
    np.testing.assert_array_equal(decision.candidates["F1"], near)
    np.testing.assert_array_equal(decision.candidates["F2"], far)
    assert decision.chosen == "F1"
    # Edges that are kept whole: 0.9994 / (1 + e^-7.5) * 0.9879 / (1 + e^-4.4); of those that are lost, the first factor
    # has e^7.5.
    assert decision.q_abf["F1"] == pytest.approx(0.97479, abs=1e-5)
    assert decision.q_abf["F2"] <= 0.00054
    other = decide(far, near, everything, everything)
    assert other.chosen == "F2"
    np.testing.assert_array_equal(other.fused, near)
    # Where the maps agree that the first source is in focus, M4 = 0 AND 0 and M5 = 0 OR 0 both take it.
    agreed = decide(near, far, nothing, everything)
    for fused in (*agreed.candidates.values(), agreed.fused):
        np.testing.assert_array_equal(fused, near)


def test_without_any_edge_the_first_candidate_is_chosen():
    flat = np.zeros((16, 16, 3), np.uint8)
    decision = decide(flat, flat, np.zeros((16, 16), bool), np.zeros((16, 16), bool))
    assert np.isnan(decision.q_abf["F1"])
    assert decision.chosen == "F1"
    np.testing.assert_array_equal(decision.fused, flat)


@given(maps, maps)
def test_refinement_keeps_what_both_maps_agree_on(m1, m2):
    agreed = m1 != m2  # one source is in focus, the other is not
    for refined in refine(m1, m2):
        np.testing.assert_array_equal(refined[agreed], m1[agreed])


@settings(max_examples=30, deadline=None)
@given(images, images, maps, maps)
def test_swapping_the_sources_gives_the_same_candidates(near, far, m1, m2):
    """NOT (M1 AND NOT M2) = M2 OR NOT M1: the candidates change places, the better one stays the better one."""
    straight, swapped = decide(near, far, m1, m2), decide(far, near, m2, m1)
    np.testing.assert_array_equal(straight.candidates["F1"], swapped.candidates["F2"])
    np.testing.assert_array_equal(straight.candidates["F2"], swapped.candidates["F1"])
    best = max(straight.q_abf.values())
    assert straight.q_abf[straight.chosen] == pytest.approx(best, nan_ok=True)
    assert swapped.q_abf[swapped.chosen] == pytest.approx(best, nan_ok=True)


@settings(max_examples=30, deadline=None)
@given(images, images, maps, maps)
def test_every_pixel_is_one_of_the_sources(near, far, m1, m2):
    fused = decide(near, far, m1, m2).fused
    assert fused.shape == near.shape
    assert fused.dtype == near.dtype
    assert np.all(np.all(fused == near, axis=-1) | np.all(fused == far, axis=-1))
