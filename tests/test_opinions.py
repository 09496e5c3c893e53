"""The comparing network is overruled where two other judges contradict it over a region."""

import cv2
import numpy as np
import pytest

from metrics.frames import FrameFaults
from model import load_fuser
from model.fusion.opinions import CERTAIN, find_misfits, overrule
from tests.conftest import drawn_photograph

SHAPE = (160, 200)
UNSURE = [np.zeros(SHAPE, np.float32)] * 2


@pytest.fixture(scope="module")
def pair():
    """A photograph that is sharp on the left in the first image and on the right in the second."""
    rng = np.random.default_rng(0)
    sharp = drawn_photograph(rng, *SHAPE).astype(float) + rng.normal(0, 20, (*SHAPE, 3))
    sharp = np.clip(sharp, 0, 255).astype(np.uint8)
    first = cv2.GaussianBlur(sharp, (0, 0), 3)
    second = first.copy()
    first[:, :100], second[:, 100:] = sharp[:, :100], sharp[:, 100:]
    return first, second


def right_logits():
    logits = np.full(SHAPE, -3, np.float32)
    logits[:, 100:] = 3
    return logits


def test_right_choices_stay(pair):
    logits = right_logits()
    overrule(logits, pair, UNSURE)
    np.testing.assert_array_equal(logits, right_logits())


def test_a_wide_region_is_exchanged_and_what_is_wrong_near_it(pair):
    logits = right_logits()
    logits[40:100, 20:80] = 3
    logits[130:140, 20:60] = 3  # too narrow for itself
    overrule(logits, pair, UNSURE)
    assert np.all(logits[45:95, 25:75] == -CERTAIN) and np.all(logits[132:138, 25:55] == -CERTAIN)
    assert np.all(logits[:, 110:] == 3)


def test_a_narrow_region_stays(pair):
    logits = right_logits()
    logits[40:60, 20:80] = given = 3
    overrule(logits, pair, UNSURE)
    assert np.all(logits[40:60, 20:80] == given)


def test_one_other_judge_is_not_enough(pair):
    logits = right_logits()
    logits[40:100, 20:80] = 3
    given = logits.copy()
    sure = np.full(SHAPE, 100, np.float32)  # of the first image: out of focus
    overrule(logits, pair, [sure, -sure])
    np.testing.assert_array_equal(logits, given)


def test_small_holes_hide_no_region(pair):
    logits = right_logits()
    logits[40:100, 20:80] = 3
    logits[50:100:10, 20:80:10] = -3
    overrule(logits, pair, UNSURE)
    assert np.all(logits[45:95, 25:75] < 0)


def test_exchanging_the_images_exchanges_the_choice(pair):
    logits, exchanged = right_logits(), -right_logits()
    logits[40:100, 20:80] *= -1
    exchanged[40:100, 20:80] *= -1
    overrule(logits, pair, UNSURE)
    overrule(exchanged, pair[::-1], UNSURE)
    np.testing.assert_allclose(exchanged, -logits)


def test_an_image_does_not_win_where_it_shows_nothing(pair):
    logits = np.full(SHAPE, -3, np.float32)
    covered = np.zeros(SHAPE, bool)
    overrule(logits, pair, UNSURE, (None, covered))
    assert np.all(logits == -3)


@pytest.fixture(scope="module")
def displaced():
    """A sharp stripe before a plain wall, and the same out of focus and elsewhere, as parallax shows it."""
    wall = np.full(SHAPE, 120, np.float32)
    sharp, moved = wall.copy(), wall.copy()
    sharp[:, 80:100] = 240
    moved[:, 110:130] = 240
    return sharp, cv2.GaussianBlur(moved, (0, 0), 2)


def never():
    pytest.fail("asked for another decision")


def test_edges_that_neither_image_shows_are_misfits(displaced):
    """The left half of the moved stripe is cut off where the first image shows the wall."""
    cut = np.zeros(SHAPE, np.uint8)
    cut[:, 120:] = 1
    whole = np.zeros(SHAPE, np.uint8)
    np.testing.assert_array_equal(find_misfits(displaced, cut, lambda: whole), cut.astype(bool))


def test_nothing_is_a_misfit_where_the_images_lie_on_each_other(pair):
    grays = [cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32) for image in pair]
    right = (right_logits() > 0).astype(np.uint8)
    assert not find_misfits(grays, right, never).any()


def test_another_decision_that_invents_as_much_is_not_taken(displaced):
    cut, other = np.zeros((2, *SHAPE), np.uint8)
    cut[:, 120:] = 1
    other[:, 119:] = 1
    assert not find_misfits(displaced, cut, lambda: other).any()


def test_regions_in_which_both_decide_alike_stay(displaced):
    """Of two wrong regions, the other decision has one right."""
    cut, other = np.zeros((2, *SHAPE), np.uint8)
    cut[:60, 120:] = cut[100:, 120:] = 1
    other[150:, 120:] = 1
    found = find_misfits(displaced, cut, lambda: other)
    assert found[:60, 120:].all() and not found[150:].any() and not found[:, :120].any()


def test_tiny_images_have_no_misfits():
    assert not find_misfits([np.zeros((1, 30), np.float32)] * 2, np.zeros((1, 30), np.uint8), never).any()


def test_posts_beside_their_blur_are_not_doubled():
    """As parallax shows them, in photographs of which the second is sharp everywhere."""
    wall = np.clip(drawn_photograph(np.random.default_rng(0), 200, 260) * 0.3 + 90, 0, 255).astype(np.uint8)
    first, second = cv2.GaussianBlur(wall, (0, 0), 2.5), wall.copy()
    for left in (60, 120, 180):
        first[:, left : left + 14] = second[:, left + 9 : left + 23] = (60, 40, 30)
    first = cv2.GaussianBlur(first, (0, 0), 1.5)
    fuser, faults = load_fuser(), FrameFaults([first, second])
    assert faults.invented(fuser(first, second)) < 1
    fuser.strategy.overrule = False
    assert faults.invented(fuser(first, second)) > 10
