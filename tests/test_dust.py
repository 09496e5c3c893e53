"""Dust on the sensor."""

import cv2
import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.registration.dust import DustMap
from data.runtime.errors import InputError, run_command
from fuse import main
from tests.conftest import drawn_photograph

SHAPE = (240, 320)


def shares():
    """The share of light that passes, with three soft spots, one of them dark."""
    passing = np.ones(SHAPE, np.float32)
    for (x, y), radius, share in (((80, 60), 5, 0.6), ((200, 150), 8, 0.8), ((260, 40), 4, 0.5)):
        spot = cv2.circle(np.zeros(SHAPE, np.float32), (x, y), radius, 1, -1, cv2.LINE_AA)
        passing *= 1 - (1 - share) * cv2.GaussianBlur(spot, (0, 0), 1.5)
    return passing


def seen(image, passing, level=1.0):
    """What a camera stores of an image, in levels of its type, through the dust."""
    share = passing.reshape(*SHAPE, *(1,) * (image.ndim - 2)) ** (1 / 2.2)
    most = np.iinfo(image.dtype).max
    return np.clip(np.rint(image * level * share), 0, most).astype(image.dtype)


def blank_shot(dtype, noise=1.0):
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]] / SHAPE[1]
    wall = (200 - 40 * ((x - 0.5) ** 2 + (y - 0.4) ** 2))[..., None].repeat(3, 2)
    wall += np.random.default_rng(1).normal(0, noise, wall.shape)
    scale = 257 if dtype == np.uint16 else 1
    return seen(np.rint(wall * scale).astype(dtype), shares())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("gray", [False, True])
def test_spots_become_as_bright_as_what_surrounds_them(dtype, gray):
    clean = drawn_photograph(np.random.default_rng(0), *SHAPE).astype(dtype) * (257 if dtype == np.uint16 else 1)
    clean = clean[..., 0].copy() if gray else clean
    dusty = seen(clean, shares())
    cleaned = DustMap(blank_shot(dtype)).remove(dusty)
    spots = shares() < 0.9
    before, after = (np.abs(one.astype(float) - clean)[spots].mean() for one in (dusty, cleaned))
    assert 6 * after < before
    np.testing.assert_array_equal(cleaned[40:60, 100:180], clean[40:60, 100:180])
    assert cleaned.dtype == dtype


def test_a_blank_shot_without_dust_changes_nothing():
    wall = np.random.default_rng(0).normal(180, 3, (*SHAPE, 3)).clip(0, 255).astype(np.uint8)
    assert len(DustMap(wall)) == 0


def test_a_photograph_is_no_map_of_dust(tmp_path):
    write_image(tmp_path / "x.png", drawn_photograph(np.random.default_rng(0), *SHAPE))
    with pytest.raises(InputError, match=r"cannot use .*x\.png as a map of dust: it shows more than dust"):
        DustMap.read(tmp_path / "x.png")


def test_another_size_is_refused():
    with pytest.raises(InputError, match="320x240 pixels but the images are 100x50"):
        DustMap(blank_shot(np.uint8)).remove(np.zeros((50, 100, 3), np.uint8))


def test_fuse_removes_dust(tmp_path, capsys):
    """A stack that moves: without the map each spot is left, with it none."""
    sharp = drawn_photograph(np.random.default_rng(4), *SHAPE)
    for number in range(3):
        frame = cv2.GaussianBlur(sharp, (0, 0), 2)
        span = slice(SHAPE[1] * number // 3, SHAPE[1] * (number + 1) // 3)
        frame[:, span] = sharp[:, span]
        write_image(tmp_path / "in" / f"x{number}.png", seen(frame, shares()))
    write_image(tmp_path / "blank.png", blank_shot(np.uint8))
    fixed = [str(tmp_path / "in"), "--align", "none", "--match-exposure", "none", "--quiet", "--overwrite", "-o"]
    results = {}
    for name, options in (("dusty", []), ("clean", ["--dust", str(tmp_path / "blank.png")])):
        path = tmp_path / f"{name}.png"
        assert run_command(main, [*fixed, str(path), *options]) == 0
        results[name] = cv2.PSNR(read_image(path)[30:90, 50:110], sharp[30:90, 50:110])
    assert results["clean"] > results["dusty"] + 6
    write_image(tmp_path / "small.png", blank_shot(np.uint8)[:100])
    assert run_command(main, [*fixed, str(tmp_path / "a.png"), "--dust", str(tmp_path / "small.png")]) == 1
    assert "both must be of one camera" in capsys.readouterr().err
    assert run_command(main, [*fixed, str(tmp_path / "blank.png"), "--dust", str(tmp_path / "blank.png")]) == 1
    assert "choose another output" in capsys.readouterr().err
