"""Pixels that stand still while the scene moves over them."""

import numpy as np
import pytest

from data.registration.hot_pixels import find_hot_pixels
from data.registration.prepared import PreparedFrames
from tests.test_registration import SHAPE, camera_warp, scene, see

WARPS = [camera_warp(1 + 0.02 * step, 0, 4.0 * step, 3) for step in (-2, -1, 0, 1, 2)]
HOT = [(30, 40, 0), (100, 250, 1), (180, 90, 2), (60, 200, 0), (238, 318, 1)]


@pytest.fixture
def frames():
    """A scene that breathes, with a speck of its own, and five hot pixels."""
    image = scene(1) // 2
    image[120:122, 160:162] = 255
    seen = [see(image, warp).copy() for warp in WARPS]
    for frame in seen:
        for place in HOT:
            frame[place] = 255
    return seen


def test_they_are_found_and_replaced(frames):
    found = find_hot_pixels(frames, WARPS)
    repaired = found.remove(frames[0])
    changed = sorted(map(tuple, np.argwhere(repaired != frames[0]).tolist()))
    assert changed == sorted(HOT)
    assert all(repaired[place] < 200 for place in HOT)
    assert all(frames[0][place] == 255 for place in HOT)  # as it was


def test_sixteen_bits_and_gray(frames):
    gray = [frame[..., 0].astype(np.uint16) * 257 for frame in frames]
    assert len(find_hot_pixels(gray, WARPS)) == 2
    dead = [65535 - frame for frame in gray]
    assert len(find_hot_pixels(dead, WARPS)) == 2


def test_what_the_scene_does_not_move_over_stays(frames):
    assert len(find_hot_pixels(frames, [np.eye(3)] * 5)) == 0
    assert len(find_hot_pixels(frames[:2], WARPS[:2])) == 0


def test_prepared_frames_are_without_them(frames):
    prepared = PreparedFrames(frames)
    assert prepared.moved and len(prepared.hot_pixels) == len(HOT)
    clean = PreparedFrames([find_hot_pixels(frames, WARPS).remove(frame) for frame in frames])
    inside = np.s_[20 : SHAPE[0] - 60, 20 : SHAPE[1] - 60]
    assert np.abs(prepared[0][inside].astype(int) - clean[0][inside]).mean() < 0.5
