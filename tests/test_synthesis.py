import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.synthesis.blur import disc_kernel, gaussian_kernel, polygon_kernel, repeated_gaussian
from data.synthesis.recipes import LEVELS, RECIPES, SynthesisSettings, synthesize
from tests.conftest import drawn_photograph


def sharp(seed=0, height=80, width=112):
    image = drawn_photograph(np.random.default_rng(seed), height, width)
    mask = np.zeros((height, width), np.uint8)
    mask[20:60, 30:80] = 1
    return image, mask


def standard_deviation(kernel):
    half = kernel.shape[0] // 2
    return np.sqrt((kernel.sum(0) * np.arange(-half, half + 1) ** 2).sum())


@pytest.mark.parametrize(("passes", "sigma"), list(zip(LEVELS, (0.80, 1.13, 1.38, 1.60, 1.79), strict=True)))
def test_the_papers_window_reaches_these_effective_widths(passes, sigma):
    point = np.zeros((31, 31), np.float32)
    point[15, 15] = 1
    response = repeated_gaussian(point, passes)
    assert response.sum() == pytest.approx(1, rel=1e-5)
    assert standard_deviation(response) == pytest.approx(sigma, abs=0.006)


def test_the_papers_window_by_hand():
    # exp(-1 / 8) = .8825: weights .8825 / 2.765 = .3192 and 1 / 2.765 = .3617.
    point = np.zeros((5, 5), np.float32)
    point[2, 2] = 1
    row = repeated_gaussian(point, 1).sum(0)
    np.testing.assert_allclose(row, [0, 0.3192, 0.3617, 0.3192, 0], atol=1e-4)


@pytest.mark.parametrize("radius", [0.5, 1.0, 2.7, 7.0])
def test_point_spreads_sum_to_one(radius):
    disc, gauss = disc_kernel(radius), gaussian_kernel(radius / 2)
    assert disc.sum() == pytest.approx(1, rel=1e-5)
    assert gauss.sum() == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(disc, disc.T)
    if radius >= 2:
        assert standard_deviation(disc) == pytest.approx(radius / 2, rel=0.05)
        assert standard_deviation(gauss) == pytest.approx(radius / 2, rel=0.05)


@pytest.mark.parametrize("blades", [5, 6, 8])
def test_a_polygon_has_the_area_of_the_disc(blades):
    # A kernel is even over its area, so the area is 1 / its value inside: pi * 6^2 = 113 pixels.
    kernel = polygon_kernel(6.0, blades, turn=0.3)
    assert kernel.sum() == pytest.approx(1, rel=1e-5)
    assert 1 / np.median(kernel[kernel > 0.5 * kernel.max()]) == pytest.approx(np.pi * 36, rel=0.06)
    half = kernel.shape[0] // 2
    center = (kernel.sum(0) * np.arange(-half, half + 1)).sum()
    assert abs(center) < 0.3


def test_the_papers_pairs_are_complementary():
    image, mask = sharp()
    pair = synthesize(image, mask, 3, SynthesisSettings(size=64), np.random.default_rng(0))
    assert pair.near.shape == (64, 64, 3)
    foreground = pair.label == 0
    np.testing.assert_array_equal(pair.near[foreground], pair.reference[foreground])
    np.testing.assert_array_equal(pair.far[~foreground], pair.reference[~foreground])
    assert np.any(pair.near[~foreground] != pair.reference[~foreground])
    # Where one is sharp the other shows the blurred image, so both sum to sharp + blurred.
    blurred = np.rint(repeated_gaussian(pair.reference.astype(np.float32), 3))
    np.testing.assert_array_equal(pair.near.astype(int) + pair.far, pair.reference.astype(int) + blurred)


def test_higher_levels_are_blurrier():
    image, mask = sharp()
    detail = []
    for level in LEVELS:
        pair = synthesize(image, mask, level, SynthesisSettings(size=64), np.random.default_rng(0))
        detail.append(np.abs(np.diff(pair.near[pair.label == 1].astype(float), axis=0)).mean())
    assert detail == sorted(detail, reverse=True)


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("crop", [False, True])
def test_the_same_state_gives_the_same_pair(recipe, crop):
    image, mask = sharp()
    settings_ = SynthesisSettings(recipe, 64, crop)
    one, same, other = (synthesize(image, mask, 2, settings_, np.random.default_rng(seed)) for seed in (5, 5, 6))
    for name in ("near", "far", "label", "reference"):
        np.testing.assert_array_equal(getattr(one, name), getattr(same, name))
    drawn = recipe != "paper" or crop  # the paper's resized pairs have nothing random
    assert np.any(one.near != other.near) == drawn


def test_photographs_keep_their_sharp_parts_and_lose_the_others():
    image, mask = sharp(height=320, width=400)
    mask = cv2.resize(mask, (400, 320), interpolation=cv2.INTER_NEAREST)
    blurred, focused = [], []
    for seed in range(12):
        pair = synthesize(image, mask, 5, SynthesisSettings("photographic", 96), np.random.default_rng(seed))
        near, far = (np.abs(view.astype(float) - pair.reference).mean(-1) for view in (pair.near, pair.far))
        background = pair.label == 1
        blurred += [near[background].mean(), far[~background].mean()]
        focused += [near[~background].mean(), far[background].mean()]
    # Some scenes are nearly flat, some compressed hard, and on a ramp both are a little blurred.
    assert np.median(np.divide(blurred, focused)) > 1.25
    assert np.mean(np.array(blurred) > focused) > 0.9


@settings(max_examples=25, deadline=None)
@given(
    st.integers(20, 150),
    st.integers(20, 150),
    st.sampled_from(list(RECIPES)),
    st.booleans(),
    st.sampled_from(LEVELS),
    st.integers(0, 10),
)
def test_any_photograph_gives_pairs_of_the_wanted_size(height, width, recipe, crop, level, seed):
    image = drawn_photograph(np.random.default_rng(0), height, width)
    mask = (np.arange(width) < width // 2).astype(np.uint8) * np.ones((height, 1), np.uint8)
    pair = synthesize(image, mask, level, SynthesisSettings(recipe, 64, crop), np.random.default_rng(seed))
    assert pair.near.shape == pair.far.shape == pair.reference.shape == (64, 64, 3)
    assert pair.near.dtype == pair.far.dtype == np.uint8
    assert pair.label.shape == (64, 64)
    assert set(np.unique(pair.label)) <= {0, 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"recipe": "other"}, "unknown recipe 'other'"),
        ({"size": 100}, "multiple of 32, received 100"),
        ({"blur_window": 4}, "odd and at least 3, received 4"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ValueError, match=message):
        SynthesisSettings(**arguments)
