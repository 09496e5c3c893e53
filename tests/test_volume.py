"""The focus volume and blown lights, by hand."""

import cv2
import numpy as np
import pytest

from data.imaging.pixels import to_gray
from data.io.image_io import read_image
from data.registration.prepared import PreparedFrames
from model import load_fuser
from model.fusion.lights import BlownLights
from model.fusion.pictures import write_maps
from model.fusion.pipeline import decide, loaded_fuser, prepare
from model.fusion.settings import FusionSettings
from model.fusion.volume import ABSENT, TOLERANCE, FocusVolume
from tests.conftest import drawn_photograph

SHAPE = (96, 128)


def measured(frames, covered=None, undecided=None):
    volume = FocusVolume(len(frames), SHAPE)
    for index, frame in enumerate(frames):
        volume.add(to_gray(frame), None if covered is None else covered[index])
    volume.finish(np.zeros(SHAPE, bool) if undecided is None else undecided)
    return volume


@pytest.fixture(scope="module")
def frames():
    """A photograph that is sharp on the left, on the right, and nowhere."""
    sharp = drawn_photograph(np.random.default_rng(0), *SHAPE)
    sharp = np.clip(sharp.astype(int) + np.random.default_rng(1).normal(0, 20, sharp.shape), 0, 255).astype(np.uint8)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    left, right = blurred.copy(), blurred.copy()
    left[:, :64], right[:, 64:] = sharp[:, :64], sharp[:, 64:]
    return left, right, cv2.GaussianBlur(sharp, (0, 0), 6)


def test_only_what_shows_something_sharp_is_plausible(frames):
    volume = measured(frames)
    assert volume.plausible(0, SHAPE)[:, :48].all() and not volume.plausible(0, SHAPE)[:, 80:].any()
    assert volume.plausible(1, SHAPE)[:, 80:].all() and not volume.plausible(1, SHAPE)[:, :48].any()
    assert not volume.plausible(2, SHAPE).any()


def test_an_edge_between_colors_of_equal_brightness_is_evidence():
    image = np.empty((*SHAPE, 3), np.float32)
    image[:, :64], image[:, 64:] = (200, 100, 60), (77, 157, 85)
    assert np.ptp(to_gray(image)) < 1
    volume = FocusVolume(2, SHAPE)
    for frame in (image, cv2.GaussianBlur(image, (0, 0), 4)):
        volume.add(frame)
    volume.finish()
    assert not volume.plausible(1, SHAPE)[:, 62:66].any()
    assert volume.plausible(1, SHAPE)[:, :32].all()  # nothing is to be seen there


@pytest.mark.parametrize("factor", [1, 2])
def test_what_is_not_plausible_is_corrected(frames, factor):
    decision_map = np.full([side * factor for side in SHAPE], 2, np.uint8)
    decision_map[:20] = 1  # plausible on the right alone
    measured(frames).correct(decision_map)
    assert np.all(decision_map[:, : 48 * factor] == 0) and np.all(decision_map[:, 80 * factor :] == 1)


def test_frames_within_the_tolerance_stay():
    volume = FocusVolume(3, (1, 1))
    volume.evidence[:] = np.array([5, 5 - TOLERANCE / 2, 5 - 2 * TOLERANCE]).reshape(3, 1, 1)
    volume.sharpest[:] = 5
    for given, expected in ((0, 0), (1, 1), (2, 0)):
        decision_map = np.full((1, 1), given, np.uint8)
        volume.correct(decision_map)
        assert decision_map == expected


def test_where_a_frame_shows_nothing_it_is_not_plausible(frames):
    covered = np.ones(SHAPE, bool)
    covered[:, :20] = False
    volume = measured(frames, [covered, None, None])
    assert np.all(volume.evidence[0][~covered] == ABSENT) and not volume.plausible(0, SHAPE)[~covered].any()


def test_where_the_energy_tells_nothing_all_are_plausible_and_nothing_is_corrected(frames):
    undecided = np.zeros(SHAPE, bool)
    undecided[:30] = True
    volume = measured(frames, undecided=undecided)
    assert volume.plausible(2, SHAPE)[:30].all()
    decision_map = np.full(SHAPE, 2, np.uint8)
    volume.correct(decision_map)
    assert np.all(decision_map[:30] == 2) and not np.any(decision_map[40:] == 2)


def test_a_wide_ramp_is_no_evidence():
    """The blur of something dark far away makes a ramp on flat ground, which has no detail."""
    ramp = np.tile(np.linspace(20, 220, SHAPE[1], dtype=np.float32), (SHAPE[0], 1))
    ramps = measured([ramp, np.full(SHAPE, 120, np.float32)])
    inner = np.s_[10:-10, 60:-60]
    assert ramps.plausible(1, SHAPE)[inner].all()


