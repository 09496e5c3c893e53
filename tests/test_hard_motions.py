"""Motions that are hard to measure: parallax, local light, repeated patterns, gaps, quarter turns, tilts."""

import cv2
import numpy as np
import pytest

from data.registration.affine import corners_of, is_affine, rescale_warp, transform_points
from data.registration.alignment import measure_alignment
from data.registration.motion import measure_motion
from data.registration.prepared import PreparedFrames
from data.registration.warping import common_part, coverage, warp_to_reference
from model import load_fuser
from tests.test_registration import BREATHING, SHAPE, at_corners, camera_warp, scene, see


def gray(image):
    return cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)


def test_parallax_does_not_lose_the_motion():
    """Each of eight columns of the scene moved by its own: few points follow any one motion."""
    near = scene(1)
    far = np.empty_like(near)
    for place, start in enumerate(range(0, 320, 40)):
        moved = see(near, camera_warp(1, 0, 14 + 0.9 * place, 5))
        far[:, start : start + 40] = moved[:, start : start + 40]
    motion = measure_motion(gray(near), gray(far))
    assert motion is not None
    assert at_corners(motion.warp, camera_warp(1, 0, 17, 5)) < 6
    found = measure_alignment([near, far])
    assert found.moved and not found.left_out and not found.remarks


def test_light_that_changes_in_a_part_leaves_no_frame_out():
    image = scene(2)
    light = np.ones(SHAPE, np.float32)
    light[:110] = 0.55
    shaded = (image * cv2.GaussianBlur(light, (0, 0), 12)[..., None]).astype(np.uint8)
    warp = camera_warp(1.004, 0.3, 4, -3)
    found = measure_alignment([image, see(shaded, warp), image])
    assert not found.left_out
    assert at_corners(found.warps[0], np.linalg.inv(warp)) < 0.5


@pytest.mark.parametrize("shift", [(9, 4), (13, -7), (-17, 11)])
def test_a_repeated_pattern_is_laid_on_the_right_period(shift):
    rows, columns = np.indices((260, 380))
    grid = np.where((rows % 24 < 12) & (columns % 24 < 12), 60, 205).astype(np.uint8)
    cv2.circle(grid, (150, 110), 10, 130, -1)
    cv2.circle(grid, (240, 160), 14, 100, -1)
    grid = cv2.GaussianBlur(grid, (0, 0), 1)
    x, y = shift
    one, other = grid[20:240, 30:350], grid[20 - y : 240 - y, 30 - x : 350 - x]
    motion = measure_motion(one.astype(np.float32), cv2.GaussianBlur(other, (0, 0), 1.5).astype(np.float32))
    assert motion is not None
    assert at_corners(motion.warp, camera_warp(1, 0, x, y)) < 0.5


def test_a_frame_twice_beside_a_gap_is_no_reason_to_refuse():
    image = scene(3)
    blank = cv2.GaussianBlur(image, (0, 0), 14)  # matches in brightness, but nothing in it can be tracked
    found = measure_alignment([image, image, blank, see(image, BREATHING[3])])
    rows, columns = found.common
    assert rows.stop - rows.start > 200 and columns.stop - columns.start > 280
    assert all(warp is not None for warp in found.warps)


def test_a_gap_is_bridged_by_other_frames():
    image = scene(4)
    frames = [see(image, warp) for warp in BREATHING]
    frames[2] = cv2.GaussianBlur(image, (0, 0), 14)
    found = measure_alignment(frames)
    relative = found.warps[4] @ np.linalg.inv(found.warps[0])
    assert at_corners(relative, BREATHING[4] @ np.linalg.inv(BREATHING[0])) < 0.5


def test_what_no_link_reaches_follows_the_trend():
    image = scene(5)
    warps = [camera_warp(1 + 0.012 * step, 0, 2.0 * step, 0) for step in range(6)]
    frames = [see(image, warp) for warp in warps]
    frames[0] = cv2.GaussianBlur(frames[0], (0, 0), 14)
    found = measure_alignment(frames)
    expected = warps[0] @ np.linalg.inv(warps[found.reference])
    assert at_corners(found.warps[0], expected) < 1.5


