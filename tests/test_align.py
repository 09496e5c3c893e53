"""Registration of hand-held pairs, the notice of shifted ones, and exposure."""

import cv2
import numpy as np
import pytest

from data.align import MODES, estimate_shift, match_exposure, notice_shift, register
from data.demo import rendered_scene
from data.errors import InputError, run_command
from data.io.image_io import read_image, write_image
from data.io.stacks import find_pairs
from fuse import main
from metrics.reference import psnr


@pytest.fixture(scope="module")
def photographs():
    return rendered_scene().photographs()


def move(image, warp):
    """What a camera sees whose frame is moved: pixel p of the result is pixel inverse(warp) p of the image."""
    return cv2.warpPerspective(image, warp, image.shape[1::-1], borderMode=cv2.BORDER_REFLECT)


SMALL = np.array([[1.004, 0.006, 3.5], [-0.006, 1.004, -2.5], [0, 0, 1]])
LARGE = np.array([[1.02, 0.05, 25.0], [-0.04, 1.01, -12.0], [2e-5, -1e-5, 1]])


@pytest.mark.parametrize(("mode", "warp"), [("ecc", SMALL), ("homography", SMALL), ("homography", LARGE)])
@pytest.mark.parametrize("kind", ["rgb", "gray 16 bit"])
def test_a_known_motion_is_found(mode, warp, kind, photographs):
    near, far = photographs
    if kind != "rgb":
        near, far = (image[..., 1].astype(np.uint16) * 257 for image in (near, far))
    found = register(near, move(far, warp), mode)
    corners = np.array([[40, 40, 1], [440, 40, 1], [440, 320, 1], [40, 320, 1]]).T
    expected, reached = (matrix @ corners for matrix in (warp, found.warp))
    assert np.abs(expected[:2] / expected[2] - reached[:2] / reached[2]).max() < 1.0
    assert found.correlation > 0.9
    inner = np.s_[40:-40, 60:-60]
    assert np.abs(found.image[inner].astype(float) - far[inner]).mean() < 0.03 * np.iinfo(far.dtype).max
    assert found.image.dtype == near.dtype and found.image.shape == near.shape


def test_what_the_moved_image_does_not_show_is_the_reference(photographs):
    near, far = photographs
    found = register(near, move(far, LARGE), "homography")
    height, width = near.shape[:2]
    known = (
        cv2.warpPerspective(np.full((height, width), 255, np.uint8), np.linalg.inv(found.warp), (width, height)) == 255
    )
    assert found.covered == pytest.approx(known.mean(), abs=0.01)
    unknown = ~cv2.dilate(known.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    assert unknown.any()
    np.testing.assert_array_equal(found.image[unknown], near[unknown])


@pytest.mark.parametrize("mode", sorted(set(MODES) - {"none"}))
def test_images_of_different_things_are_refused(mode, photographs):
    other = np.random.default_rng(0).integers(0, 256, photographs[0].shape, np.uint8)
    with pytest.raises(InputError, match="cannot be aligned"):
        register(photographs[0], other, mode)
    with pytest.raises(InputError, match="cannot be aligned"):
        register(photographs[0], np.full_like(other, 90), mode)


@pytest.mark.parametrize("shift", [(0, 0), (4, 0), (-3, 6)])
def test_a_shift_is_estimated(shift, photographs):
    near, far = photographs
    moved = move(far, np.array([[1, 0, shift[0]], [0, 1, shift[1]], [0, 0, 1.0]]))
    found = estimate_shift(near, moved)
    assert found is not None
    assert np.abs(np.array(found) - shift).max() < 0.6
    notice = notice_shift([near, moved])
    assert (notice is None) == (shift == (0, 0))
    assert notice is None or "image 2 seems shifted" in notice


def test_no_pair_of_lytro_is_said_to_be_shifted(lytro):
    for pair in find_pairs(lytro).stacks:
        assert notice_shift([read_image(path) for path in pair.images]) is None


def test_exposure_by_hand():
    rng = np.random.default_rng(0)
    image = cv2.resize(rng.integers(40, 120, (6, 8, 3), np.uint8), (160, 120), interpolation=cv2.INTER_CUBIC)
    darker = np.rint(image * 0.8 + 10).astype(np.uint8)
    assert np.abs(match_exposure(image, darker).astype(int) - image).mean() < 1
    flat = np.full((40, 40), 70, np.uint16)
    np.testing.assert_array_equal(match_exposure(flat, flat - 20), flat)


def test_command(photographs, tmp_path, capsys):
    scene = rendered_scene()
    near, far = photographs
    write_image(tmp_path / "x-A.png", near)
    write_image(tmp_path / "x-B.png", move(far, SMALL))
    sources = [str(tmp_path / "x-A.png"), str(tmp_path / "x-B.png")]
    assert run_command(main, [*sources, "-o", str(tmp_path / "plain.png"), "--quiet"]) == 0
    assert "seems shifted" in capsys.readouterr().err
    arguments = ["--align", "ecc", "--match-exposure", "--json", "-"]
    assert run_command(main, [*sources, "-o", str(tmp_path / "aligned.png"), *arguments]) == 0
    said = capsys.readouterr()
    assert '"correlation": 0.9' in said.out
    assert "seems shifted" not in said.err
    plain, aligned = (psnr(scene.image, read_image(tmp_path / f"{name}.png")) for name in ("plain", "aligned"))
    assert aligned > plain + 2
