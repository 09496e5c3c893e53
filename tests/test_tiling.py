"""Tiles: their weights add up to one, and a tiled result is nearly the untiled one."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.demo import rendered_scene
from model import load_fuser
from model.fusion.tiling import blend, even, spans


@given(st.integers(1, 20_000), st.sampled_from([(1536, 256), (128, 32), (64, 16)]))
def test_spans_cover_a_side_and_overlap_alike(length, sides):
    tile, overlap = sides
    cut = spans(length, tile, overlap)
    assert cut[0].start == 0 and cut[-1].stop == length
    assert all(one.stop - following.start == overlap for one, following in pairwise(cut))
    assert all(span.stop - span.start == tile for span in cut[:-1])
    assert overlap < cut[-1].stop - cut[-1].start <= tile or length <= tile


@given(st.integers(1, 20_000))
def test_even_tiles_leave_no_narrow_rest(length):
    tile, _ = even((length, 1), 1088, 64, 16)
    cut = spans(length, tile, 64)
    assert tile % 16 == 0 and tile <= 1088 and len(cut) == len(spans(length, 1088, 64))
    assert tile - (cut[-1].stop - cut[-1].start) < 16 * len(cut)


@given(st.integers(1, 300), st.integers(1, 300))
def test_weights_add_up_to_one(height, width):
    ones = blend(
        (height, width),
        lambda window: np.ones([part.stop - part.start for part in window], np.float32),
        tile=(64, 96),
        overlap=16,
    )
    np.testing.assert_allclose(ones, 1, atol=1e-6)


def test_a_map_that_needs_no_context_comes_back_as_it_is():
    values = np.random.default_rng(0).normal(size=(150, 210)).astype(np.float32)
    done = []
    again = blend(values.shape, lambda window: values[window].copy(), lambda: done.append(1), tile=(64, 96), overlap=16)
    np.testing.assert_allclose(again, values, atol=1e-5)
    assert len(done) == len(spans(150, 64, 16)) * len(spans(210, 96, 16))


@pytest.mark.parametrize("strategy", ["refined", "paper"])
def test_tiled_fusion_agrees_with_the_whole(strategy):
    near, far = rendered_scene().photographs()
    whole = load_fuser(strategy=strategy, tile="off")(near, far)
    seen = []
    fuser = load_fuser(strategy=strategy, tile="on", observe=lambda *progress: seen.append(progress))
    fuser.predictor.set_tile(256, 64)
    tiled = fuser(near, far)
    assert np.mean((tiled != whole).any(-1)) < 0.02
    total = 2 * fuser.predictor.tiles(near)
    assert seen == [("looking", done, total) for done in range(1, total + 1)]


def test_small_images_are_whole_and_large_ones_tiled():
    predictor = load_fuser().predictor
    assert not predictor.in_tiles(np.zeros((520, 520, 3), np.uint8))
    assert predictor.in_tiles(np.zeros((2400, 2400), np.uint8))
    assert not load_fuser(size=224).predictor.in_tiles(np.zeros((2400, 2400), np.uint8))
