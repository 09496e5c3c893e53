"""Views by the depth map: a rocking animation, and a pair for both eyes."""

import cv2
import numpy as np
import pytest
from PIL import Image

from data.io.image_io import read_image, write_image
from data.stacks import main as draw_stacks
from fuse import main
from model.fusion.depth import DepthMap
from model.fusion.parallax import PARALLAX, VIEWS, fill, views, write_stereo
from tests.conftest import drawn_photograph


def test_the_middle_view_is_the_image_less_its_margins():
    image = drawn_photograph(np.random.default_rng(0), 60, 200)
    nearness = np.random.default_rng(1).uniform(-1, 1, (60, 200)).astype(np.float32)
    (view,) = views(image, nearness, (0.0,))
    np.testing.assert_array_equal(view, image[:, 2:-2])  # 0.008 x 200 pixels, rounded up


def test_what_is_near_moves_against_the_eye_and_what_is_far_with_it():
    image = np.zeros((100, 1000), np.uint8)
    image[:50, 300] = image[50:, 700] = 255  # a line near, a line far
    nearness = np.ones((100, 1000), np.float32)
    nearness[50:] = -1
    left, right = views(image, nearness, (-1.0, 1.0))
    shift, margin = round(PARALLAX * 1000), int(np.ceil(PARALLAX * 1000))
    for view, sign in ((left, 1), (right, -1)):
        assert view.shape == (100, 1000 - 2 * margin, 3)
        assert view[10, :, 0].argmax() == 300 + sign * shift - margin
        assert view[90, :, 0].argmax() == 700 - sign * shift - margin


def test_where_the_depth_is_unsure_that_of_what_surrounds_it_counts():
    frames = np.zeros((64, 96), np.float32)
    frames[:, 48:] = 4
    confidence = np.ones_like(frames)
    frames[20:40, 10:30], confidence[20:40, 10:30] = 4, 0  # noise on flat ground
    nearness = fill(DepthMap(frames, confidence))
    assert nearness[30, 20] > 0.9 and nearness[30, 80] < -0.9
    assert (nearness.min(), nearness.max()) == pytest.approx((-1, 1))
    assert not np.ptp(fill(DepthMap(np.zeros((8, 8), np.float32), np.zeros((8, 8), np.float32))))


def test_they_are_written_beside_the_result(tmp_path, capsys):
    assert (
        draw_stacks(["-o", str(tmp_path), "--kinds", "desk", "--frames", "3", "--size", "160", "120", "--quiet"]) == 0
    )
    (stack,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    frames = sorted(path for path in stack.rglob("*.png") if "truth" not in path.name and path.stem[-1].isdigit())
    assert main([*map(str, frames), "-o", str(tmp_path / "fused.png"), "--rocking", "--stereo", "--quiet"]) == 0
    height, width = read_image(tmp_path / "fused.png").shape[:2]
    with Image.open(tmp_path / "fused-rocking.webp") as animation:
        assert (animation.format, animation.n_frames, animation.height) == ("WEBP", VIEWS, height)
        assert animation.width == width - 4
    assert read_image(tmp_path / "fused-stereo.jpg").shape == (height, 2 * (width - 4), 3)
    for options, words in (
        (["--strategy", "refined"], "--rocking is for --strategy learned"),
        (["--method", "dwt"], "--rocking is for the proposed"),
    ):
        with pytest.raises(SystemExit):
            main(["a.png", "b.png", "-o", "c.png", "--rocking", *options])
        assert words in capsys.readouterr().err


def test_views_of_ten_bits_in_sixteen_are_as_bright_as_those_of_eight(tmp_path):
    stack = [drawn_photograph(np.random.default_rng(0), 80, 120)[..., 0].copy() for _ in range(2)]
    stack[0][:, :60] = cv2.GaussianBlur(stack[0], (0, 0), 3)[:, :60]
    stack[1][:, 60:] = cv2.GaussianBlur(stack[1], (0, 0), 3)[:, 60:]
    for name, kind, factor in (("eight", np.uint8, 1), ("ten", np.uint16, 4)):
        frames = [str(tmp_path / f"{name}-{number}.png") for number in (1, 2)]
        for path, image in zip(frames, stack, strict=True):
            write_image(path, image.astype(kind) * kind(factor))
        options = ["-o", str(tmp_path / f"{name}.png"), "--stereo", "--align", "none", "--quiet"]
        assert main([*frames, *options]) == 0
    eight, ten = (read_image(tmp_path / f"{name}-stereo.jpg").astype(int) for name in ("eight", "ten"))
    assert abs(eight.mean() - ten.mean()) < 3


def test_large_pictures_are_reduced(monkeypatch, tmp_path):
    monkeypatch.setattr("model.fusion.parallax.STEREO_SIDE", 50)
    depth = DepthMap(np.zeros((40, 100), np.float32), np.ones((40, 100), np.float32))
    write_stereo(tmp_path / "stereo.jpg", np.zeros((40, 100, 3), np.uint8), depth)
    assert read_image(tmp_path / "stereo.jpg").shape == (20, 2 * 48, 3)


def test_gray_images_have_views_too():
    image = drawn_photograph(np.random.default_rng(0), 40, 50)[..., 0]
    (view,) = views(image, np.zeros((40, 50), np.float32), (0.5,))
    np.testing.assert_array_equal(view, np.dstack([image[:, 1:-1]] * 3))
