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
    rng = np.random.default_rng(0)
    images = tf.constant(rng.uniform(0, 255, (2, 32, 32, 3)), tf.float32)
    maps = [tf.nn.softmax(tf.constant(rng.normal(size=(2, 2**k, 2**k, 2)), tf.float32)) for k in range(1, 6)]
    near = tf.constant(rng.integers(0, 2, (1, 32, 32, 1)), tf.float32)
    label = tf.concat([near, 1 - near], 0)
    papers, ours = (HybridLoss(pair_weight=weight).side_losses(maps, label, images)[-1] for weight in (0.0, 0.5))
    assert float(ours - papers) == pytest.approx(0.5 * float(pair_cross_entropy(maps[-1], label)), rel=1e-4)
    weighted = HybridLoss(detail_weighting=True).side_losses(maps, label, images)[-1]
    weights = detail_weights(images)
    expected = cross_entropy(maps[-1], label, weights) + squared_error(maps[-1], label, weights)
    assert float(weighted) == pytest.approx(float(expected), rel=1e-6)
