"""The camera of the recipe `photographic`, and the shapes that are put before it."""

import cv2
import numpy as np
import pytest

from data.imaging.composition import compose
from data.synthesis import camera, varied
from data.synthesis.blur import disc_kernel
from data.synthesis.regions import SHAPES, draw_region, grow_region
from metrics.reference import psnr
from tests.conftest import drawn_photograph


@pytest.fixture
def light():
    return (drawn_photograph(np.random.default_rng(0), 96, 96) / 255).astype(np.float32)


def test_two_planes(light):
    mask = np.zeros((96, 96), np.uint8)
    mask[:, :48] = 1
    near, far, label = camera.two_planes(light, mask, 4.0, disc_kernel, None)
    np.testing.assert_array_equal(label, 1 - mask)
    # Away from the edge the sharp side of each is the scene itself, and the other side is not.
    np.testing.assert_allclose(near[:, :40], light[:, :40], atol=1e-6)
    np.testing.assert_allclose(far[:, 56:], light[:, 56:], atol=1e-6)
    assert np.abs(near - light)[:, 56:].mean() > 0.01
    assert np.abs(far - light)[:, :40].mean() > 0.01


def test_what_is_out_of_focus_before_the_rest_spreads_and_what_is_behind_does_not():
    light = np.zeros((64, 64, 3), np.float32)
    light[:, :32] = 1  # white before black
    mask = (light[..., 0] > 0).astype(np.uint8)
    near, far, _ = camera.two_planes(light, mask, 5.0, disc_kernel, None)
    assert near[:, 40:].max() < 1e-6  # the sharp edge hides: no white in the black
    # 2.5 pixels beyond the edge a disc of 5 reaches back over half its radius: (pi / 3 - sin 60 cos 60) / pi.
    assert far[32, 34, 0] == pytest.approx(0.1955, abs=0.03)


def test_stitched_scenes_are_sharp_to_the_edge_of_the_mask(light):
    mask = np.zeros((96, 96), np.uint8)
    mask[:, :48] = 1
    near, far, label = camera.stitch(light, mask, 4.0, disc_kernel)
    np.testing.assert_array_equal(near[:, :48], light[:, :48])
    np.testing.assert_array_equal(far[:, 48:], light[:, 48:])
    np.testing.assert_array_equal(compose((near, far), label > 0), light)
    assert np.abs(near - light)[:, 48:].mean() > 0.01


def test_the_mask_is_the_label_of_stitched_scenes_and_that_of_others_is_refined(monkeypatch):
    image, mask = drawn_photograph(np.random.default_rng(0), 64, 64), np.zeros((64, 64), np.uint8)
    mask[:, :32] = 1
    refined, kinds = [], set()

    def refine(views, label, least_gain):
        assert [view.dtype for view in views] == [np.uint8, np.uint8]
        assert least_gain == varied.LABEL_LEAST_GAIN
        refined.append(label)
        return np.full_like(label, 7)

    monkeypatch.setattr(varied, "align_boundaries", refine)
    for seed in range(20):
        label = varied.varied(image, mask, 3, 5, 64, True, np.random.default_rng(seed)).label
        assert np.all(label == 7) or set(np.unique(label)) <= {0, 1}
        assert np.all(label == 7) == bool(refined)
        kinds.add(bool(refined))
        refined.clear()
    assert kinds == {True, False}


def test_each_photograph_of_layers_is_sharper_where_the_label_says_so(light):
    mask = np.zeros((96, 96), np.uint8)
    mask[30:60, 30:60] = 1
    for seed in range(6):
        sharp, near, far, label = varied.layers_at_depths(light, mask, 4.0, disc_kernel, np.random.default_rng(seed))
        error = [np.abs(view - sharp).mean(-1) for view in (near, far)]
        if label.any():
            assert error[0][label == 1].mean() > error[1][label == 1].mean()
        if not label.all():
            assert error[1][label == 0].mean() > error[0][label == 0].mean()


def test_ramps_are_sharp_where_they_are_focused(light):
    rng = np.random.default_rng(3)
    near, far, label = camera.two_ramps(light, np.zeros((96, 96), np.uint8), 5.0, disc_kernel, rng)
    assert 0 < label.mean() < 1
    error = [np.abs(view - light).mean(-1) for view in (near, far)]
    assert error[0][label == 1].mean() > error[1][label == 1].mean()
    assert error[1][label == 0].mean() > error[0][label == 0].mean()


def test_development_keeps_a_gray_surface():
    gray = np.full((64, 64, 3), 0.5, np.float32)
    for seed in range(5):
        develop = camera.Development(np.float32(1), np.random.default_rng(seed))
        picture = develop(gray)
        assert picture.dtype == np.uint8
        assert picture.mean() == pytest.approx(develop.expose(gray).mean(), abs=1.5)
        if develop.noise > 1:
            assert picture.std() > 0.2


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape):
    shares = []
    for seed in range(30):
        region = shape(96, np.random.default_rng(seed))
        assert region.shape == (96, 96)
        assert set(np.unique(region)) <= {0, 1}
        shares.append(region.mean())
    assert 0.02 < np.mean(shares) < 0.7


def test_a_drawn_foreground_leaves_the_rest():
    image = drawn_photograph(np.random.default_rng(0), 96, 96)
    changed, shape = draw_region(image, np.random.default_rng(1))
    np.testing.assert_array_equal(changed[shape == 0], image[shape == 0])
    assert np.any(changed[shape == 1] != image[shape == 1])


def test_a_grown_foreground_ends_at_edges_of_the_image():
    image = np.full((96, 96, 3), 60, np.uint8)
    cv2.circle(image, (48, 48), 30, (200, 180, 160), -1)
    image = np.clip(image + np.random.default_rng(0).normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    y, x = np.mgrid[:96, :96]
    at_edge = np.abs(np.hypot(x - 48, y - 48) - 30) < 3
    outline = np.zeros((96, 96), bool)
    on_edge = total = 0
    for seed in range(30):
        region = grow_region(image, np.random.default_rng(seed))
        assert set(np.unique(region)) == {0, 1}
        np.testing.assert_array_equal(region, grow_region(image, np.random.default_rng(seed)))
        outline[:, 1:] = region[:, 1:] != region[:, :-1]
        on_edge, total = on_edge + np.count_nonzero(outline & at_edge), total + np.count_nonzero(outline)
    assert on_edge / total > 2 * at_edge.mean()


def test_the_label_is_what_one_sees_and_depth_where_nothing_shows():
    sharp = np.full((30, 60, 3), 0.5, np.float32)
    near, far = sharp.copy(), sharp.copy()
    near[:, :20] += 0.1  # depth says `far` is out of focus here, and `near` shows it
    far[:, 40:] += 0.1
    depth = np.zeros((30, 60), np.uint8)
    depth[:, 30:] = 1
    label = camera.visible_label(depth, near, far, sharp)
    assert label[:, :16].all()
    np.testing.assert_array_equal(label[:, 25:35], depth[:, 25:35])
    assert not label[:, 44:].any()


def test_labels_give_the_better_image():
    image = drawn_photograph(np.random.default_rng(0), 96, 96)
    mask = np.zeros((96, 96), np.uint8)
    mask[:, 40:] = 1
    by_label = by_depth = 0.0
    for seed in range(6):
        near, far, label, reference = camera.simulate_pair(image, mask, 5, 5, np.random.default_rng(seed))
        by_label += psnr(reference, compose((near, far), label > 0))
        by_depth += psnr(reference, compose((near, far), mask == 0))
    assert by_label > by_depth
