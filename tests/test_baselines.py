"""The methods of others on small images, and against their published results where these are at hand."""

import inspect
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.io.image_folder import ImageFolder
from data.io.image_io import read_image, write_image
from data.io.listing import find_pairs
from data.runtime.errors import InputError
from fuse import main as fuse_main
from metrics import PAPER_METRICS, Scorer
from model.baselines import BASELINES, SELF_CONTAINED, gradient, msvd, pca
from model.baselines.__main__ import main as list_methods
from model.baselines.guided import guided_filter
from model.baselines.selection import select_by_li
from model.experiments.agreement import compressed_as
from tests.conftest import drawn_photograph


@pytest.fixture(params=SELF_CONTAINED)
def method(request):
    return BASELINES[request.param].fuse


def test_help_says_what_each_method_does_and_takes():
    methods = [baseline.fuse or baseline.load for baseline in BASELINES.values()]
    texts = [inspect.getdoc(method) for method in methods]
    for method, text in zip(methods, texts, strict=True):
        assert all(f"    {argument}: " in text for argument in inspect.signature(method).parameters)
    assert len(set(texts)) == len(BASELINES)
    assert list(inspect.signature(BASELINES["pca"].fuse).parameters) == ["near", "far"]


@pytest.mark.parametrize("shape", [(40, 48, 3), (37, 41, 3), (33, 40), (17, 9)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_size_and_kind(method, shape, dtype):
    rng = np.random.default_rng(0)
    near, far = rng.integers(0, np.iinfo(dtype).max, (2, *shape), dtype=dtype, endpoint=True)
    fused = method(near, far)
    assert fused.shape == shape
    assert fused.dtype == dtype


@pytest.mark.parametrize("name", sorted(set(SELF_CONTAINED) - {"gd", "csr"}))
def test_two_equal_images_stay_as_they_are(name):
    image = drawn_photograph(np.random.default_rng(0), 48, 57)
    np.testing.assert_allclose(BASELINES[name].fuse(image, image).astype(int), image, atol=1)


def test_flat_images_do_not_divide_by_zero(method):
    near, far = np.full((40, 40, 3), 100, np.uint8), np.full((40, 40, 3), 110, np.uint8)
    with np.errstate(all="raise"):
        fused = method(near, far)
    assert 100 <= fused.mean() <= 110


def test_csr_keeps_equal_images_but_for_faint_detail():
    image = cv2.GaussianBlur(drawn_photograph(np.random.default_rng(0), 48, 57), (0, 0), 1.5)
    difference = BASELINES["csr"].fuse(image, image).astype(int) - image
    assert np.abs(difference).mean() < 3


def test_unequal_images(method):
    with pytest.raises(InputError, match="one size and kind"):
        method(np.zeros((8, 8), np.uint8), np.zeros((8, 9), np.uint8))
    with pytest.raises(InputError, match="uint8 or uint16"):
        method(np.zeros((8, 8)), np.zeros((8, 8)))


def test_pca_weights_by_hand():
    # far = 2 near: the covariance is v [[1, 2], [2, 4]], whose first eigenvector is (1, 2).
    near = np.arange(12.0).reshape(3, 4)
    np.testing.assert_allclose(pca.weights(near, 2 * near), [1 / 3, 2 / 3])


def test_lis_rule():
    near, far = np.zeros((9, 9)), np.zeros((9, 9))
    near[4, 2], far[4, 6] = -5.0, 3.0
    chosen = select_by_li(near, far)
    assert chosen[4, 2] == -5
    assert chosen[4, 6] == 3


def test_msvd_blocks_go_there_and_back():
    image = np.arange(24.0).reshape(4, 6)
    blocks = msvd.to_blocks(image)
    np.testing.assert_array_equal(blocks[:, 0], [0, 6, 1, 7])  # the first block, column by column
    np.testing.assert_array_equal(blocks[:, 1], [12, 18, 13, 19])  # the block below it
    np.testing.assert_array_equal(msvd.from_blocks(blocks, 2), image)


def test_a_gradient_is_integrated():
    image = np.random.default_rng(0).uniform(0, 255, (13, 20))
    restored = gradient.integrate(*gradient.differences(image))
    np.testing.assert_allclose(restored - restored.mean(), image - image.mean(), atol=1e-9)


def test_a_guided_filter_keeps_an_affine_image_of_its_guide():
    guide = np.random.default_rng(0).uniform(0, 1, (20, 20))
    np.testing.assert_allclose(guided_filter(guide, 3 * guide + 2, 4, 1e-12), 3 * guide + 2, atol=1e-6)
    flat = guided_filter(guide, guide, 30, 1e12)
    np.testing.assert_allclose(flat, guide.mean(), atol=1e-9)


def test_nmei_takes_the_sharp_half():
    sharp = drawn_photograph(np.random.default_rng(0), 96, 96)
    dull = np.full_like(sharp, 127)
    near, far = sharp.copy(), sharp.copy()
    near[:, 48:], far[:, :48] = dull[:, 48:], dull[:, :48]
    fused = BASELINES["nmei"].fuse(near, far)
    np.testing.assert_allclose(fused[:, 20:24].astype(int), sharp[:, 20:24], atol=2)
    np.testing.assert_allclose(fused[:, 72:76].astype(int), sharp[:, 72:76], atol=2)


@pytest.mark.parametrize(
    ("sharp", "taken"),
    [
        # Two sums over 8 blocks weigh 1 2 .. 8 .. 2 1 of 64, the 8 one block to the right as MATLAB aligns them, so
        # that all moves one block to the left; two sums over 7 weigh 1 .. 7 .. 1 of 49, in place.
        (range(10), range(9)),
        # Six blocks hold 39 of 64, then 33 of 49, and stay six.
        (range(7, 13), range(6, 12)),
        # Of five blocks three are left (33, 34 and 33 of 64), which hold 19 of 49; single votes would keep four.
        (range(7, 12), ()),
    ],
)
def test_nmei_votes_twice_in_each_window(sharp, taken):
    ripple, flat = np.tile(np.uint8([[99, 101], [101, 99]]), (40, 4)), np.full((80, 8), 100, np.uint8)
    near = np.hstack([ripple if block in sharp else flat for block in range(20)])
    far = 100 + np.hstack([flat if block in sharp else ripple for block in range(20)])
    centers = BASELINES["nmei"].fuse(near, far)[40].reshape(20, 8)[:, 3:5]
    assert [block for block in range(20) if centers[block].mean() < 150] == list(taken)


@pytest.mark.parametrize("name", ["mst-sr", "asr", "csr"])
def test_sparse_methods_take_the_sharp_half(name):
    sharp = cv2.GaussianBlur(drawn_photograph(np.random.default_rng(0), 40, 96), (0, 0), 0.8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    near, far = sharp.copy(), sharp.copy()
    near[:, 48:], far[:, :48] = blurred[:, 48:], blurred[:, :48]
    fused = BASELINES[name].fuse(near, far).astype(int)
    for half in (np.s_[8:-8, 8:32], np.s_[8:-8, 64:88]):
        assert np.abs(fused - sharp)[half].mean() < 0.25 * np.abs(blurred.astype(int) - sharp)[half].mean()


def test_methods_with_weights_say_so():
    with pytest.raises(InputError, match="needs its authors' file"):
        BASELINES["ifcnn"].method()
    with pytest.raises(InputError, match="has no weights"):
        BASELINES["pca"].method(Path("weights.pth"))


def test_the_list(capsys):
    assert list_methods(["--list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(BASELINES)
    assert {"pca", "dwt", "msvd", "gd", "mst-sr", "asr", "csr", "mgivf", "nmei", "ifcnn", "sesf"} <= set(BASELINES)
    assert {"ifcnn", "sesf"} <= {row["name"] for row in rows if row["runs"] != "yes"}
    assert list_methods(["--list"]) == 0
    assert "| mgivf | MGIVF | 2019 |" in capsys.readouterr().out


def test_fuse_runs_them(tmp_path, capsys):
    near, far = (drawn_photograph(np.random.default_rng(seed), 40, 50) for seed in (0, 1))
    write_image(tmp_path / "in" / "x-A.png", near)
    write_image(tmp_path / "in" / "x-B.png", far)
    assert fuse_main(["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--method", "dwt", "--quiet"]) == 0
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "x.png"), BASELINES["dwt"].fuse(near, far))
    with pytest.raises(SystemExit):
        fuse_main(["A.png", "B.png", "-o", "x.png", "--method", "dwt", "--panel"])
    assert "others have nothing of the kind" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "difference", "pairs"),
    # LAPACK decides the signs that MSVD depends on, so only one pair is sure there.
    [("msvd", 0, 1), ("mgivf", 0, 17), ("gd", 3.5, 20), ("mst-sr", 1.0, 18)],
)
def test_published_images(name, difference, pairs, lytro, lytro_fused):
    """How many of the twenty published images differ by no more than this, in mean gray levels."""
    near_enough = 0
    published = ImageFolder(lytro_fused / BASELINES[name].title)
    for pair in find_pairs(lytro).stacks:
        fused = BASELINES[name].fuse(*(read_image(image) for image in pair.images))
        image, expected, _ = compressed_as(fused, published.find(pair.name))
        near_enough += np.abs(image.astype(int) - expected).mean() <= difference
    assert near_enough >= pairs


@pytest.mark.parametrize("pair", ["lytro-11", "lytro-13", "lytro-18"])
def test_mgivf_differs_from_published_images_only_where_both_sources_are_white(pair, lytro, lytro_fused):
    near, far = (read_image(lytro / f"{pair}-{side}.jpg") for side in "AB")
    published = ImageFolder(lytro_fused / "MGIVF").find(pair)
    image, expected, _ = compressed_as(BASELINES["mgivf"].fuse(near, far), published)
    differs = np.any(image != expected, axis=-1)
    assert 0 < differs.mean() < 0.03
    assert np.minimum(near, far).max(-1)[differs].min() >= 250
    assert image.max(-1)[differs].min() >= 250


@pytest.mark.parametrize(
    ("name", "anchors"),
    [
        ("dwt", {"q_sf": (19.31, 0.01), "q_abf": (0.729, 0.001), "q_mi": (6.81, 0.01)}),
        ("nmei", {"q_sf": (18.92, 0.03), "q_abf": (0.753, 0.001), "q_mi": (8.74, 0.01)}),
    ],
)
def test_anchors_on_lytro(name, anchors, lytro):
    scores = []
    for pair in find_pairs(lytro).stacks:
        near, far = (read_image(path) for path in pair.images)
        scores.append(Scorer((near, far)).score(BASELINES[name].fuse(near, far), PAPER_METRICS))
    for metric, (value, tolerance) in anchors.items():
        assert np.mean([score[metric] for score in scores]) == pytest.approx(value, abs=tolerance)
