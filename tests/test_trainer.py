"""One true training step, against RMSprop worked out from the gradient."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from model.measurements.memory import kept_for_backward
from model.networks.network import build_network
from model.networks.transfer import layer_names
from model.training.losses import HybridLoss
from model.training.optimizers import make_optimizer, make_schedule
from model.training.setup import recompute_activations
from model.training.trainer import Trainer

RATE, DECAY = 1e-3, 0.001


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (2, 32, 32, 3), dtype=np.uint8))
    return images, tf.constant(rng.integers(0, 2, (2, 32, 32, 1), dtype=np.uint8))


@pytest.fixture(scope="module")
def stepped(batch):
    """The trainer after one step, its state before, the gradients, what it should report, and what it did."""
    keras.utils.set_random_seed(0)
    network = build_network("compact")
    loss = HybridLoss(kernel_decay=DECAY)
    trainer = Trainer(network, make_optimizer("rmsprop", RATE), loss, average=0.9)
    before = trainer.state()
    images, labels = (tf.cast(part, tf.float32) for part in batch)
    with tf.GradientTape() as tape:
        maps = network(images, training=True)
        sides = loss.side_losses(maps, labels, images)
        value = loss.combine(sides)
        kernels = [layer.kernel for layer in network.layers if hasattr(layer, "kernel")]
        decay = DECAY / 2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
        minimized = value + decay
    gradients = tape.gradient(minimized, network.trainable_variables)
    trainer.restore(before)  # the pass above moved the statistics of batch normalization
    named = {
        variable.path: gradient.numpy()
        for variable, gradient in zip(network.trainable_variables, gradients, strict=True)
    }
    right = np.mean((maps[-1].numpy()[..., 1] > 0.5) == (labels.numpy()[..., 0] == 1))
    expected = [float(value), float(decay), *(float(side) for side in sides), right]
    report = trainer.step(*batch)
    return trainer, before, named, expected, report


def test_the_step_is_that_of_rmsprop(stepped):
    trainer, before, gradients, _, _ = stepped
    after = trainer.state()
    moved = 0
    for path, gradient in gradients.items():
        # First step: v = (1 - .9) g^2, so each weight moves by rate * g / sqrt(.1 g^2): about 3.16 times the rate.
        large = np.abs(gradient) > 1e-3
        expected = before[f"network/{path}"] - RATE * gradient / np.sqrt(0.1 * gradient**2 + 1e-7)
        np.testing.assert_allclose(after[f"network/{path}"][large], expected[large], rtol=2e-3, atol=2e-6)
        moved += np.count_nonzero(large)
    assert moved > 10_000


def test_the_report(stepped, batch):
    _, before, _, expected, report = stepped
    assert report.shape == (8,)
    np.testing.assert_allclose(report[:7], expected[:7], rtol=1e-4)
    assert report[7] == pytest.approx(expected[7], abs=2e-3)
    # The loss is the mean of the five sides alone, and the decay is that of all kernels.
    squares = sum(
        np.sum(np.square(v)) for name, v in before.items() if name.startswith("network/") and "kernel" in name
    )
    assert report[0] == pytest.approx(report[2:7].mean(), rel=1e-5)
    assert report[1] == pytest.approx(DECAY / 2 * squares, rel=1e-4)


def test_averages_follow_with_a_short_memory_at_first(stepped):
    trainer, before, _, _, _ = stepped
    after = trainer.state()
    name = "encoder1_conv3/kernel"
    # Step 1: decay = min(.9, 2 / 11).
    expected = 2 / 11 * before[f"network/{name}"] + 9 / 11 * after[f"network/{name}"]
    np.testing.assert_allclose(after[f"average/{name}"], expected, rtol=1e-5)
    current = after[f"network/{name}"]
    with trainer.averaged_weights():
        kernel = trainer.network.get_layer("encoder1_conv3").kernel.numpy()
        np.testing.assert_allclose(kernel, expected, rtol=1e-5)
    np.testing.assert_array_equal(trainer.network.get_layer("encoder1_conv3").kernel.numpy(), current)


def test_another_networks_state_is_refused(stepped):
    trainer, before, *_ = stepped
    with pytest.raises(ValueError, match="encoder1_conv1/kernel differs"):
        trainer.restore({name: v for name, v in before.items() if name != "network/encoder1_conv1/kernel"})
    with pytest.raises(ValueError, match="differs"):
        trainer.restore({**before, "network/side5_logits/bias": np.zeros(3, np.float32)})
    with pytest.raises(ValueError, match="side5_logits/bias differs"):
        trainer.restore({**before, "network/side5_logits/bias": np.zeros(2, np.int32)})


def test_frozen_layers_stay_and_the_others_move(stepped, batch):
    trainer, before, *_ = stepped
    trainer.restore(before)
    trainer.freeze(list(layer_names().values()))
    trainer.step(*batch)
    after = trainer.state()
    for name in layer_names().values():
        np.testing.assert_array_equal(after[f"network/{name}/kernel"], before[f"network/{name}/kernel"])
    assert np.any(after["network/encoder1_conv3/kernel"] != before["network/encoder1_conv3/kernel"])


@pytest.mark.parametrize(
    "jit",
    [
        pytest.param(False, id="mixed precision"),
        pytest.param(True, id="mixed precision with XLA", marks=pytest.mark.long),  # compiles for half a minute
    ],
)
def test_mixed_precision(batch, jit):
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        network = build_network("compact")
        optimizer = keras.optimizers.LossScaleOptimizer(make_optimizer("adamw", RATE), initial_scale=2.0)
        trainer = Trainer(network, optimizer, HybridLoss(), jit=jit)
        before = trainer.state()
        report = trainer.step(*batch)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    assert network.get_layer("encoder2_conv1").compute_dtype == "float16"
    assert all(output.dtype == "float32" for output in network.outputs)
    assert np.all(np.isfinite(report))
    after = trainer.state()
    assert np.any(after["network/encoder3_conv6/kernel"] != before["network/encoder3_conv6/kernel"])


def test_schedules():
    assert make_schedule("constant", 1e-6, 100) == 1e-6
    cosine = make_schedule("cosine", 1.0, 110, warmup_steps=10)
    assert [float(cosine(step)) for step in (0, 5, 10, 60, 110)] == pytest.approx([0, 0.5, 1, 0.5, 0], abs=1e-6)
    with pytest.raises(ValueError, match="unknown schedule 'step'"):
        make_schedule("step", 1.0, 10)
    with pytest.raises(ValueError, match=r"must be in \[0, 10\)"):
        make_schedule("cosine", 1.0, 10, warmup_steps=10)


def test_adamw_spares_biases_and_normalization():
    optimizer = make_optimizer("adamw", 1.0, weight_decay=0.1)
    kernel, bias = (keras.Variable(np.ones(3, np.float32), name=name) for name in ("kernel", "bias"))
    optimizer.build([kernel, bias])
    optimizer.apply_gradients([(tf.zeros(3), kernel), (tf.zeros(3), bias)])
    np.testing.assert_allclose(kernel.numpy(), 0.9, rtol=1e-6)
    np.testing.assert_allclose(bias.numpy(), 1.0)
    with pytest.raises(ValueError, match="unknown optimizer 'sgd'"):
        make_optimizer("sgd", 1.0)


class SquaredError:
    def measure(self, network, inputs, labels):
        loss = tf.reduce_mean(tf.square(tf.cast(network(inputs, training=True), tf.float32) - labels))
        return loss, [loss]


def small_trainer(layer, optimizer=None, **options):
    network = keras.Sequential([keras.Input((1,)), layer])
    return Trainer(network, optimizer or keras.optimizers.SGD(1.0), SquaredError(), **options)


ROWS, TARGETS = tf.constant([[1.0], [2.0], [3.0], [4.0]]), tf.constant([[1.0], [0.0], [0.0], [1.0]])
"""Two pairs: first sources 1 and 2, second ones 3 and 4."""


@pytest.mark.parametrize("jit", [False, True], ids=["", "XLA"])
def test_parts_of_a_batch_add_up_to_its_gradient(jit):
    trainer = small_trainer(keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"), parts=2, jit=jit)
    report = trainer.step(ROWS, TARGETS)
    # The gradient of mean((w x - y)^2) at w = 0 is -2 mean(x y) = -2 (1 + 4) / 4; the loss is mean(y^2).
    assert trainer.network.get_weights()[0].item() == pytest.approx(2.5)
    assert report.tolist() == [pytest.approx(0.5)]
    assert int(trainer.optimizer.iterations) == 1


def test_the_sum_over_the_parts_is_clipped_and_unscaled():
    keras.mixed_precision.set_global_policy("mixed_float16")
    try:
        inner = keras.optimizers.SGD(1.0, global_clipnorm=0.5)
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=1024.0)
        trainer = small_trainer(keras.layers.Dense(1, use_bias=False, kernel_initializer="zeros"), optimizer, parts=2)
    finally:
        keras.mixed_precision.set_global_policy("float32")
    trainer.step(ROWS, TARGETS)
    assert trainer.network.get_weights()[0].item() == pytest.approx(0.5, rel=1e-3)


def test_batch_normalization_sees_a_part_at_a_time():
    """What `--accumulate` changes: averages move with each part, here of the rows 1 and 3 and then 2 and 4."""
    trainer = small_trainer(keras.layers.BatchNormalization(momentum=0.5), parts=2)
    trainer.step(ROWS, TARGETS)
    *_, mean, variance = (values.item() for values in trainer.network.get_weights())
    assert mean == pytest.approx(0.5 * (0.5 * 2) + 0.5 * 3)
    assert variance == pytest.approx(0.5 * (0.5 + 0.5 * 1) + 0.5 * 1)


def test_parts_keep_the_sources_of_a_pair_together():
    """With the loss of the comparison of both sources, on the network without batch normalization: within 1e-4 of the
    gradient's length."""
    rng = np.random.default_rng(1)
    images = tf.constant(rng.integers(0, 256, (8, 32, 32, 3), dtype=np.uint8))
    first = rng.integers(0, 2, (4, 32, 32, 1), dtype=np.uint8)
    labels = tf.constant(np.concatenate([first, 1 - first]))
    keras.utils.set_random_seed(0)
    network = build_network("light", batch_norm=False)
    before, moved, reports = network.get_weights(), [], []
    for parts in (1, 4):
        network.set_weights(before)
        loss = HybridLoss(pair_weight=1.0)
        trainer = Trainer(network, keras.optimizers.SGD(1.0, global_clipnorm=1.0), loss, parts=parts)
        reports.append(trainer.step(images, labels))
        changes = [now - then for now, then in zip(network.get_weights(), before, strict=True)]
        moved.append(np.concatenate([change.ravel() for change in changes]))
    assert np.linalg.norm(moved[0]) == pytest.approx(1, rel=1e-3)
    assert np.linalg.norm(moved[0] - moved[1]) < 1e-4
    np.testing.assert_allclose(*reports, rtol=1e-5)


@pytest.mark.long
def test_recomputed_activations_give_the_same_gradient_and_keep_less(batch):
    keras.utils.set_random_seed(0)
    network = build_network("light", input_size=(32, 32))
    before, states, kept = network.get_weights(), [], []
    for recompute in (False, True):
        network.set_weights(before)
        if recompute:
            recompute_activations(network)
        trainer = Trainer(network, keras.optimizers.SGD(1e-3), HybridLoss())
        kept.append(kept_for_backward(trainer, 2, 32))
        trainer.step(*batch)
        states.append(network.get_weights())
    for ours, theirs in zip(*states, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    # The hyperbolic tangent in each activation, x tanh(softplus(x)), is not kept.
    shapes = [layer.output.shape[1:] for layer in network.layers if isinstance(layer, keras.layers.Activation)]
    assert len(shapes) > 40
    assert kept[0] - kept[1] == sum(2 * 4 * int(np.prod(shape)) for shape in shapes)
