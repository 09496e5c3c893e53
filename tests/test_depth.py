"""Depth maps, by hand."""

import numpy as np

from data.demo import rendered_scene
from model import load_fuser
from model.fusion.depth import DepthTrace
from model.fusion.focus_measure import CONTRAST_NOISE

SHAPE = (4, 6)


def flat(value):
    return np.full(SHAPE, value, np.float32)


def trace(*scores, shown=CONTRAST_NOISE):
    """The trace of frames, each with one score everywhere, and the index of the sharpest."""
    leader, best = np.zeros(SHAPE, np.uint8), scores[0]
    traced = DepthTrace(flat(scores[0]), flat(shown))
    for index, score in enumerate(scores[1:], start=1):
        wins = np.full(SHAPE, score < best)
        leader[wins], best = index, min(best, score)
        traced.add(index, wins, leader, flat(score), flat(shown))
    return traced, leader


def test_a_parabola_through_three_frames():
    traced, leader = trace(9, 5, 1, 3, 9)  # through (1, 5), (2, 1), (3, 3) the lowest point is at 2 + 1/6
    depth = traced.depth_map(leader, leader, range(5))
    np.testing.assert_allclose(depth.frames, 2 + 1 / 6, rtol=1e-6)
    np.testing.assert_allclose(depth.confidence, 0.5)  # half of the contrast may be noise


def test_at_both_ends_of_the_stack_depth_is_a_whole_frame():
    for scores, end in (((1, 2, 3), 0), ((3, 2, 1), 2)):
        traced, leader = trace(*scores)
        np.testing.assert_array_equal(traced.depth_map(leader, leader, range(3)).frames, end)


def test_frames_left_out_are_counted():
    traced, leader = trace(4, 1, 4)
    np.testing.assert_allclose(traced.depth_map(leader, leader, (0, 2, 3)).frames, 2)


def test_what_was_decided_otherwise_in_the_end_is_a_whole_frame():
    traced, leader = trace(9, 5, 1, 3, 9)
    decided = leader.copy()
    decided[0, 0] = 4
    frames = traced.depth_map(leader, decided, range(5)).frames
    assert frames[0, 0] == 4
    np.testing.assert_allclose(frames[1:], 2 + 1 / 6, rtol=1e-6)


def test_flat_ground_has_no_confidence():
    traced, leader = trace(3, 1, 3, shown=0)
    assert not traced.depth_map(leader, leader, range(3)).confidence.any()
    traced, leader = trace(3, 1, 3, shown=99 * CONTRAST_NOISE)
    larger = np.repeat(np.repeat(leader, 2, 0), 2, 1)
    np.testing.assert_allclose(traced.depth_map(leader, larger, range(3)).confidence, 0.99, rtol=1e-5)


def test_a_scene_with_known_depth():
    scene = rendered_scene()
    stack = scene.photographs(8)
    depth = load_fuser().decide(*stack).depth
    expected = np.interp(-scene.inverse_depth, -np.linspace(*scene.focuses, 8), np.arange(8))
    sure = depth.confidence > 0.9
    assert sure.mean() > 0.2
    assert np.median(np.abs(depth.frames - expected)[sure]) < 0.5
