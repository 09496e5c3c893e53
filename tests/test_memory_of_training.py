"""What a step keeps for its backward pass, counted by hand."""

import json
from types import SimpleNamespace

import keras
import pytest
import tensorflow as tf

from model.measurements.__main__ import main
from model.measurements.memory import kept_for_backward


class Square:
    def measure(self, network, images, labels):
        return tf.reduce_mean(tf.square(tf.identity(network(images, training=True)))), []


@pytest.mark.parametrize("images", [1, 3])
def test_a_convolution_and_its_rectifier(images):
    network = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Conv2D(2, 1, activation="relu")])
    # The rectifier's result, 4x4 of 2 float32, is read by its own gradient and by that of the square, and kept once;
    # the image and the weights are there anyway.
    assert kept_for_backward(SimpleNamespace(network=network, loss=Square()), images, 4) == images * 4 * 4 * 2 * 4


@pytest.mark.long
def test_the_table(capsys):
    words = ["--variant", "light", "--size", "32", "--images", "2", "4", "--quiet"]
    assert main(["memory", *words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    kept = found["kept"]
    assert kept["float32"]["4"] == pytest.approx(2 * kept["float32"]["2"], rel=0.01)
    for precision in ("float32", "float16"):
        assert kept[precision]["4"] > kept[f"{precision}, --recompute"]["4"]
    assert kept["float32"]["4"] > kept["float16"]["4"]
    # 1,096,770 parameters of `light`, of which the statistics of batch normalization get no gradient.
    states = found["states"]
    assert states["weights"] == 4 * 1_096_770 > states["gradients"] > 0.98 * states["weights"]
    assert 2 * states["gradients"] <= states["moments"] < 2 * states["gradients"] + 100
