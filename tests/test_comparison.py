"""The network that compares two photographs, and its training."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from data.errors import InputError
from model import load_fuser
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.networks.comparer import build_comparer, compare, load_comparer
from model.training.train_comparer import main
from tests.conftest import drawn_photograph


def evidence(rng, count=2, side=16):
    return [tf.constant(rng.normal(0, 20, (count, side, side, n)), tf.float32) for n in (3, 2, 1)]


def test_its_parameters():
    # 3x3: 11-16, 16-32, 32-32, 32-48, 48-48, 32-32, 16-16, 16-1; 2x2 enlarged: 48-32, 32-16.
    pairs = [(11, 16), (16, 32), (32, 32), (32, 48), (48, 48), (32, 32), (16, 16), (16, 1)]
    expected = sum(9 * a * b + b for a, b in pairs) + sum(4 * a * b + b for a, b in [(48, 32), (32, 16)])
    assert build_comparer().count_params() == expected


def test_an_untrained_one_decides_by_the_scores():
    images, logits, scores = evidence(np.random.default_rng(0))
    first, second = scores
    np.testing.assert_allclose(compare(build_comparer(), images, logits, scores)[0], (first - second) / 4, rtol=1e-6)


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
    with pytest.raises(InputError, match="goes with the bundled weights alone"):
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


def test_tiles_agree_with_one_piece():
    rng = np.random.default_rng(2)
    near, far = (drawn_photograph(rng, 330, 420) for _ in range(2))
    done = []
    tiled = load_fuser(strategy="learned", tiled=True, observe=lambda *progress: done.append(progress))
    tiled.predictor.set_tile(256, 96)
    labels = tiled.decide(near, far).decision_map
    tiles = tiled.predictor.tiles(near)
    assert done == [(number, tiles) for number in range(1, tiles + 1)]
    whole = load_fuser(strategy="learned", tiled=False).decide(near, far).decision_map
    assert np.mean(labels == whole) > 0.97


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
    with pytest.raises(SystemExit):
        main([*arguments, str(tmp_path / "one.h5")])
    assert "must end in .weights.h5" in capsys.readouterr().err
