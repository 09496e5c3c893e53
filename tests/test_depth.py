"""Depth maps, by hand."""

import numpy as np

from data.demo import rendered_scene
from model import load_fuser
from model.fusion.depth import find_depth
from model.fusion.focus_measure import CONTRAST_NOISE
from model.fusion.volume import FocusVolume

SHAPE = (4, 6)


def volume(*evidence):
    """A volume of frames that each have one evidence everywhere, and the map of the sharpest."""
    made = FocusVolume(len(evidence), SHAPE)
    made.evidence[:] = np.array(evidence, np.float16)[:, None, None]
    made.sharpest[:] = max(evidence)
    return made, np.full(SHAPE, np.argmax(evidence), np.uint8)


def depth(made, decision_map, numbers, fused=None):
    return find_depth(np.zeros(SHAPE, np.uint8) if fused is None else fused, decision_map, numbers, made)


def test_a_parabola_through_three_frames():
    made, leader = volume(-9, -5, -1, -3, -9)  # through (1, -5), (2, -1), (3, -3) the highest point is at 2 + 1/6
    np.testing.assert_allclose(depth(made, leader, range(5)).frames, 2 + 1 / 6, rtol=1e-6)


def test_at_both_ends_of_the_stack_depth_is_a_whole_frame():
    for evidence, end in (((3, 2, 1), 0), ((1, 2, 3), 2)):
        made, leader = volume(*evidence)
        np.testing.assert_array_equal(depth(made, leader, range(3)).frames, end)


def test_frames_left_out_are_counted():
    made, leader = volume(1, 4, 1)
    np.testing.assert_allclose(depth(made, leader, (0, 2, 3)).frames, 2)


def test_what_is_no_peak_is_a_whole_frame():
    made, _leader = volume(9, 5, 1, 5, 9)
    np.testing.assert_array_equal(depth(made, np.full(SHAPE, 2, np.uint8), range(5)).frames, 2)


def test_of_a_larger_map_the_depth_is_enlarged():
    made, leader = volume(-9, -5, -1, -3, -9)
    larger = np.repeat(np.repeat(leader, 2, 0), 2, 1)
    found = depth(made, larger, range(5), np.zeros(larger.shape, np.uint8))
    np.testing.assert_allclose(found.frames, 2 + 1 / 6, rtol=1e-6)


def test_flat_ground_has_no_confidence_and_edges_have():
    made, leader = volume(1, 3, 1)
    edge = np.zeros(SHAPE, np.uint8)
    edge[:, 3:] = 200
    found = depth(made, leader, range(3), edge).confidence
    assert found[:, 2:4].min() > 0.9
    assert not depth(made, leader, range(3)).confidence.any()
    assert found.max() < 1 - CONTRAST_NOISE / 1e7


def test_a_scene_with_known_depth():
    scene = rendered_scene()
    stack = scene.photographs(8)
    depth = load_fuser().decide(*stack).depth
    expected = np.interp(-scene.inverse_depth, -np.linspace(*scene.focuses, 8), np.arange(8))
    sure = depth.confidence > 0.9
    assert sure.mean() > 0.2
    assert np.median(np.abs(depth.frames - expected)[sure]) < 0.5
