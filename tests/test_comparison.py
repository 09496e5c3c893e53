"""The network that compares two photographs, and its training."""

import json
import os
import shutil
import signal
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from data.demo import rendered_scene
from data.runtime.errors import InputError, StoppedError
from model import load_fuser
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.fusion.decision_size import decision_scale
from model.fusion.evidence import Evidence, gather
from model.networks.comparer import build_comparer, contrast_ratio, load_comparer
from model.training.comparer_run import ComparerLoss, ComparerRun, compared, equally_bright
from model.training.settings import ComparerSettings
from model.training.train_comparer import main


def test_its_parameters():
    # 5x5: 6-32; 3x3: down, up and at full size; 2x2: enlarging.
    down = [(36, 32), (32, 48), (48, 48), (48, 64), (64, 64), (64, 96), (96, 96)]
    up = [(64, 64), (48, 48), (32, 32), *[(16, 16)] * 3, (16, 1)]
    expected = 25 * 6 * 32 + 32 + sum(9 * a * b + b for a, b in (*down, *up))
    expected += sum(4 * a * b + b for a, b in [(96, 64), (64, 48), (48, 32), (32, 10)])
    assert build_comparer().count_params() == expected


def test_an_untrained_one_says_what_the_contrasts_say():
    rng = np.random.default_rng(0)
    photographs = np.concatenate([rng.uniform(0, 255, (1, 32, 48, 3)), np.full((1, 32, 48, 3), 99.0)], -1)
    logits = build_comparer()([photographs, rng.normal(0, 9, (1, 8, 12, 2))])
    assert logits.shape == (1, 32, 48, 1)
    assert np.max(logits) < -2  # the first shows something, the second nothing


def test_it_sees_how_much_more_contrast_one_has():
    """Stripes of 100 gray levels against stripes of 50: the logarithm of the squares' ratio, halved, is log 2."""
    stripes = np.where(np.arange(32) % 2, 100.0, 0.0)[None, None, :, None] * np.ones((1, 32, 32, 1))
    ratio = ops.convert_to_numpy(contrast_ratio(ops.convert_to_tensor(np.concatenate([stripes, stripes / 2], -1))))
    assert ratio.shape == (1, 16, 16, 3)
    np.testing.assert_allclose(ratio[0, 7, 7], np.log(2), atol=2e-3)


@pytest.mark.parametrize("shape", [(32, 32), (37, 50), (1, 1)])
def test_exchanging_the_photographs_changes_the_sign(shape):
    rng = np.random.default_rng(1)
    fuser = load_fuser()
    one, two = gather(fuser.predictor, [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(2)])
    forward, backward = fuser.strategy.compare(one, two, shape), fuser.strategy.compare(two, one, shape)
    assert forward.shape == shape
    np.testing.assert_array_equal(forward, -backward)
    np.testing.assert_array_equal(fuser.strategy.compare(one, one, shape), fuser.strategy.compare(one, one, shape))


