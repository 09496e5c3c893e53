import keras
import numpy as np
import pytest
import tensorflow as tf

from model.networks.inference import fold_batch_norm, make_predictor
from model.networks.network import build_network


@pytest.fixture(scope="module", params=[("compact", False), ("light", True)], ids=["compact", "encoder skips"])
def network(request):
    """A network whose normalization is not that of the start."""
    keras.utils.set_random_seed(4)
    network = build_network(request.param[0], encoder_skips=request.param[1])
    rng = np.random.default_rng(0)
    for layer in network.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            size = layer.gamma.shape
            layer.set_weights(
                [
                    rng.uniform(0.7, 1.3, size),
                    rng.normal(0, 0.2, size),
                    rng.normal(0, 1, size),
                    rng.uniform(0.5, 2, size),
                ]
            )
        elif layer.weights and layer.use_bias:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape))
    return network


def test_folding_changes_no_map(network):
    images = np.random.default_rng(1).uniform(0, 255, (2, 64, 96, 3)).astype(np.float32)
    folded = fold_batch_norm(network)
    for one, other in zip(network(images, training=False), folded(images), strict=True):
        assert np.ptp(one) > 0.01  # the maps are not flat, so the comparison says something
        np.testing.assert_allclose(one, other, atol=2e-5)
    assert folded.count_params() < network.count_params()


def test_the_last_map_alone_without_retracing(network):
    predict = make_predictor(network)
    for height, width in ((32, 32), (64, 32), (96, 128)):
        images = np.random.default_rng(2).uniform(0, 255, (1, height, width, 3)).astype(np.float32)
        expected = network(images, training=False)[-1][..., 1]
        np.testing.assert_allclose(tf.sigmoid(predict(tf.constant(images))), expected, atol=2e-5)
    assert predict.experimental_get_tracing_count() == 1