@pytest.mark.parametrize("turn", [0, 1, 2, 3])
def test_the_common_part_of_a_turned_frame(turn):
    angle = turn * np.pi / 2
    rotation = np.round([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    corners = corners_of((80, 100)) @ rotation.T
    warp = np.eye(3)
    warp[:2, :2], warp[:2, 2] = rotation, -corners.min(0)
    size = (80, 100) if turn % 2 == 0 else (100, 80)
    rows, columns = common_part([np.eye(3), warp], [(80, 100), size], (80, 100))
    assert (rows, columns) == (slice(0, 80), slice(0, 100))


def tilted(across, down, turn=0.2, x=2.0, y=-1.5):
    """Reference to frame of a camera that tilts about the middle, by perspective terms a pixel."""
    warp, middle = camera_warp(1, turn, x, y), np.eye(3)
    middle[:2, 2] = -(SHAPE[1] - 1) / 2, -(SHAPE[0] - 1) / 2
    tilt = np.array([[1, 0, 0], [0, 1, 0], [across, down, 1]])
    whole = warp @ np.linalg.inv(middle) @ tilt @ middle
    return whole / whole[2, 2]


TILTS = [tilted(4e-5, -3e-5), tilted(-5e-5, 2e-5, x=-3), np.eye(3), tilted(3e-5, 4e-5, -0.3), tilted(-3e-5, -5e-5)]


def seen_tilted(image, warp):
    size = image.shape[1::-1]
    return cv2.warpPerspective(image, warp, size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def test_frames_of_a_camera_that_tilts_are_laid_by_projective_motions():
    image = scene(6)
    found = measure_alignment([seen_tilted(image, warp) for warp in TILTS])
    errors = [at_corners(warp, expected) for warp, expected in zip(found.warps, TILTS, strict=True)]
    assert max(errors) < 0.25 and found.reference == 2


def test_frames_that_do_not_tilt_are_laid_by_affine_motions():
    image = scene(7)
    found = measure_alignment([see(image, warp) for warp in BREATHING])
    assert all(is_affine(warp) for warp in found.warps)


def test_a_projective_warp_is_used_whole():
    """Warped to the reference, a tilted frame is the reference; its coverage is what it was made from."""
    image = cv2.GaussianBlur(scene(8), (0, 0), 1.5)
    warp = TILTS[0]
    again = warp_to_reference(seen_tilted(image, warp), warp, image.shape)
    covered = coverage(image.shape, warp, image.shape)
    inner = np.s_[12:-12, 12:-12]
    assert np.abs(again.astype(int) - image)[inner].mean() < 1 and covered[inner].all() and not covered.all()
    rows, columns = common_part([np.eye(3), warp], [SHAPE, SHAPE], SHAPE)
    assert covered[rows, columns].all()
    points = np.array([[10.0, 20.0], [300.0, 200.0]])
    np.testing.assert_allclose(
        transform_points(rescale_warp(warp, 4), 4 * points + 1.5), 4 * transform_points(warp, points) + 1.5
    )


def test_a_tilted_stack_is_fused_as_well_as_a_still_one(tmp_path):
    sharp = scene(9)
    still = []
    for index in range(5):
        frame = cv2.GaussianBlur(sharp, (0, 0), 2.5)
        span = slice(SHAPE[1] * index // 5, SHAPE[1] * (index + 1) // 5)
        frame[:, span] = sharp[:, span]
        still.append(frame)
    moved = PreparedFrames([seen_tilted(frame, warp) for frame, warp in zip(still, TILTS, strict=True)], crop="none")
    inner = np.s_[16:-16, 16:-16]
    fuser = load_fuser()
    reached = [
        cv2.PSNR(np.ascontiguousarray(fuser(frames)[inner]), np.ascontiguousarray(sharp[inner]))
        for frames in (PreparedFrames(still, align="none"), moved)
    ]
    assert reached[1] > reached[0] - 4


def test_a_composite_among_the_frames_is_noticed():
    """Breathing frames, each sharp in another fifth, and behind them what a camera made of them."""
    sharp, frames = scene(10), []
    for index, warp in enumerate(BREATHING):
        frame = cv2.GaussianBlur(sharp, (0, 0), 3)
        span = slice(SHAPE[1] * index // 5, SHAPE[1] * (index + 1) // 5)
        frame[:, span] = sharp[:, span]
        frames.append(see(frame, warp))
    assert not measure_alignment(frames).remarks
    sentence = "frame 6 is sharp nearly everywhere; if it is a composite of the others, leave it out"
    assert measure_alignment([*frames, sharp]).remarks == (sentence,)


def test_frames_that_differ_in_nothing_hold_no_composite():
    assert not measure_alignment([scene(11)] * 5).remarks


def with_antenna(frame, step, softness):
    """A dark line, three pixels wide, whose end moves."""
    line = cv2.line(np.zeros(SHAPE, np.float32), (200, 230), (60 + 22 * step, 60), 1, 3, cv2.LINE_AA)
    line = cv2.GaussianBlur(line, (0, 0), softness)[..., None]
    return np.clip(frame * (1 - line) + 20 * line, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("moves", [True, False])
def test_a_thin_thing_that_moves_is_said(moves):
    ground = np.clip(scene(12).astype(float) * 0.3 + 130, 0, 255)
    frames = []
    for step in range(8):
        softness = 0.8 + 0.5 * abs(step - 4)
        frame = cv2.GaussianBlur(ground.astype(np.uint8), (0, 0), 0.5 + 0.4 * step)
        frames.append(with_antenna(frame, step if moves else 3, softness))
    remarks = measure_alignment(frames).remarks
    assert len(remarks) == moves
    if moves:
        assert remarks[0].startswith("something moves that is thin, from frame to frame, around ")