def test_more_than_256_frames_have_a_map_of_16_bits(tmp_path):
    """260 frames: only the last but one shows texture on the right."""
    rng = np.random.default_rng(7)
    texture = rng.integers(0, 255, (40, 48, 3), dtype=np.uint8)
    dull = cv2.GaussianBlur(texture, (0, 0), 4)
    frames = [dull.copy() for _ in range(260)]
    frames[3][:, :24], frames[258][:, 24:] = texture[:, :24], texture[:, 24:]
    settings = FusionSettings(align="none", match_exposure="none", strategy="refined")
    decision = decide(prepare(frames, settings), loaded_fuser(settings)).decision
    assert decision.decision_map.dtype == np.uint16
    assert np.all(decision.decision_map[:, :16] == 3) and np.all(decision.decision_map[:, 32:] == 258)
    write_maps(tmp_path / "x.png", decision, decision.summary())
    np.testing.assert_array_equal(read_image(tmp_path / "x-labels.png"), decision.decision_map)


# Blown lights

NIGHT = (320, 400)


def night(radius, center=(200, 150), level=255):
    """A disc of light with a rim as steep as a lens makes it."""
    light = cv2.circle(np.zeros((*NIGHT, 3), np.uint8), center, radius, (255, 255, 255), -1)
    soft = np.clip(1.5 * cv2.GaussianBlur(light, (0, 0), 0.8).astype(float), 0, level)
    return np.maximum(20, soft).astype(np.uint8)


def lit(images):
    lights = BlownLights(NIGHT)
    for image in images:
        lights.add(to_gray(image), np.any(image >= 250, axis=-1))
    return lights


def test_of_two_discs_the_smaller_wins():
    decision_map = np.zeros(NIGHT, np.uint8)
    lights = lit([night(9), night(4), night(6)])
    lights.assign(decision_map)
    assert np.all(decision_map[lights.region()] == 1) and not decision_map[~lights.region()].any()


def test_lights_whose_blurred_discs_touch_are_told_apart():
    """One is in focus in the first frame, the other in the second, where the first has grown into it."""
    near, far = (190, 150), (208, 150)
    frames = [np.maximum(night(4, near), night(10, far)), np.maximum(night(12, near), night(5, far))]
    lights, decision_map = lit(frames), np.full(NIGHT, 7, np.uint8)
    lights.assign(decision_map)
    assert np.all(decision_map[140:160, 180:194] == 0) and np.all(decision_map[145:155, 204:212] == 1)
    assert lights.compact()[150, 190] and lights.compact()[150, 208]


def test_a_gap_between_leaves_that_blur_makes_smaller_stays():
    """Clipped light that shrinks with a soft rim is not the one in focus."""
    sharp = night(9)
    blurred = np.clip(cv2.GaussianBlur(sharp, (0, 0), 4).astype(float) * 1.12, 0, 255).astype(np.uint8)
    assert 0 < np.sum(blurred >= 250) < np.sum(sharp >= 250)
    decision_map = np.zeros(NIGHT, np.uint8)
    lit([sharp, blurred]).assign(decision_map)
    assert not decision_map.any()


@pytest.mark.parametrize("other", [night(3, level=200), night(0, center=(-99, -99))])
def test_a_light_that_is_blown_in_one_frame_alone_is_left_to_the_others(other):
    decision_map = np.ones(NIGHT, np.uint8)
    lit([night(5), other]).assign(decision_map)
    assert np.all(decision_map == 1)


def test_a_large_bright_region_is_no_light():
    lights = lit([night(60), night(50)])
    decision_map = np.zeros(NIGHT, np.uint8)
    lights.assign(decision_map)
    assert not decision_map.any() and not lights.compact().any()


def test_a_dark_scene_has_no_lights():
    lights = lit([night(5, level=200)] * 2)
    decision_map = np.ones(NIGHT, np.uint8)
    lights.assign(decision_map)
    assert np.all(decision_map == 1) and not lights.region().any()


def test_the_default_takes_the_smallest_disc():
    ground = drawn_photograph(np.random.default_rng(3), *NIGHT) // 4
    frames = []
    for radius, sigma in ((4, 0.0), (9, 3.0), (13, 6.0)):
        frame = cv2.GaussianBlur(ground, (0, 0), sigma) if sigma else ground.copy()
        light = cv2.circle(np.zeros_like(frame), (200, 150), radius, (255, 255, 255), -1)
        frames.append(np.maximum(frame, np.clip(cv2.GaussianBlur(light, (0, 0), 0.8) * 1.5, 0, 255).astype(np.uint8)))
    fused = load_fuser()(PreparedFrames(frames, align="none", match_exposure="none"))
    assert np.sum(fused.min(-1) >= 250) <= np.sum(frames[0].min(-1) >= 250) + 8


def test_clipped_pixels_are_found_after_darkening_too():
    """A frame twice as bright is darkened, and its white becomes gray."""
    rng = np.random.default_rng(5)
    image = np.clip(drawn_photograph(rng, 160, 160).astype(float) * 0.5 + 20, 0, 255).astype(np.uint8)
    image[70:90, 70:90] = 255
    brighter = np.clip(image.astype(float) * 1.4, 0, 255).astype(np.uint8)
    prepared = PreparedFrames([image, image, brighter], align="none")
    assert prepared.corrected and prepared[2][80, 80].max() < 250
    assert prepared.clipped(2)[80, 80].all() and prepared.clipped(0)[80, 80].all() and not prepared.clipped(2)[5, 5]
