"""Rendered stacks: blur by hand, occlusion, motion, exposure, and the command."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data.io.image_io import read_image
from data.registration.truth import align_to_reference
from data.stacks import draw_scene
from data.stacks import main as make_stacks
from data.synthesis.stack_renderer import Capture, Layer, composite, render_frames, render_truth
from data.synthesis.stack_scenes import KINDS
from metrics.reference import psnr

SIZE = 96, 128


def even(value, shape=(60, 80)):
    return np.full((*shape, 3), value, np.float32)


def everywhere(shape=(60, 80)):
    return np.ones(shape, np.float32)


def test_a_plane_in_focus_is_sharp_and_any_other_is_a_disc():
    point = even(0.0)
    point[30, 40] = 1
    layer = Layer(point, everywhere(), 0.5)
    sharp = composite([layer], focus=0.5, aperture=20)[..., 0]
    assert sharp.sum() == pytest.approx(1, rel=1e-4) and sharp.max() > 0.5
    # Depth 0.5 seen with the focus at 0.2 through an aperture of 20: a disc of radius 6, area 36 pi.
    blurred = composite([layer], focus=0.2, aperture=20)[..., 0]
    y, x = np.mgrid[0:60, 0:80]
    distance = np.hypot(y - 30, x - 40)
    assert blurred.sum() == pytest.approx(1, rel=1e-4)
    assert blurred[distance < 4].mean() == pytest.approx(1 / (36 * np.pi), rel=0.02)
    assert blurred[distance > 9].max() == pytest.approx(0, abs=1e-7)


def test_what_is_before_hides_what_is_behind_and_spreads_over_it():
    half = everywhere()
    half[:, 40:] = 0
    layers = [Layer(even(0.2), everywhere(), 0.0), Layer(even(0.8), half, 1.0)]
    near_sharp, far_sharp = (composite(layers, focus, aperture=10)[30, :, 0] for focus in (1.0, 0.0))
    assert near_sharp[20] == pytest.approx(0.8) and near_sharp[60] == pytest.approx(0.2)
    assert np.flatnonzero(np.abs(np.diff(near_sharp)) > 0.01).size <= 4
    # Out of focus the front reaches 10 pixels over its edge, where it covers half.
    assert far_sharp[35] > far_sharp[45] > 0.21 and far_sharp[52] == pytest.approx(0.2, abs=1e-4)
    assert (far_sharp[39] + far_sharp[40]) / 2 == pytest.approx(0.5, abs=0.01)


def test_a_receding_surface_is_blurred_by_its_own_depth_and_has_no_gap():
    depths = np.broadcast_to(np.linspace(0, 1, 80, dtype=np.float32), (60, 80))
    flat = composite([Layer(even(0.6), everywhere(), depths)], focus=0.3, aperture=15)
    assert flat == pytest.approx(0.6, abs=1e-5)
    stripes = even(0.0)
    stripes[::2] = 1
    seen = composite([Layer(stripes, everywhere(), depths)], focus=0.0, aperture=15)[..., 0]
    contrast = np.abs(np.diff(seen[20:40], axis=0)).mean(0)
    assert contrast[0] > 5 * contrast[40:].max()


@pytest.mark.parametrize("kind", KINDS)
def test_every_frame_is_sharp_somewhere_and_the_truth_everywhere(kind):
    capture = replace(KINDS[kind].capture, frames=3, noise=0, flicker=0, vignetting=0, breathing=0, drift=0, turn=0)
    layers, margin, rng = draw_scene(kind, capture, SIZE, seed=5)
    frames, truth = list(render_frames(layers, capture, margin, rng)), render_truth(layers, capture, margin)
    assert all(frame.shape == truth.shape == (*SIZE, 3) for frame in frames)
    errors = [np.abs(frame.astype(int) - truth).mean(-1) for frame in frames]
    assert np.min(errors, axis=0).mean() < 0.8 * min(error.mean() for error in errors)


def test_breathing_and_drift_are_an_affine_motion_about_the_middle_frame():
    still = Capture(frames=3, widest=0.0)
    layers, margin, rng = draw_scene("desk", replace(still, breathing=0.02, drift=8, turn=0.5), SIZE, seed=1)
    moving = replace(still, breathing=0.02, drift=8, turn=0.5)
    frames, truth = list(render_frames(layers, moving, margin, rng)), render_truth(layers, moving, margin)
    np.testing.assert_array_equal(frames[1], truth)  # nothing is out of focus, so the middle frame is the truth
    for frame in (frames[0], frames[2]):
        middle = np.s_[12:-12, 12:-12]
        assert psnr(truth[middle], frame[middle]) < 25 < psnr(truth[middle], align_to_reference(truth, frame)[middle])


def test_flicker_and_vignetting_change_the_exposure_of_the_linear_light():
    layers = [Layer(even(0.25, (104, 128)), everywhere((104, 128)), 0.0)]
    capture = Capture(frames=3, widest=0.0, flicker=0.1, vignetting=0.4)
    frames = list(render_frames(layers, capture, 4, np.random.default_rng(3)))
    truth = render_truth(layers, capture, 4)
    assert np.abs(frames[1].astype(int) - truth).max() <= 1
    linear = (truth / 255.0) ** 2.2
    assert linear[48, 60] == pytest.approx(0.25, abs=0.003)
    assert linear[0, 0] == pytest.approx(0.25 * 0.6, abs=0.005)
    gains = [((frame / 255.0) ** 2.2)[48, 60] / linear[48, 60] for frame in (frames[0], frames[2])]
    assert all(np.abs(gain - 1).max() > 0.02 for gain in gains)


def test_the_command_writes_the_same_again(tmp_path, capsys):
    options = ["--kinds", "flat-ground", "pair", "--frames", "2", "--size", "96", "72", "--quiet", "-o"]
    assert make_stacks([*options, str(tmp_path / "one")]) == 0
    assert make_stacks([*options, str(tmp_path / "other")]) == 0
    assert make_stacks([*options, str(tmp_path / "third"), "--seed", "1"]) == 0
    names = {path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*")}
    assert {str(name) for name in names if name.parts[0] == "pair"} == {
        *("pair/00.jpg", "pair/01.jpg", "pair/truth.png", "pair/scene.json")
    }
    for name in names:
        first = (tmp_path / "one" / name).read_bytes()
        assert first == (tmp_path / "other" / name).read_bytes()
        assert first != (tmp_path / "third" / name).read_bytes()
    assert read_image(tmp_path / "one" / "pair" / "truth.png").shape == (72, 96, 3)
    scene = json.loads((tmp_path / "one" / "pair" / "scene.json").read_text())
    assert scene["kind"] == "pair" and scene["frames"] == 2 and scene["seed"] == 0


def test_the_same_scene_without_motion(tmp_path):
    options = ["--kinds", "breathing", "--frames", "3", "--size", "96", "72", "--quiet", "-o"]
    assert make_stacks([*options, str(tmp_path / "moving")]) == 0
    assert make_stacks([*options, str(tmp_path / "still"), "--still"]) == 0
    for name, equal in (("truth.png", True), ("01.jpg", True), ("00.jpg", False)):  # 01 is the middle
        moving, still = ((tmp_path / kind / "breathing" / name).read_bytes() for kind in ("moving", "still"))
        assert (moving == still) == equal
    assert json.loads((tmp_path / "still" / "breathing" / "scene.json").read_text())["breathing"] == 0


def test_photographs_become_surfaces(small_voc, tmp_path):
    options = ["--kinds", "desk", "--frames", "2", "--size", "96", "72", "--quiet", "-o"]
    assert make_stacks([*options, str(tmp_path / "drawn")]) == 0
    assert make_stacks([*options, str(tmp_path / "voc"), "--voc", str(small_voc)]) == 0
    drawn, photographed = (read_image(tmp_path / name / "desk" / "truth.png") for name in ("drawn", "voc"))
    assert not np.array_equal(drawn, photographed)


@pytest.mark.parametrize("options", [["--frames", "1"], ["--size", "32", "96"], ["--kinds", "moon"]])
def test_wrong_options_are_refused(options, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        make_stacks(["-o", str(tmp_path / "out"), *options])
    assert stopped.value.code == 2 and not (tmp_path / "out").exists()
    assert options[0] in capsys.readouterr().err
