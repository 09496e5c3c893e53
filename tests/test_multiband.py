"""Composition of a stack without seams, by hand."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from model.fusion.multiband import CONTEXT, OVERSHOOT, SIDE, blend, share
from tests.conftest import drawn_photograph


def halves(height, width):
    decision_map = np.zeros((height, width), np.uint8)
    decision_map[:, width // 2 :] = 1
    return decision_map


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_equal_sources_come_back(dtype):
    image = drawn_photograph(np.random.default_rng(0), 61, 83).astype(dtype)
    np.testing.assert_array_equal(blend([image, image], halves(61, 83)), image)


@pytest.mark.parametrize("levels", [0, 1, 3])
def test_shares_of_both_halves_are_the_whole(levels):
    image = drawn_photograph(np.random.default_rng(0), 61, 83)
    mask = halves(61, 83) == 0
    np.testing.assert_allclose(share(image, mask, levels) + share(image, ~mask, levels), image, atol=1e-3)


def test_tiny_images_are_cut_hard():
    images = [np.full((3, 30), value, np.uint8) for value in (10, 200)]
    np.testing.assert_array_equal(blend(images, halves(3, 30)), np.where(halves(3, 30) == 0, *images))


def test_a_step_between_flat_sources_fades_over_many_pixels():
    images = [np.full((64, 512), value, np.uint8) for value in (40, 120)]
    row = blend(images, halves(64, 512))[32].astype(int)
    assert np.all(row[: 256 - CONTEXT] == 40) and np.all(row[256 + CONTEXT :] == 120)
    assert np.all(np.diff(row) >= 0)
    assert np.diff(row).max() < 4


def test_a_blurred_edge_is_not_torn_by_another_blur_of_it():
    """A band that is out of focus in both sources, in one a little more; the map changes between them in steps."""
    band = np.repeat(np.where(np.arange(200) < 100, 90.0, 190.0)[:, None], 300, 1)
    images = [cv2.GaussianBlur(band, (0, 0), sigma) for sigma in (14, 24)]
    images = [np.rint(image).astype(np.uint8) for image in images]
    decision_map = np.zeros((200, 300), np.uint8)
    decision_map[:, 100:140] = decision_map[:, 180:220] = 1
    fused = blend(images, decision_map).astype(float)
    cut = np.where(decision_map == 0, *images).astype(float)
    assert np.abs(np.diff(cut, axis=1)).max() > 10 and np.abs(np.diff(fused, axis=1)).max() <= 1


def test_where_it_is_plain_it_fades_over_few():
    images = [np.full((64, 512), value, np.uint8) for value in (40, 120)]
    row = blend(images, halves(64, 512), np.ones((64, 512), bool))[32].astype(int)
    assert np.all(row[:240] == 40) and np.all(row[272:] == 120)
    assert np.diff(row).max() > 8


def test_a_hair_beside_a_seam_stays_whole():
    """One source shows a hair before dull ground, the other texture in its place; the map gives the hair away."""
    rng = np.random.default_rng(2)
    ground = np.clip(rng.normal(100, 2, (64, 128)), 0, 255)
    hair = np.full((64, 128), 90.0)
    hair[:, 70] = 220
    decision_map = np.ones((64, 128), np.uint8)
    decision_map[:, :64] = 0
    fused = blend([hair.astype(np.uint8), ground.astype(np.uint8)], decision_map).astype(int)
    assert np.all(fused[8:-8, 70] - fused[8:-8, [67, 73]].max(axis=1) > 60)
    plain = blend([hair.astype(np.uint8), ground.astype(np.uint8)], decision_map, np.ones((64, 128), bool)).astype(int)
    assert np.all(plain[8:-8, 70] - plain[8:-8, [67, 73]].max(axis=1) < 60)


def test_windows_do_not_show():
    rng = np.random.default_rng(1)
    height, width = SIDE + 37, 2 * SIDE + 5
    images = [rng.integers(0, 65536, (height, width, 3), dtype=np.uint16) for _ in range(3)]
    decision_map = np.zeros((height, width), np.uint8)
    decision_map[:, SIDE - 3 :] = 1  # a boundary beside that of the windows
    decision_map[SIDE + 1 :, :] = 2
    fused = blend(images, decision_map)
    down, right = 32, 64  # multiples of the coarsest pixel
    shifted = blend([image[down:, right:] for image in images], decision_map[down:, right:])
    inner = np.s_[CONTEXT:, CONTEXT:]
    np.testing.assert_allclose(shifted[inner].astype(int), fused[down:, right:][inner].astype(int), atol=2)


@settings(max_examples=30, deadline=None)
@given(hnp.arrays(np.uint8, st.tuples(st.just(3), st.integers(1, 24), st.integers(1, 24)), elements=st.integers(0, 2)))
def test_far_from_boundaries_every_pixel_is_that_of_its_source(noise):
    images = [layer * 100 for layer in noise]
    one = np.full(images[0].shape, 2, np.uint8)
    np.testing.assert_array_equal(blend(images, one), images[2])


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_value_is_far_from_what_the_sources_show_nearby(seed):
    rng = np.random.default_rng(seed)
    smooth = [cv2.GaussianBlur(rng.normal(0, 1, (48, 64, 3)), (0, 0), sigma) for sigma in (1, 2, 4)]
    images = [np.clip(110 + 45 * one / one.std(), 0, 255).astype(np.uint8) for one in smooth]
    labels = cv2.resize(rng.integers(0, 3, (6, 8), dtype=np.uint8), (64, 48), interpolation=cv2.INTER_NEAREST)
    around = np.ones((5, 5), np.uint8)
    lowest = np.min([cv2.erode(image, around) for image in images], 0).astype(float)
    highest = np.max([cv2.dilate(image, around) for image in images], 0).astype(float)
    margin = OVERSHOOT * (highest - lowest)
    assert margin.mean() < 30
    fused = blend(images, labels)
    assert np.all(fused >= lowest - margin - 1) and np.all(fused <= highest + margin + 1)
