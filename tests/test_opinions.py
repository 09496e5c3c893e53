"""The comparing network is overruled where two other judges contradict it over a region."""

import cv2
import numpy as np
import pytest

from model.fusion.opinions import CERTAIN, overrule
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
