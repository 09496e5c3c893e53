"""Averaging of noisy stacks, by hand."""

import cv2
import numpy as np
import pytest

from data.io.image_io import write_image
from data.registration.prepared import PreparedFrames
from data.runtime.errors import run_command
from fuse import main
from model import load_fuser
from model.fusion.averaging import NoiseCurve, average
from tests.conftest import drawn_photograph

SHAPE = (300, 340)


def burst(sigma, count=6, scene=None, seed=0):
    """Frames of one scene with noise, float32."""
    rng = np.random.default_rng(seed)
    scene = np.full(SHAPE, 120.0) if scene is None else scene
    return [np.clip(scene + rng.normal(0, sigma, scene.shape), 0, 255).astype(np.float32) for _ in range(count)]


def curve(frames):
    noise = NoiseCurve()
    for frame in frames:
        noise.add(frame)
    return noise


def test_frames_that_are_equal_have_none():
    assert curve(burst(0.0)).noise == 0


@pytest.mark.parametrize("sigma", [3.0, 9.0])
def test_the_noise_is_measured(sigma):
    noise = curve(burst(sigma))
    assert noise.noise == pytest.approx(sigma, rel=0.05)
    np.testing.assert_allclose(noise(np.full((2, 2), 120, np.float32)), 2 * sigma**2, rtol=0.1)


def test_noise_by_brightness():
    """Brighter ground has more of it, as photons do."""
    scene = np.full((600, 640), 48.0)
    scene[:, 320:] = 207
    rng = np.random.default_rng(0)
    noise = curve([(scene + rng.normal(0, np.where(scene > 100, 8, 2))).astype(np.float32) for _ in range(4)])
    dark, bright = noise(np.array([[48.0, 207.0]]))[0]
    assert dark == pytest.approx(8, rel=0.2) and bright == pytest.approx(128, rel=0.2)


def test_detail_that_differs_in_focus_is_no_noise():
    scene = drawn_photograph(np.random.default_rng(0), *SHAPE)[..., 1].astype(np.float32)
    assert curve([cv2.GaussianBlur(scene, (0, 0), sigma) for sigma in (1, 3, 6)]).noise == 0


def test_an_edge_that_moves_is_no_noise():
    scenes = [np.tile(np.where(np.arange(SHAPE[1]) < edge, 80.0, 160.0), (SHAPE[0], 1)) for edge in (100, 140, 180)]
    assert curve([scene.astype(np.float32) for scene in scenes]).noise < 0.5


@pytest.mark.parametrize(("dtype", "unit"), [(np.uint8, 1), (np.uint16, 257)])
def test_six_frames_have_less_than_half_the_noise_of_one(dtype, unit):
    frames = [np.rint(frame * unit).astype(dtype) for frame in burst(6.0)]
    noise = curve([frame.astype(np.float32) / unit for frame in frames])
    averaged = average(frames, frames[2], noise) / unit
    assert averaged.std() < 3.2 and abs(averaged.mean() - 120) < 0.3


def test_what_moves_is_not_doubled():
    frames = [np.rint(frame).astype(np.uint8) for frame in burst(6.0)]
    moved = [frame.copy() for frame in frames]
    for index, frame in enumerate(moved):
        frame[100:140, 40 * index : 40 * index + 40] = 220
    averaged = average(moved, moved[2], curve(burst(6.0))).astype(int)
    assert np.all(averaged[104:136, 84:116] > 190)  # the thing as the fused image shows it
    assert np.all(np.abs(averaged[104:136, 164:196] - 120) < 25)  # and not where other frames have it


def test_by_default_a_noisy_stack_is_averaged_and_a_clean_one_is_not():
    scene = drawn_photograph(np.random.default_rng(1), 280, 300).astype(float)
    scene[100:] = 120
    for sigma, changes in ((8.0, True), (0.5, False)):
        frames = [np.rint(frame).astype(np.uint8) for frame in burst(sigma, 4, scene)]
        prepared = PreparedFrames(frames, align="none", match_exposure="none")
        auto, none = (load_fuser(average=name).decide(prepared) for name in ("auto", "none"))
        error = [np.abs(one.fused.astype(float) - scene)[:, :, 0].std() for one in (auto, none)]
        assert (error[0] < 0.8 * error[1]) if changes else np.array_equal(auto.fused, none.fused)
        np.testing.assert_array_equal(auto.decision_map, none.decision_map)


def test_a_result_that_was_not_averaged_is_not_kept_by_resume(tmp_path):
    for index, frame in enumerate(burst(8.0, 3, np.full((48, 64), 120.0))):
        write_image(tmp_path / "in" / "one" / f"{index}.png", np.rint(frame).astype(np.uint8))
    command = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--quiet"]
    assert run_command(main, [*command, "--average", "none"]) == 0
    assert run_command(main, [*command, "--average", "none", "--resume"]) == 0
    assert run_command(main, [*command, "--resume"]) == 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (2, 3), (5, 7), (9, 40)])
def test_thin_stacks_are_fused(shape):
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for _ in range(3)]
    fused = load_fuser()(PreparedFrames(frames, align="none", match_exposure="none"))
    assert fused.shape == (*shape, 3) and fused.dtype == np.uint8
