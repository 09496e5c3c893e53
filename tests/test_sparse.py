"""Sparse codes of patches, their dictionaries, and codes by convolution."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.image_io import write_image
from data.runtime.errors import InputError
from model.baselines import csr
from model.baselines.sparse_coding.codes import TOLERANCE, encode, from_patches, to_patches
from model.baselines.sparse_coding.dictionaries import BUNDLED, load_dictionaries
from model.baselines.sparse_coding.learn import learn_filters
from model.baselines.sparse_coding.learn import main as learn_main
from model.baselines.sparse_coding.orientation import GENERIC, dominant_orientation
from tests.conftest import drawn_photograph


def test_a_code_by_hand():
    # Atoms e1, e2 and (e1 + e2) / sqrt 2. The signal (3, 1) has its largest product, 3, with e1 (the third gives 2.83);
    # what is left, (0, 1), is e2's: the code is 3 e1 + 1 e2.
    dictionary = np.array([[1, 0, 0.5**0.5], [0, 1, 0.5**0.5]], np.float32)
    norms, approximations = encode(np.array([[3, 1], [0.05, 0.05], [2, 2]], np.float32), dictionary)
    np.testing.assert_allclose(norms, [4, 0, 8**0.5], rtol=1e-5)
    np.testing.assert_allclose(approximations, [[3, 1], [0, 0], [2, 2]], atol=1e-5)


def test_codes_are_those_of_scikit_learn():
    linear_model = pytest.importorskip("sklearn.linear_model")
    dictionary = load_dictionaries()["generic"]
    signals, _ = to_patches(drawn_photograph(np.random.default_rng(0), 24, 24)[..., 0].astype(float), 4)
    norms, _ = encode(signals, dictionary)
    expected = linear_model.orthogonal_mp(dictionary.astype(float), signals.T.astype(float), tol=TOLERANCE**2)
    np.testing.assert_allclose(norms, np.abs(expected).sum(0), rtol=1e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**31), st.floats(1, 200))
def test_nothing_above_the_tolerance_is_left(seed, strength):
    signals = np.random.default_rng(seed).normal(0, strength, (7, 64)).astype(np.float32)
    signals -= signals.mean(1, keepdims=True)
    _, approximations = encode(signals, load_dictionaries()["generic"])
    assert np.linalg.norm(signals - approximations, axis=1).max() <= TOLERANCE + 1e-3 * strength


@pytest.mark.parametrize(("shape", "step"), [((8, 8), 1), ((13, 20), 1), ((21, 17), 2)])
def test_patches_go_there_and_back(shape, step):
    image = np.random.default_rng(0).uniform(0, 255, shape)
    patches, means = to_patches(image, step)
    np.testing.assert_allclose(patches.mean(1), 0, atol=1e-4)
    fallback = np.full(shape, -1.0)
    back = from_patches(patches + means[:, None], fallback, step)
    covered = back >= 0
    np.testing.assert_allclose(back[covered], image[covered], atol=1e-4)
    assert covered[:8, :8].all()
    assert covered.all() or step == 2


def test_directions_by_hand():
    x = np.tile(np.arange(8.0) ** 2, (8, 1))
    turned = [x * np.cos(angle) + x.T * np.sin(angle) for angle in np.deg2rad([15, 75])]
    flat, noise = np.zeros((8, 8)), np.random.default_rng(0).normal(size=(8, 8))
    orientations = dominant_orientation(np.stack([*turned, flat, noise]).reshape(4, 64))
    assert orientations[2] == GENERIC
    assert orientations[0] != orientations[1]
    assert set(orientations[:2]) <= {0, 2}


def test_bundled_dictionaries():
    dictionaries = load_dictionaries()
    shapes = {name: list(values.shape) for name, values in dictionaries.items()}
    record = json.loads(BUNDLED.with_suffix(".json").read_text())
    assert shapes == record["shapes"] == {"generic": [64, 256], "orientations": [6, 64, 256], "filters": [32, 8, 8]}
    np.testing.assert_allclose(np.linalg.norm(dictionaries["generic"], axis=0), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(dictionaries["orientations"], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(dictionaries["filters"], axis=(1, 2)), 1, rtol=1e-5)


def test_the_base_keeps_what_is_even_and_takes_half_of_a_wave():
    assert csr.split_base(np.full((9, 14), 0.5, np.float32)) == pytest.approx(0.5, abs=1e-6)
    # A wave of four pixels: 2 - 2 cos(pi / 2) = 2, so the base keeps 1 / (1 + 5 * 2) of it.
    wave = np.tile(np.float32([1, 1, -1, -1]), (32, 16))
    np.testing.assert_allclose(csr.split_base(wave)[:, 16:48], wave[:, 16:48] / 11, atol=1e-3)


def test_codes_by_convolution_find_the_one_filter_that_made_the_image():
    filters = load_dictionaries()["filters"]
    codes = np.zeros((len(filters), 32, 32), np.float32)
    codes[5, 10, 12] = 2.0
    spectrum = (np.fft.rfft2(codes) * csr.to_spectrum(filters, (32, 32))).sum(0)
    found = csr.code_details(np.fft.irfft2(spectrum, s=(32, 32)).astype(np.float32), filters, iterations=200)
    assert np.unravel_index(np.abs(found).argmax(), found.shape) == (5, 10, 12)
    assert found[5, 10, 12] == pytest.approx(2.0, abs=0.1)


def test_dictionaries_cannot_be_learned_from_nothing(tmp_path, capsys):
    with pytest.raises(SystemExit):
        learn_main(["-o", str(tmp_path / "x.txt")])
    assert "must end in .npz" in capsys.readouterr().err
    pytest.importorskip("sklearn")
    write_image(tmp_path / "in" / "flat.png", np.full((120, 120), 90, np.uint8))
    with pytest.raises(ValueError, match="only 0 patches"):
        learn_main(["-o", str(tmp_path / "x.npz"), "--images", str(tmp_path / "in")])
    assert not (tmp_path / "x.npz").exists()


@pytest.mark.parametrize(
    ("image", "message"), [(np.zeros((120, 95)), "has 96 rows"), (np.full((120, 120), 9.0), "only 0 of 20000 windows")]
)
def test_filters_cannot_be_learned_from_small_or_flat_photographs(image, message):
    with pytest.raises(InputError, match=message):
        learn_filters([image], np.random.default_rng(0))
