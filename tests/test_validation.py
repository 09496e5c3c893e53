import numpy as np
import pytest
import tensorflow as tf

from data.synthesis.pairs import SyntheticPair
from data.synthesis.recipes import SynthesisSettings, synthesize
from metrics import compute
from metrics.reference import psnr
from model.training.losses import HybridLoss
from model.training.validation import validate
from tests.conftest import drawn_photograph


def make_pair(seed) -> SyntheticPair:
    image = drawn_photograph(np.random.default_rng(seed), 64, 64)
    mask = np.zeros((64, 64), np.uint8)
    mask[16:48, 16:48] = 1
    return synthesize(image, mask, 4, SynthesisSettings(size=64), np.random.default_rng(seed))


def maps_of(unfocused):
    """Five side maps from one at full size."""
    full = tf.constant(unfocused, tf.float32)[..., None]
    sides = [tf.nn.avg_pool2d(full, 2**k, 2**k, "VALID") for k in (4, 3, 2, 1)] + [full]
    return [tf.concat([1 - side, side], -1) for side in sides]


def test_a_perfect_network():
    pairs = [make_pair(seed) for seed in range(2)]
    truth = iter(pairs)

    def oracle(images):
        label = next(truth).label.astype(np.float32)
        return maps_of(np.stack([label, 1 - label]))

    result = validate(oracle, HybridLoss(), pairs)
    assert result["accuracy"] == 1
    assert result["iou"] == 1
    assert result["compared_accuracy"] == 1
    assert result["loss_side5"] == pytest.approx(0, abs=1e-5)
    assert result["ssim"] == pytest.approx(1)
    assert np.isnan(result["psnr"])  # the paper's pairs are restored to the last bit: infinitely many dB
    expected = np.mean([compute("q_abf", pair.near, pair.far, pair.reference) for pair in pairs])
    assert result["q_abf"] == pytest.approx(expected)


def test_a_network_that_calls_everything_sharp():
    pairs = [make_pair(3)]
    result = validate(lambda images: maps_of(np.full((2, 64, 64), 0.25)), HybridLoss(), pairs)
    # Each pixel is out of focus in exactly one of the two, so half of the maps is right and no true pixel is found.
    assert result["accuracy"] == 0.5
    assert result["iou"] == 0
    # Where both are as likely the first is taken.
    assert result["compared_psnr"] == pytest.approx(psnr(pairs[0].reference, pairs[0].near))
    entropy = -(np.log(0.25) + np.log(0.75)) / 2
    assert result["loss_side5"] == pytest.approx(entropy + (0.75**2 + 0.25**2) / 2, rel=1e-5)


def test_no_pair_is_an_error():
    with pytest.raises(ValueError, match="no pair"):
        validate(lambda images: [], HybridLoss(), [])


def test_the_numbers_do_not_depend_on_the_threads():
    pairs = [make_pair(seed) for seed in range(6)]

    def predict(images):
        return maps_of(tf.sigmoid(images[..., 0] / 50 - 2))

    one, several = (validate(predict, HybridLoss(), pairs, workers) for workers in (1, 5))
    assert one == several and len({round(value, 3) for value in one.values()}) > 5
