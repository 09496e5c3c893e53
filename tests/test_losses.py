"""The hybrid loss on 2x2 maps, with answers worked out by hand."""

import math

import numpy as np
import pytest
import tensorflow as tf

from model.losses import HybridLoss, cross_entropy, squared_error

# The probability of "out of focus" of four pixels, and their labels.
UNFOCUSED = [[0.5, 0.9], [0.2, 0.4]]
LABEL = [[1.0, 1.0], [0.0, 1.0]]


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
    losses = HybridLoss(l2_weight=0.0).side_losses(five_maps(0.25), as_label(label))
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
    last = float(HybridLoss(l2_weight=2.0).side_losses(maps, as_label(label))[-1])
    assert last == pytest.approx(0.48448 + 2 * 0.165, abs=1e-4)


def test_compare_loss_sees_the_last_map_alone():
    loss = HybridLoss(side_weights=(0, 0, 0, 0, 1), l2_weight=0.0)
    sides = [tf.constant(9.0)] * 4 + [tf.constant(0.5)]
    assert float(loss.combine(sides)) == pytest.approx(0.5)


@pytest.mark.parametrize("weights", [(1, 1), (0, 0, 0, 0, 0), (1, 1, 1, 1, -1)])
def test_bad_weights(weights):
    with pytest.raises(ValueError, match="side_weights must be 5 numbers"):
        HybridLoss(side_weights=weights)
