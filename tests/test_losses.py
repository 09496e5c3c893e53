"""The hybrid loss on 2x2 maps, with answers worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from model.training.losses import HybridLoss, cross_entropy, detail_weights, pair_cross_entropy, squared_error

# The probability of "out of focus" of four pixels, and their labels.
UNFOCUSED = [[0.5, 0.9], [0.2, 0.4]]
LABEL = [[1.0, 1.0], [0.0, 1.0]]
NO_IMAGES = tf.zeros((1, 32, 32, 3))


def as_map(unfocused):
    one = tf.constant(unfocused, tf.float32)
    return tf.stack([1 - one, one], axis=-1)[None]


def as_label(label):
    return tf.constant(label, tf.float32)[None, ..., None]


def test_cross_entropy_by_hand():
    # -(ln .5 + ln .9 + ln .8 + ln .4) / 4 = (0.6931 + 0.1054 + 0.2231 + 0.9163) / 4
    expected = -(math.log(0.5) + math.log(0.9) + math.log(0.8) + math.log(0.4)) / 4
    assert expected == pytest.approx(0.48448, abs=1e-5)
    assert float(cross_entropy(as_map(UNFOCUSED), as_label(LABEL))) == pytest.approx(expected, rel=1e-6)


def test_squared_error_by_hand():
    # (.5^2 + .1^2 + .2^2 + .6^2) / 4 = (.25 + .01 + .04 + .36) / 4; the focused class has the same errors.
    assert float(squared_error(as_map(UNFOCUSED), as_label(LABEL))) == pytest.approx(0.165, rel=1e-6)


def test_a_certain_and_wrong_pixel_stays_finite():
    loss = float(cross_entropy(as_map([[0.0, 0.0], [0.0, 0.0]]), as_label([[1.0, 1.0], [1.0, 1.0]])))
    assert loss == pytest.approx(-math.log(1e-7), rel=1e-5)


def five_maps(value):
    return [as_map(np.full((2**k, 2**k), value)) for k in range(1, 6)]


def test_labels_are_averaged_to_the_size_of_each_map():
    label = np.zeros((32, 32), np.float32)
    label[:, :24] = 1  # three quarters: at 2x2 the columns are 1 and 1/2
    losses = HybridLoss(l2_weight=0.0).side_losses(five_maps(0.25), as_label(label), NO_IMAGES)
    full, empty = -math.log(0.25), -math.log(0.75)
    expected = [(full + 0.5 * full + 0.5 * empty) / 2] + [0.75 * full + 0.25 * empty] * 4
    np.testing.assert_allclose([float(loss) for loss in losses], expected, rtol=1e-6)


def test_weighted_average_of_the_sides():
    loss = HybridLoss(side_weights=(1, 2, 3, 4, 10))
    sides = [tf.constant(float(value)) for value in (1, 2, 3, 4, 5)]
    # (1 + 4 + 9 + 16 + 50) / 20
    assert float(loss.combine(sides)) == pytest.approx(4.0, rel=1e-6)


def test_the_hybrid_is_the_sum_of_both_terms():
    label = np.tile(np.array(LABEL, np.float32), (16, 16))
    maps = [*five_maps(0.5)[:4], as_map(np.tile(UNFOCUSED, (16, 16)))]
    last = float(HybridLoss(l2_weight=2.0).side_losses(maps, as_label(label), NO_IMAGES)[-1])
    assert last == pytest.approx(0.48448 + 2 * 0.165, abs=1e-4)


def test_compare_loss_sees_the_last_map_alone():
    loss = HybridLoss(side_weights=(0, 0, 0, 0, 1), l2_weight=0.0)
    sides = [tf.constant(9.0)] * 4 + [tf.constant(0.5)]
    assert float(loss.combine(sides)) == pytest.approx(0.5)


@pytest.mark.parametrize("weights", [(1, 1), (0, 0, 0, 0, 0), (1, 1, 1, 1, -1)])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="side_weights must be 5 numbers"):
        HybridLoss(side_weights=weights)


def test_a_pixel_counts_by_its_weight():
    weight = as_label([[1.0, 0.0], [0.0, 3.0]])
    # -(ln .5 + 3 ln .4) / 4 and (.5^2 + 3 * .6^2) / 4
    assert float(cross_entropy(as_map(UNFOCUSED), as_label(LABEL), weight)) == pytest.approx(0.86050, abs=1e-5)
    assert float(squared_error(as_map(UNFOCUSED), as_label(LABEL), weight)) == pytest.approx(0.3325, rel=1e-6)


def test_the_comparison_by_hand():
    # Odds of .9 and .2 are 9 and 1/4: the first is the blurred one with odds 36, p = 36 / 37; the other way 1 / 37.
    maps = tf.concat([as_map([[0.9, 0.2]]), as_map([[0.2, 0.9]])], 0)
    labels = tf.concat([as_label([[1.0, 0.0]]), as_label([[0.0, 1.0]])], 0)
    assert float(pair_cross_entropy(maps, labels)) == pytest.approx(math.log(37 / 36), rel=1e-4)
    assert float(pair_cross_entropy(maps, 1 - labels)) == pytest.approx(math.log(37), rel=1e-4)
    weight = tf.concat([as_label([[1.0, 0.0]])] * 2, 0)
    half_wrong = tf.concat([as_label([[1.0, 1.0]]), as_label([[0.0, 0.0]])], 0)
    assert float(pair_cross_entropy(maps, half_wrong, weight)) == pytest.approx(math.log(37 / 36), rel=1e-4)


def test_pixels_count_where_the_sources_differ():
    near = np.zeros((1, 40, 40, 3), np.float32)
    near[:, :, 20:] = 4.0  # half of what counts in full
    weights = detail_weights(tf.concat([near, np.zeros_like(near)], 0)).numpy()
    assert weights.shape == (2, 40, 40, 1)
    np.testing.assert_array_equal(weights[0], weights[1])
    np.testing.assert_allclose(weights[0, 10, :14, 0], 0.1)
    np.testing.assert_allclose(weights[0, 10, 26:, 0], 0.5)


def test_the_terms_of_ours_add_to_the_papers():
    # As in the comparison by hand, in stripes: the first source is the blurred one in every second column.
    unfocused = np.tile(np.float32([0.9, 0.2]), (32, 16))
    near = as_label(np.tile(np.float32([1, 0]), (32, 16)))
    label = tf.concat([near, 1 - near], 0)
    last = tf.concat([as_map(unfocused), as_map(unfocused[:, ::-1])], 0)
    maps = [tf.concat([one, one], 0) for one in five_maps(0.5)[:4]] + [last]
    # The second source differs from the first in its right half.
    images = np.zeros((2, 32, 32, 3), np.float32)
    images[1, :, 16:] = 8.0

    def losses(**terms):
        return np.array([float(loss) for loss in HybridLoss(**terms).side_losses(maps, label, tf.constant(images))])

    papers = losses()
    # -(ln .9 + ln .8) / 2 and (.1^2 + .2^2) / 2
    assert papers[-1] == pytest.approx(0.16425 + 0.025, abs=1e-5)
    added = [0.5 * math.log(2)] * 4 + [0.5 * math.log(37 / 36)]
    np.testing.assert_allclose(losses(pair_weight=0.5) - papers, added, atol=1e-6)
    # Wrong on the right, where the sources differ: these pixels count more.
    wrong = np.repeat(np.float32([0.9, 0.2]), 16)[None].repeat(32, 0)
    maps[-1] = tf.concat([as_map(wrong), as_map(1 - wrong)], 0)
    label = tf.concat([tf.ones((1, 32, 32, 1)), tf.zeros((1, 32, 32, 1))], 0)
    weights = detail_weights(tf.constant(images)).numpy()[0, :, :, 0]
    left, right = -math.log(0.9) + 0.1**2, -math.log(0.2) + 0.8**2
    share = weights[:, 16:].sum() / weights.sum()
    assert share > 0.7
    assert losses()[-1] == pytest.approx((left + right) / 2, rel=1e-5)
    assert losses(detail_weighting=True)[-1] == pytest.approx((1 - share) * left + share * right, rel=1e-5)
