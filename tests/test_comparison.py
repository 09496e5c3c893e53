"""The network that compares two photographs, and its training."""

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from data.demo import rendered_scene
from data.errors import InputError, StoppedError
from model import load_fuser
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.fusion.learned import decision_scale
from model.networks.comparer import build_comparer, compare, load_comparer
from model.training.comparer_run import ComparerLoss, ComparerRun
from model.training.settings import ComparerSettings
from model.training.train_comparer import main


def evidence(rng, count=2, side=16):
    return [tf.constant(rng.normal(0, 20, (count, side, side, n)), tf.float32) for n in (3, 2, 1)]


def test_its_parameters():
    # 3x3: 11-16, 16-32, 32-32, 32-48, 48-48, 32-32, 16-16, 16-1; 2x2 enlarged: 48-32, 32-16.
    pairs = [(11, 16), (16, 32), (32, 32), (32, 48), (48, 48), (32, 32), (16, 16), (16, 1)]
    expected = sum(9 * a * b + b for a, b in pairs) + sum(4 * a * b + b for a, b in [(48, 32), (32, 16)])
    assert build_comparer().count_params() == expected


def test_an_untrained_one_decides_by_the_scores():
    images, logits, scores = evidence(np.random.default_rng(0))
    near, far = scores
    np.testing.assert_allclose(compare(build_comparer(), images, logits, scores)[0], (near - far) / 4, rtol=1e-6)


def test_exchanging_the_photographs_changes_the_sign():
    comparer = load_comparer(BUNDLED_WEIGHTS)
    values = evidence(np.random.default_rng(1), side=32)
    exchanged = [value[::-1] for value in values]
    np.testing.assert_array_equal(compare(comparer, *values), -compare(comparer, *exchanged))


def test_the_bundled_one_says_what_it_is():
    content = json.loads(BUNDLED_COMPARER.with_suffix(".json").read_text(encoding="utf-8"))
    assert content["parameters"] == load_comparer(BUNDLED_WEIGHTS).count_params()
    assert content["log"][-1]["wrong"] < 0.85 * content["log"][-1]["wrong_before"]


def test_it_goes_with_the_weights_it_was_trained_beside(tmp_path):
    other = tmp_path / "other.weights.h5"
    other.write_bytes(b"other")
    with pytest.raises(InputError, match="needs a network that was trained beside"):
        load_comparer(other)


def test_damaged_files_are_refused(tmp_path):
    copy = tmp_path / BUNDLED_COMPARER.name
    with pytest.raises(InputError, match="is missing"):
        load_comparer(BUNDLED_WEIGHTS, copy)
    shutil.copy(BUNDLED_COMPARER, copy)
    sidecar = copy.with_suffix(".json")
    sidecar.write_text("{", encoding="utf-8")
    with pytest.raises(InputError, match="is damaged"):
        load_comparer(BUNDLED_WEIGHTS, copy)
    shutil.copy(BUNDLED_COMPARER.with_suffix(".json"), sidecar)
    copy.write_bytes(copy.read_bytes()[:-100])
    with pytest.raises(InputError, match="does not match its sidecar"):
        load_comparer(BUNDLED_WEIGHTS, copy)