def test_what_is_known_is_put_together_from_two_photographs():
    """Odd sides are continued by their mirror image, and so is where a photograph is taken."""
    one, two = (Evidence.of(np.full((17, 18, 3), level, np.uint8), np.full((4, 4), level)) for level in (10, 20))
    assert one.rgb.shape == (32, 32, 3)
    assert one.focus.shape == (8, 8)
    where = np.zeros((17, 18), bool)
    where[:, 16:] = True
    one.take(two, where)
    # Columns 16 and 17 and their mirror images 18 and 19.
    np.testing.assert_array_equal(one.rgb[0, :, 0], [10] * 16 + [20] * 4 + [10] * 12)
    np.testing.assert_array_equal(one.focus[3], [10] * 4 + [20] + [10] * 3)


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
    monkeypatch.setattr("model.fusion.decision_size.DECISION_PIXELS", near.shape[0] * near.shape[1] // 2)
    reduced = fuser.decide(near, far)
    assert np.mean(reduced.decision_map == whole.decision_map) > 0.95
    tiles = sum(stage == "comparing at full size" for stage, *_ in done)
    assert done[-1] == ("comparing at full size", tiles, tiles)
    # The last bit of a logit may depend on which photograph is looked at first, and with it how a mixture is rounded.
    np.testing.assert_allclose(fuser(far, near).astype(int), reduced.fused, rtol=0, atol=1)


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


def test_a_training_that_starts_from_another(small_voc, tmp_path, capsys):
    arguments = ["--voc", str(small_voc), "--quiet", "--steps", "2", "--pairs-per-batch", "1", "-o"]
    started = [*arguments, str(tmp_path / "on.weights.h5"), "--start", str(BUNDLED_COMPARER)]
    assert main([*started, "--learning-rate", "1e-9"]) == 0
    begun, on = load_comparer(BUNDLED_WEIGHTS), load_comparer(BUNDLED_WEIGHTS, tmp_path / "on.weights.h5")
    for first, second in zip(begun.get_weights(), on.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=0, atol=1e-7)  # two steps of AdamW at 1e-9
    with pytest.raises(InputError, match=r"light\.weights\.h5 is no comparing network to start from"):
        main([*arguments, str(tmp_path / "no.weights.h5"), "--start", str(BUNDLED_WEIGHTS)])
    with pytest.raises(InputError, match="is one of the files that are read"):
        main([*arguments, str(tmp_path / "on.weights.h5"), "--start", str(tmp_path / "on.weights.h5"), "--overwrite"])
    for wrong in ("0", "nan", "-1"):
        with pytest.raises(SystemExit):
            main([*started, "--overwrite", "--learning-rate", wrong])
        assert f"{wrong} is not above 0" in capsys.readouterr().err


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
    """An untrained network says 0 of two flat photographs: log 2, and wrong where the first is the blurred one."""
    photographs = tf.concat([tf.fill((1, 16, 16, 3), 100.0), tf.fill((1, 16, 16, 3), 108.0)], -1)
    labels = tf.constant(np.broadcast_to(np.arange(16) < 4, (1, 16, 16))[..., None], tf.float32)
    left = np.broadcast_to(np.arange(4) < 2, (1, 4, 4))
    focus = tf.constant(np.stack([np.where(left, 3.0, -1.0), np.zeros((1, 4, 4))], -1), tf.float32)
    loss, (reported, wrong, before) = ComparerLoss().measure(build_comparer(), (photographs, focus), labels)
    assert float(loss) == pytest.approx(np.log(2), rel=1e-5)
    # The first is blurred on 4 columns of 16; by the logits of the paper's network it would be on 8.
    assert (float(reported), float(wrong), float(before)) == pytest.approx((float(loss), 0.25, 0.25))


def test_pixels_do_not_count_more_because_exposures_differ():
    """A second photograph of half the brightness differs as one of equal brightness does: not at all."""
    rng = np.random.default_rng(2)
    first = rng.uniform(50, 250, (1, 16, 16, 3)).astype(np.float32)
    matched, second = np.split(equally_bright(tf.constant(np.concatenate([first, first / 2], -1))), 2)
    np.testing.assert_allclose(matched, second, rtol=1e-3)


def test_either_photograph_of_a_pair_may_come_first():
    known = [Evidence(np.full((16, 16, 3), n, np.float32), np.full((4, 4), n, np.float32)) for n in range(6)]
    labels = np.arange(6)[:, None, None, None] * np.ones((1, 16, 16, 1))
    (photographs, focus), label = compared(known, labels)
    # Near photographs are 0, 1, 2, their far ones 3, 4, 5; the second pair is exchanged.
    assert photographs[:, 0, 0, ::3].numpy().tolist() == [[0, 3], [4, 1], [2, 5]]
    assert focus[:, 0, 0].numpy().tolist() == [[0, 3], [4, 1], [2, 5]]
    assert label[:, 0, 0, 0].numpy().tolist() == [0, 4, 2]
