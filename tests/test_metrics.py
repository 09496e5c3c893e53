"""The metrics against answers worked out by hand and the laws they obey."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics import EdgeTransfer, compute, compute_all
from metrics.color import to_gray, to_planes
from metrics.information import mutual_information
from metrics.reference import lost_gradient, psnr, spurious_gradient, ssim
from metrics.sharpness import average_gradient, spatial_frequency


def sigmoid(gain, slope, midpoint, value):
    return gain / (1 + math.exp(slope * (value - midpoint)))


def xydeas(strength, orientation):
    return sigmoid(0.9994, -15, 0.5, strength) * sigmoid(0.9879, -22, 0.8, orientation)


def gray(*rows):
    return np.array(rows, np.uint8)


def random_image(seed, shape=(24, 20, 3), levels=256):
    return np.random.default_rng(seed).integers(0, levels, shape).astype(np.uint8)


# --- color -----------------------------------------------------------------------------------------------------------


def test_gray_is_rgb2gray():
    primaries = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    # .298936 * 255 = 76.23; .587043 * 255 = 149.70; .114021 * 255 = 29.08
    assert to_gray(primaries).tolist() == [[76, 150], [29, 255]]
    assert to_gray(primaries).dtype == np.uint8
    assert to_gray(primaries.astype(np.float32))[0, 0] == pytest.approx(76.22868)


def test_sixteen_bits_are_scaled_not_truncated():
    image = np.array([[0, 257], [258, 65535]], np.uint16)
    assert to_gray(image) == pytest.approx(np.array([[0, 1], [258 / 257, 255]]))
    color = random_image(1)
    deep = np.repeat(to_gray(color)[..., None], 3, axis=2).astype(np.uint16) * 257
    assert np.array_equal(to_gray(deep), to_gray(color))


def test_gray_image_has_one_plane_in_both_modes():
    image = random_image(2, (5, 6))
    assert len(to_planes(image, "gray")) == len(to_planes(image, "rgb")) == 1
    assert len(to_planes(random_image(2), "rgb")) == 3


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        (np.zeros((4, 4, 4), np.uint8), r"\(H, W\) or \(H, W, 3\), but got \(4, 4, 4\)"),
        (np.zeros((1, 4), np.uint8), "at least 2 x 2"),
        (np.zeros((4, 4), np.int32), "but got int32"),
        (np.full((4, 4), 300.0), "from 300 to 300"),
        (np.full((4, 4), np.nan), "from nan to nan"),
    ],
)
def test_unusable_images_are_refused(image, sentence):
    with pytest.raises(ValueError, match=sentence):
        to_gray(image)


@pytest.mark.parametrize("color", ["gray", "rgb"])
@pytest.mark.parametrize("which", ["near", "far", "fused", "reference"])
def test_an_image_in_0_to_1_is_refused(which, color):
    images = {name: random_image(seed) for seed, name in enumerate(("near", "far", "fused", "reference"))}
    images[which] = (images[which] / 255).astype(np.float32)
    with pytest.raises(
        ValueError, match=r"lie in 0\.\.255, but its largest value is 1; multiply images in 0\.\.1 by 255"
    ):
        compute_all(**images, color=color)


def test_dark_images_are_not_taken_for_images_in_0_to_1():
    black, image = np.zeros((12, 12, 3)), random_image(3, (12, 12, 3)).astype(float)
    assert compute_all(image, black, black, reference=black)["psnr"] == math.inf
    image[..., 2] /= 255  # one plane
    assert len(to_planes(image, "rgb")) == 3
    for dark in (np.full((4, 4, 3), 200, np.uint16), np.ones((4, 4), np.uint8)):
        for color in ("gray", "rgb"):
            assert compute("psnr", dark, dark, dark, color=color, reference=dark) == math.inf


# --- edge transfer ----------------------------------------------------------------------------------------------------


def test_perfect_transfer_has_the_largest_q():
    image = random_image(3)
    # G = 1 and A = 1 everywhere, so every pixel has the value of the sigmoids at 1.
    assert EdgeTransfer(image, image).q_abf(image) == pytest.approx(xydeas(1, 1), rel=1e-12)
    kumar = math.sqrt(sigmoid(0.9999, -19, 0.5, 1) * sigmoid(0.9995, -22, 0.5, 1))
    assert EdgeTransfer(image, image, variant="kumar").q_abf(image) == pytest.approx(kumar, rel=1e-12)


def test_halved_and_doubled_contrast():
    image = random_image(4, (9, 9), levels=64) * 2
    # The Sobel operator is linear, so G = 1/2 and A = 1 wherever there is an edge.
    value = xydeas(0.5, 1)
    for fused, lost, added in ((image // 2, 1 - value, 0), (image * 2, 0, 1 - value)):
        scores = EdgeTransfer(image, image).measure(fused)
        assert scores.q_abf == pytest.approx(value, rel=1e-12)
        for rule in ("lt", "le"):
            assert scores.l_abf[rule] == pytest.approx(lost, abs=1e-12)
            assert scores.n_abf[rule] == pytest.approx(added, abs=1e-12)


def test_edge_transfer_worked_by_hand():
    # With a zero border a 2x2 image [[p, q], [r, s]] has (sx, sy) =
    #   (2q + s, 2r + s), (-2p - r, 2s + r)
    #   (2s + q, -2p - q), (-2r - p, -2q - p).
    # Sources s = 4: (4, 4), (0, 8), (8, 0), (0, 0): g = sqrt 32, 8, 8, 0; alpha = pi/4, pi/2, 0, pi/2.
    # Fused q = 4:   (8, 0), (0, 0), (4, -4), (0, -8): g = 8, 0, sqrt 32, 8; alpha = 0, pi/2, -pi/4, pi/2.
    # Pixel 1: G = sqrt 32 / 8, A = 1/2. Pixel 2: G = 0, A = 1. Pixel 3: as 1. Pixel 4 has no weight.
    source, fused = gray([0, 0], [0, 4]), gray([0, 4], [0, 0])
    tilted, vanished, root = xydeas(math.sqrt(0.5), 0.5), xydeas(0, 1), math.sqrt(32)
    scores = EdgeTransfer(source, source).measure(fused)
    assert scores.q_abf == pytest.approx((root * tilted + 8 * vanished + 8 * tilted) / (root + 16), rel=1e-12)
    # The fused gradient is weaker at pixels 2 and 3, stronger at pixel 1.
    assert scores.l_abf["lt"] == pytest.approx((8 * (1 - vanished) + 8 * (1 - tilted)) / (root + 16), rel=1e-12)
    assert scores.n_abf["le"] == pytest.approx(root * (1 - tilted) / (root + 16), rel=1e-12)


def test_kumar_counts_opposite_gradients_as_equal():
    image = random_image(5, (12, 12))
    assert EdgeTransfer(image, image, variant="kumar").q_abf(255 - image) == pytest.approx(
        EdgeTransfer(image, image, variant="kumar").q_abf(image)
    )


def test_copied_gradients_are_lost_only_under_le():
    image = random_image(6, (12, 12))
    scores = EdgeTransfer(image, image).measure(image)
    assert scores.l_abf == {"lt": 0, "le": pytest.approx(1 - xydeas(1, 1))}
    assert scores.n_abf == {"le": 0, "lt": pytest.approx(1 - xydeas(1, 1))}


def test_sources_without_edges():
    black, flat = np.zeros((8, 8), np.uint8), np.full((8, 8), 90, np.uint8)
    scores = EdgeTransfer(black, black).measure(flat)
    assert all(math.isnan(v) for v in (scores.q_abf, *scores.l_abf.values(), *scores.n_abf.values()))
    # The zero border is an edge of every image that is not black; kumar weighs flat pixels .001.
    assert EdgeTransfer(flat, flat).q_abf(flat) == pytest.approx(xydeas(1, 1))
    assert EdgeTransfer(black, black, variant="kumar").q_abf(flat) > 0.999


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    levels=st.sampled_from([2, 8, 256]),
    variant=st.sampled_from(["xydeas", "kumar"]),
    as_float=st.booleans(),
)
def test_laws_of_edge_transfer(seed, levels, variant, as_float):
    near, far, fused = random_image(seed, (3, 11, 7), levels)
    if as_float:
        near, far, fused = (image / 1.7 for image in (near, far, fused))
    scores = EdgeTransfer(near, far, variant=variant).measure(fused)
    swapped = EdgeTransfer(far, near, variant=variant).measure(fused)
    for rule in ("lt", "le"):
        assert scores.q_abf + scores.l_abf[rule] + scores.n_abf[rule] == pytest.approx(1, abs=1e-12)
        assert swapped.l_abf[rule] == pytest.approx(scores.l_abf[rule], abs=1e-12)
    assert swapped.q_abf == pytest.approx(scores.q_abf, abs=1e-12)
    assert 0 <= scores.q_abf <= 1
    assert scores.l_abf["lt"] <= scores.l_abf["le"]
    assert EdgeTransfer(near, far, variant=variant).q_abf(fused) == scores.q_abf


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(["xydeas", "kumar"]), st.integers(2, 5))
def test_laws_of_edge_transfer_for_any_number_of_sources(seed, variant, count):
    *sources, fused = random_image(seed, (count + 1, 11, 7), 40)
    scores = EdgeTransfer(*sources, variant=variant).measure(fused)
    for rule in ("lt", "le"):
        assert scores.q_abf + scores.l_abf[rule] + scores.n_abf[rule] == pytest.approx(1, abs=1e-12)
    turned = EdgeTransfer(*sources[::-1], variant=variant).measure(fused)
    assert turned.q_abf == pytest.approx(scores.q_abf, abs=1e-12)
    # Each source given twice changes nothing: both sums double.
    doubled = EdgeTransfer(*sources, *sources, variant=variant).measure(fused)
    assert doubled.q_abf == pytest.approx(scores.q_abf, abs=1e-12)
    assert doubled.l_abf["lt"] == pytest.approx(scores.l_abf["lt"], abs=1e-12)


def test_three_sources_are_weighed_by_their_gradients():
    # One vertical step each, of heights 10, 20 and 40: weights 1 : 2 : 4. Zero borders are left out by wide images.
    ramp = np.repeat(np.arange(0, 40)[None], 12, axis=0).astype(np.float64)
    inner = np.s_[1:-1, 1:-1]
    slopes, fused = (1, 2, 4), 2 * ramp
    kept = EdgeTransfer(*(slope * ramp for slope in slopes)).preserved(fused)[inner]
    # Sobel of a slope s: 8 s. G is 1/2, 1 and 1/2; all orientations agree.
    expected = 8 * (1 * xydeas(0.5, 1) + 2 * xydeas(1, 1) + 4 * xydeas(0.5, 1))
    assert kept == pytest.approx(expected, rel=1e-12)


def test_a_gradient_below_that_of_any_source_is_lost():
    ramp = np.repeat(np.arange(0, 40)[None], 12, axis=0).astype(np.float64)
    flat = np.zeros_like(ramp)
    edges = EdgeTransfer(flat, ramp, 3 * ramp, variant="kumar")
    # The fused slope is between two sources': all shortfall is loss,
    # but for the floor of the weights in the mirrored columns.
    scores = edges.measure(2 * ramp)
    assert scores.n_abf["lt"] == pytest.approx(0, abs=1e-6) and scores.l_abf["lt"] == pytest.approx(1 - scores.q_abf)
    # It is above all of them: all shortfall is an artifact.
    assert edges.measure(4 * ramp).l_abf["lt"] == pytest.approx(0, abs=1e-6)


def test_one_source_is_refused():
    with pytest.raises(ValueError, match="at least two sources, but got 1"):
        EdgeTransfer(random_image(7))


def test_edge_transfer_refuses_what_it_does_not_know():
    image = random_image(7)
    with pytest.raises(ValueError, match="'sobel' is unknown"):
        EdgeTransfer(image, image, variant="sobel")
    with pytest.raises(ValueError, match=r"source 1 \(24, 20, 3\), source 2 \(20, 20, 3\)"):
        EdgeTransfer(image, image[:20])
    with pytest.raises(ValueError, match=r"\(20, 20, 3\), but its sources have \(24, 20, 3\)"):
        EdgeTransfer(image, image).q_abf(image[:20])


# --- information ------------------------------------------------------------------------------------------------------


def test_mutual_information_worked_by_hand():
    near, far = gray([0, 0], [255, 255]), gray([0, 255], [0, 255])
    # Fused = near: I(near; fused) = H(near) = 1 bit; far is independent of it: 0 bits.
    assert mutual_information((near, far), near) == pytest.approx(1)
    assert mutual_information((near, far), near, "hossny") == pytest.approx(2 * (1 / (1 + 1) + 0))
    # Fused [[0, 0], [0, 255]]: p = 3/4, 1/4; H = .811278. Joint with either source: 1/2, 1/4, 1/4: 1.5 bits.
    # I = 1 + .811278 - 1.5 = .311278 for both.
    fused = gray([0, 0], [0, 255])
    assert mutual_information((near, far), fused) == pytest.approx(2 * 0.3112781, rel=1e-6)
    assert mutual_information((near, far), fused, "hossny") == pytest.approx(4 * 0.3112781 / 1.8112781, rel=1e-6)


def test_mutual_information_is_summed_over_the_sources():
    *sources, fused = random_image(16, (4, 9, 9), 5)
    for variant in ("qu", "hossny"):
        alone = [mutual_information((source, source), fused, variant) / 2 for source in sources]
        assert mutual_information(sources, fused, variant) == pytest.approx(sum(alone), rel=1e-12)


def test_mutual_information_of_constant_images():
    flat, image = np.full((6, 6), 7, np.uint8), random_image(8, (6, 6))
    assert mutual_information((flat, flat), image) == 0
    assert mutual_information((flat, image), flat, "qu") == 0
    assert math.isnan(mutual_information((flat, image), flat, "hossny"))


def test_hossny_ignores_a_linear_change_of_levels():
    near, far, fused = random_image(9, (3, 16, 16), levels=86)
    near[0, 0], near[0, 1] = 0, 85
    stretched = near * 3
    assert mutual_information((stretched, far), fused, "hossny") == mutual_information((near, far), fused, "hossny")


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), levels=st.sampled_from([1, 2, 16, 256]))
def test_laws_of_mutual_information(seed, levels):
    near, far, fused = random_image(seed, (3, 13, 9), levels)
    value = mutual_information((near, far), fused)
    assert value >= 0
    assert mutual_information((far, near), fused) == pytest.approx(value, abs=1e-12)
    # I(X; F) <= H(F), with equality for X = F.
    assert value <= mutual_information((fused, fused), fused) + 1e-9


# --- sharpness --------------------------------------------------------------------------------------------------------


def test_spatial_frequency_worked_by_hand():
    # Row differences 3, 3; column differences 4, 4: (9 + 9 + 16 + 16) / 4 pixels = 12.5.
    assert spatial_frequency(gray([0, 3], [4, 7])) == pytest.approx(math.sqrt(12.5))
    # Row differences 2, 4, 2, 4; column differences 0: 40 / 6.
    assert spatial_frequency(gray([0, 2, 6], [0, 2, 6])) == pytest.approx(math.sqrt(40 / 6))
    assert spatial_frequency(np.full((5, 5), 200, np.uint8)) == 0


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        # Forward differences (2, 0) and (4, 0), over (2-1)(3-1) = 2 pixels.
        ("half", (2 + 4) / math.sqrt(2) / 2),
        # Wrapping differences 2, 4, -6 in both rows, over 6 pixels.
        ("kumar", 2 * (2 + 4 + 6) / 6),
        # Central differences 2, (6 - 0) / 2 = 3, 4 in both rows, divided by 2.
        ("central", 2 * (2 + 3 + 4) / math.sqrt(2) / 2),
    ],
)
def test_average_gradient_worked_by_hand(variant, expected):
    assert average_gradient(gray([0, 2, 6], [0, 2, 6]), variant) == pytest.approx(expected)
    assert average_gradient(gray([0, 0], [2, 2], [6, 6]), variant) == pytest.approx(expected)
    assert average_gradient(np.full((5, 5), 200, np.uint8), variant) == 0


def test_average_gradient_joins_both_directions():
    # dx = 3, dy = 4 at the one pixel that has both: sqrt(25 / 2).
    assert average_gradient(gray([0, 3], [4, 7])) == pytest.approx(math.sqrt(12.5))
    with pytest.raises(ValueError, match="'whole' is unknown"):
        average_gradient(gray([0, 3], [4, 7]), "whole")


# --- reference --------------------------------------------------------------------------------------------------------


def test_psnr_worked_by_hand():
    # The error is 5 everywhere: 20 log10(255 / 5).
    assert psnr(np.full((4, 4), 10, np.uint8), np.full((4, 4), 15, np.uint8)) == pytest.approx(34.15140, abs=1e-5)
    assert psnr(random_image(10), random_image(10)) == math.inf


def test_psnr_of_channels_pools_their_errors():
    truth = np.full((4, 4, 3), 100, np.uint8)
    fused = truth + np.array([3, 0, 0], np.uint8)
    # Mean squared error over all channels: 9 / 3.
    value = compute("psnr", truth, truth, fused, color="rgb", reference=truth)
    assert value == pytest.approx(10 * math.log10(255**2 / 3))
    assert compute("psnr", truth, truth, truth, color="rgb", reference=truth) == math.inf


def test_ssim_worked_by_hand():
    # Without variance only the luminance term is left: (2 * 100 * 120 + C1) / (100^2 + 120^2 + C1), C1 = 2.55^2.
    value = ssim(np.full((12, 12), 100, np.uint8), np.full((12, 12), 120, np.uint8))
    assert value == pytest.approx((24000 + 6.5025) / (24400 + 6.5025), rel=1e-9)
    assert ssim(random_image(11), random_image(11)) == pytest.approx(1)
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(random_image(11, (10, 30)), random_image(11, (10, 30)))


def test_spurious_and_lost_gradient_worked_by_hand():
    truth, flat = random_image(15) / 2, np.full((24, 20, 3), 90.0)
    assert spurious_gradient(truth, truth) == lost_gradient(truth, truth) == 0
    # Gradients are linear: with all levels doubled each is as large again, and a flat image lacks all of them.
    assert spurious_gradient(truth, 2 * truth) == pytest.approx(1) and lost_gradient(truth, 2 * truth) == 0
    assert spurious_gradient(truth, flat) == pytest.approx(0, abs=1e-9) and lost_gradient(truth, flat) == pytest.approx(
        1
    )
    assert math.isnan(spurious_gradient(flat, flat)) and math.isnan(lost_gradient(flat, flat))


def test_one_too_many_and_one_missing_edge():
    truth, fused = np.zeros((2, 32, 64), np.float64)
    truth[:, 16:] = 100
    fused[:, 16:] = 100
    fused[:, 40:] = 150
    # The second step is half as high as the only one of the truth; seen from the other side it is a third of all.
    assert spurious_gradient(truth, fused) == pytest.approx(0.5, rel=1e-6) and lost_gradient(truth, fused) == 0
    assert lost_gradient(fused, truth) == pytest.approx(1 / 3, rel=1e-6) and spurious_gradient(fused, truth) == 0


def test_ssim_agrees_with_scikit_image():
    skimage_metrics = pytest.importorskip("skimage.metrics")
    truth, fused = random_image(12, (40, 30)), random_image(13, (40, 30)) // 2 + 60
    expected = skimage_metrics.structural_similarity(
        truth.astype(float), fused.astype(float), gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        data_range=255,
    )  # fmt: skip
    assert ssim(truth, fused) == pytest.approx(expected, abs=1e-9)
