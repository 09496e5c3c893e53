"""Fusion as a function, with the bundled weights."""

import os
import shutil

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.demo import rendered_scene
from data.io.image_io import write_image
from data.runtime.errors import InputError
from metrics.reference import psnr
from model import FusionSettings, fuse, load_fuser
from model.bundled import BUNDLED_WEIGHTS
from model.fusion import STRATEGIES
from model.fusion.learned import LearnedStrategy
from model.fusion.pipeline import loaded_fuser


@pytest.fixture(scope="module", params=STRATEGIES)
def fuser(request):
    return load_fuser(strategy=request.param)


@pytest.fixture(scope="module")
def scene():
    return rendered_scene()


@pytest.fixture(scope="module")
def photographs(scene):
    return scene.photographs()


def test_it_finds_what_is_sharp(fuser, scene, photographs):
    near, far = photographs
    fused = fuser(near, far)
    assert fused.shape == near.shape
    assert fused.dtype == np.uint8
    better = max(psnr(scene.image, near), psnr(scene.image, far))
    assert psnr(scene.image, fused) > better + 3


def test_the_maps_are_right_where_one_source_is_sharp_and_the_other_is_not(fuser, scene, photographs):
    near_unfocused, far_unfocused = fuser.predictor.unfocused(photographs) > 0.5
    near_radius, far_radius = (np.abs(scene.inverse_depth - focus) * scene.aperture for focus in scene.focuses)
    only_near = (near_radius < 1) & (far_radius > 3)
    only_far = (far_radius < 1) & (near_radius > 3)
    assert near_unfocused[only_far].mean() > 0.75  # a corner of the blurred wall is judged sharp: see the model card
    assert far_unfocused[only_near].mean() > 0.9
    assert near_unfocused[only_near].mean() < 0.1
    assert far_unfocused[only_far].mean() < 0.15  # the green ball, as well


def test_swapping_the_sources_changes_nothing(fuser, photographs):
    near, far = photographs
    np.testing.assert_array_equal(fuser(near, far), fuser(far, near))


@pytest.mark.parametrize("strategy", ["refined", "learned"])
def test_a_source_that_is_nowhere_the_sharpest_changes_little(strategy, photographs):
    fuser = load_fuser(strategy=strategy)
    near, far = photographs
    blurred = cv2.GaussianBlur(far, (0, 0), 5)
    two, three = fuser.decide(near, far).decision_map, fuser.decide(near, far, blurred).decision_map
    assert np.mean(two == three) > 0.98


@pytest.mark.parametrize("strategy", ["refined", "learned"])
def test_a_stack_of_twelve(strategy, scene):
    fuser = load_fuser(strategy=strategy)
    near, far = scene.photographs()
    stack = scene.photographs(12)
    decision = fuser.decide(*stack)
    assert len(np.unique(decision.decision_map)) >= 8
    assert psnr(scene.image, decision.fused) > psnr(scene.image, fuser(near, far)) + 1


def test_sixteen_bits_and_gray(fuser, photographs):
    near, far = photographs
    wide = [image.astype(np.uint16) * 257 for image in photographs]
    # Mixed pixels are rounded to the type.
    tolerance = 0.51 if isinstance(fuser.strategy, LearnedStrategy) else 0
    np.testing.assert_allclose(fuser(*wide) / 257, fuser(near, far), atol=tolerance)
    gray = [image[..., 1] for image in photographs]
    fused = fuser(*gray)
    assert fused.shape == gray[0].shape
    assert fused.dtype == np.uint8


def test_the_papers_size(scene, photographs):
    near, far = photographs
    fuser, full = load_fuser(strategy="paper", size=224), load_fuser(strategy="paper")
    maps = fuser.predictor.unfocused((near, far))
    assert maps.shape == (2, *near.shape[:2])
    difference = np.abs(maps - full.predictor.unfocused((near, far)))
    assert 0.005 < difference.mean() < 0.2 and difference.max() > 0.5  # coarser, but of the same scene
    fused = fuser(near, far)
    assert psnr(scene.image, fused) > max(psnr(scene.image, near), psnr(scene.image, far)) + 2


@settings(max_examples=12, deadline=None)
@given(st.integers(32, 100), st.integers(32, 100), st.integers(0, 5))
def test_any_size_comes_back(fuser, height, width, seed):
    rng = np.random.default_rng(seed)
    near, far = rng.integers(0, 256, (2, height, width, 3), dtype=np.uint8)
    fused = fuser(near, far)
    assert fused.shape == near.shape
    if isinstance(fuser.strategy, LearnedStrategy):
        assert np.all((np.minimum(near, far) <= fused) & (fused <= np.maximum(near, far)))
    else:
        assert np.all(np.all(fused == near, -1) | np.all(fused == far, -1))