def test_a_decision_at_reduced_size_agrees_with_one_at_full_size(monkeypatch):
    near, far = rendered_scene().photographs()
    done = []
    fuser = load_fuser(strategy="learned", observe=lambda *progress: done.append(progress))
    whole = fuser.decide(near, far)
    assert done == [("comparing", 1, 2), ("comparing", 2, 2)]
    monkeypatch.setattr("model.fusion.learned.DECISION_PIXELS", near.shape[0] * near.shape[1] // 2)
    reduced = fuser.decide(near, far)
    assert np.mean(reduced.decision_map == whole.decision_map) > 0.95
    tiles = sum(stage == "comparing at full size" for stage, *_ in done)
    assert done[-1] == ("comparing at full size", tiles, tiles)
    np.testing.assert_array_equal(fuser(far, near), reduced.fused)


@pytest.mark.parametrize(
    ("shape", "scale"), [((1000, 1500), 1.0), ((1001, 1500), 0.5), ((3000, 4000), 0.25), ((1, 1), 1.0)]
)
def test_the_scale_of_a_decision(shape, scale):
    assert decision_scale(shape) == scale


def test_one_training_run(small_voc, tmp_path, capsys):
    arguments = ["--voc", str(small_voc), "--quiet", "--steps", "2", "--pairs-per-batch", "1", "-o"]
    assert main([*arguments, str(tmp_path / "one.weights.h5")]) == 0
    assert main([*arguments, str(tmp_path / "two.weights.h5")]) == 0
    one, two = (load_comparer(BUNDLED_WEIGHTS, tmp_path / f"{name}.weights.h5") for name in ("one", "two"))
    assert np.abs(one.get_weights()[-2]).max() > 0  # it began as zeros
    for first, second in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, atol=1e-4)
    log = json.loads((tmp_path / "one.weights.json").read_text(encoding="utf-8"))["log"]
    assert log[-1]["step"] == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{name}.weights.{suffix}" for name in ("one", "two") for suffix in ("h5", "json")
    )
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "one.h5")])
    assert "must end in .weights.h5" in capsys.readouterr().err


def test_a_stopped_training_goes_on_exactly(small_voc, tmp_path):
    settings = ComparerSettings(steps=5, pairs_per_batch=1, seed=3)
    whole, parts = tmp_path / "whole.weights.h5", tmp_path / "parts.weights.h5"
    ComparerRun(settings, small_voc, whole).run(lambda *_: None, 0)
    steps = []

    def stop_after_three(*_):
        steps.append(1)
        if len(steps) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(StoppedError, match="after step 3 of 5"):
        ComparerRun(settings, small_voc, parts).run(stop_after_three, 0)
    assert not parts.exists()
    with pytest.raises(InputError, match="go on with --resume"):
        ComparerRun(settings, small_voc, parts)
    with pytest.raises(InputError, match="has other settings"):
        ComparerRun(replace(settings, seed=4), small_voc, parts, resume=True)
    ComparerRun(settings, small_voc, parts, resume=True).run(stop_after_three, 0)
    assert len(steps) == 5
    one, two = (load_comparer(BUNDLED_WEIGHTS, path) for path in (whole, parts))
    for first, second in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    logs = [json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))["log"] for path in (whole, parts)]
    assert logs[0] == logs[1]
    assert [row["step"] for row in logs[0]] == [5]


def test_nothing_to_resume(small_voc, tmp_path):
    with pytest.raises(InputError, match="holds no run to resume"):
        ComparerRun(ComparerSettings(steps=1), small_voc, tmp_path / "none.weights.h5", resume=True)


def test_what_a_comparison_loses_by_hand():
    """Half of the pixels wrong, all of one weight: the network adds nothing yet, so the scores decide."""
    shape = (1, 4, 4, 1)
    images = tf.concat([tf.fill((1, 4, 4, 3), 100.0), tf.fill((1, 4, 4, 3), 108.0)], 0)
    second = tf.constant(np.where(np.arange(4) < 2, -4.0, 4.0), tf.float32) * tf.ones((1, 4, 4))
    scores = tf.concat([tf.zeros(shape), second[..., None]], 0)
    labels = tf.concat([tf.ones(shape), tf.zeros(shape)], 0)
    inputs = images, tf.zeros((2, 4, 4, 2)), scores
    loss, (reported, wrong, before) = ComparerLoss().measure(build_comparer(), inputs, labels)
    # The logit is the difference of the scores / 4: 1 on the left (right), -1 on the right (wrong).
    assert float(loss) == pytest.approx((np.log(1 + np.exp(-1)) + np.log(1 + np.exp(1))) / 2, rel=1e-5)
    assert (float(reported), float(wrong), float(before)) == (float(loss), 0.5, 0.5)