def image(*shape, dtype=np.uint8):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("near", "far", "message"),
    [
        (image(40, 50, 3), image(40, 51, 3), "one is 50x40 RGB uint8, another 51x40 RGB uint8"),
        (image(40, 50, 3), image(40, 50), "one is 50x40 RGB uint8, another 50x40 gray uint8"),
        (image(40, 50), image(40, 50, dtype=np.uint16), "gray uint8, another 50x40 gray uint16"),
        (image(40, 50, 4), image(40, 50, 4), r"received the shape \(40, 50, 4\)"),
        (image(40, 50, 3, dtype=np.float32), image(40, 50, 3, dtype=np.float32), "must be uint8 or uint16"),
    ],
)
def test_what_cannot_be_fused(fuser, near, far, message):
    with pytest.raises(InputError, match=message):
        fuser(near, far)


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 9), (2, 3, 3), (7, 1), (31, 50, 3)])
def test_tiny_images(shape):
    near, far = np.random.default_rng(0).integers(0, 65536, (2, *shape), np.uint16)
    for strategy in ("refined", "learned"):
        fused = load_fuser(strategy=strategy)(near, far)
        assert fused.shape == shape
        assert np.all((np.minimum(near, far) <= fused) & (fused <= np.maximum(near, far)))
    papers = load_fuser(strategy="paper")
    if min(shape[:2]) < 2:
        with pytest.raises(InputError, match="at least 2x2 pixels"):
            papers(near, far)
    else:
        assert papers(near, far).shape == shape


def test_how_many_images(fuser):
    one = image(40, 50)
    with pytest.raises(InputError, match="received 1"):
        fuser(one)
    with pytest.raises(InputError, match="received 3"):
        load_fuser(strategy="paper")(one, one, one)


def test_bad_settings():
    with pytest.raises(InputError, match=f"one of {', '.join(STRATEGIES)}, or None, received 'other'"):
        load_fuser(strategy="other")
    with pytest.raises(InputError, match="at least 32, received 16"):
        load_fuser(size=16)


def test_one_function_takes_arrays_files_and_folders(tmp_path):
    near, far = (image[:120, :160] for image in rendered_scene().photographs())
    paths = [tmp_path / f"frame-{number}.png" for number in (1, 2)]
    for path, picture in zip(paths, (near, far), strict=True):
        write_image(path, picture)
    results = [fuse(stack) for stack in ([near, far], paths, str(tmp_path))]
    for result in results:
        np.testing.assert_array_equal(result.image, results[0].image)
    result = results[0]
    assert result.remarks == ()
    assert result.decision_map.shape == result.depth.shape == result.confidence.shape == (120, 160)
    assert result.describe()["strategy"] == "learned"
    refined = fuse([near, far], FusionSettings(strategy="refined"))
    assert refined.depth is None and refined.describe()["strategy"] == "refined"


def test_one_function_remarks_and_refuses(tmp_path):
    near, far = (image[:120, :160] for image in rendered_scene().photographs())
    foreign = np.random.default_rng(0).integers(0, 256, near.shape, np.uint8)
    result = fuse([near, far, foreign])
    assert len(result.remarks) == 1 and result.remarks[0].startswith("image 3 ")
    with pytest.raises(InputError, match=r"image 3 .*without --strict it is left out"):
        fuse([near, far, foreign], FusionSettings(strict=True))
    with pytest.raises(InputError, match="received 1"):
        fuse([near])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        fuse(tmp_path / "empty")


def test_progress_ends_a_fusion():
    def stop(stage, done, total):
        raise KeyboardInterrupt

    near, far = (image[:64, :64] for image in rendered_scene().photographs())
    with pytest.raises(KeyboardInterrupt):
        fuse([near, far], observe=stop)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"align": "maybe"}, "align must be one of auto, none, received 'maybe'"),
        ({"prefer": "nearest"}, "prefer must be one of near, far, or None"),
        ({"strategy": "refined", "prefer": "near"}, "prefer is for the strategy learned, not for refined"),
        ({"strategy": "paper", "crop": "none"}, "crop none is for the strategies"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(InputError, match=message):
        FusionSettings(**settings)


def test_weights_that_were_written_again_are_loaded_again(tmp_path):
    for suffix in (".h5", ".json"):
        shutil.copy(BUNDLED_WEIGHTS.with_suffix(suffix), tmp_path)
    settings = FusionSettings(weights=tmp_path / BUNDLED_WEIGHTS.name)
    first = loaded_fuser(settings)
    assert loaded_fuser(FusionSettings(weights=settings.weights, align="none")) is first
    os.utime(settings.weights, (1, 1))
    assert loaded_fuser(settings) is not first
