"""Stacks laid on their middle frame, and brightness between frames: known motions, intruders, nothing to measure."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.image_io import read_image
from data.io.listing import find_pairs
from data.registration.affine import corners_of, rescale_warp, transform_points
from data.registration.alignment import measure_alignment
from data.registration.exposure import ExposureCorrection, measure_exposure
from data.registration.prepared import PreparedFrames
from data.registration.warping import coverage, warp_to_reference
from tests.conftest import dataset_folder

SHAPE = (240, 320)


def scene(seed: int = 0, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Detail on several scales, (H, W, 3) uint8 RGB, without anything finer than two pixels."""
    rng = np.random.default_rng(seed)
    height, width = shape
    image = np.full((height, width, 3), 110, np.float32)
    for sigma, strength in ((1.5, 30), (5, 35), (20, 30)):
        noise = cv2.GaussianBlur(rng.normal(size=(height, width, 3)).astype(np.float32), (0, 0), sigma)
        image += strength * noise / noise.std()
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)


def focused(image: np.ndarray, first: float, last: float, sigma: float = 2.5) -> np.ndarray:
    """What a camera sees that is focused on some columns, from `first` to `last` of the width; it blurs light."""
    x = np.linspace(0, 1, image.shape[1])[None, :, None]
    sharp = np.clip(1 + 20 * np.minimum(x - first, last - x), 0, 1)
    blurred = cv2.GaussianBlur((image / 255) ** 2.2, (0, 0), sigma) ** (1 / 2.2) * 255
    return np.rint(sharp * image + (1 - sharp) * blurred).astype(np.uint8)


def camera_warp(scale: float, degrees: float, x: float, y: float, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """Reference to frame: turned and scaled about the middle, then shifted."""
    warp = np.eye(3)
    warp[:2] = cv2.getRotationMatrix2D(((shape[1] - 1) / 2, (shape[0] - 1) / 2), degrees, scale)
    warp[:2, 2] += x, y
    return warp


def see(image: np.ndarray, warp: np.ndarray, shape: tuple[int, int] | None = None) -> np.ndarray:
    """What a frame shows whose `warp` is known."""
    size = (shape or image.shape)[1::-1]
    return cv2.warpAffine(image, warp[:2], size, flags=cv2.INTER_LANCZOS4, borderMode=cv2.BORDER_REFLECT)


def at_corners(warp: np.ndarray, expected: np.ndarray, shape: tuple[int, int] = SHAPE) -> float:
    corners = corners_of(shape)
    return float(np.hypot(*(transform_points(warp, corners) - transform_points(expected, corners)).T).max())


BREATHING = [camera_warp(1 + 0.01 * step, 0.2 * step, 1.5 * step, -2.0 * step) for step in (-2, -1, 0, 1, 2)]


@pytest.fixture(scope="module")
def breathing():
    """Five frames, focused from left to right."""
    image = scene()
    return [see(focused(image, 0.2 * k - 0.1, 0.2 * k + 0.3), warp) for k, warp in enumerate(BREATHING)]


@pytest.mark.parametrize("kind", ["rgb", "gray", "16 bit", "gray 16 bit"])
def test_a_stack_that_breathes_lies_within_a_quarter_of_a_pixel(kind, breathing):
    frames = [frame[..., 1] if "gray" in kind else frame for frame in breathing]
    frames = [frame.astype(np.uint16) * 257 if "16 bit" in kind else frame for frame in frames]
    seen = []
    found = measure_alignment(frames, observe=seen.append)
    assert found.reference == 2 and found.moved
    assert not found.left_out and not found.remarks
    assert seen == [0, 1, 2, 3, 4]
    assert max(at_corners(warp, expected) for warp, expected in zip(found.warps, BREATHING, strict=True)) < 0.25


def test_frames_are_laid_on_each_other_and_cut_to_what_all_show(breathing):
    image = scene()
    found = measure_alignment(breathing)
    height, width = (part.stop - part.start for part in found.common)
    assert 0.9 * SHAPE[0] < height < SHAPE[0] and 0.9 * SHAPE[1] < width < SHAPE[1]
    for number, (frame, warp) in enumerate(zip(breathing, found.warps, strict=True)):
        laid, covered = warp_to_reference(frame, warp, SHAPE), coverage(frame.shape, warp, SHAPE)
        assert laid.dtype == frame.dtype and laid.shape == frame.shape
        assert covered[found.common].all()
        expected = focused(image, 0.2 * number - 0.1, 0.2 * number + 0.3)
        assert np.abs(laid[found.common].astype(int) - expected[found.common]).mean() < 1.0


def test_frames_that_lie_on_each_other_are_not_touched():
    frames = [focused(scene(), 0.2 * k - 0.1, 0.2 * k + 0.3) for k in range(5)]
    found = measure_alignment(frames)
    assert not found.moved and not found.remarks
    for frame, warp in zip(frames, found.warps, strict=True):
        laid, covered = warp_to_reference(frame, warp, SHAPE), coverage(frame.shape, warp, SHAPE)
        assert laid is frame and covered.all()
    assert found.common == (slice(0, SHAPE[0]), slice(0, SHAPE[1]))


def test_two_frames_focused_on_complementary_halves():
    image, warp = scene(1), camera_warp(1.015, 0.4, 4.0, -3.0)
    found = measure_alignment([see(focused(image, -0.1, 0.5), warp), focused(image, 0.5, 1.1)])
    assert found.reference == 1 and found.moved
    assert at_corners(found.warps[0], warp) < 0.5


def test_a_large_turn_is_found_by_its_features():
    image, warp = scene(2), camera_warp(0.9, 40, 30, -20)
    found = measure_alignment([see(image, warp), image])
    assert at_corners(found.warps[0], warp) < 0.25


def test_frames_of_unequal_size_are_laid_in_their_own_coordinates():
    image = scene(3)
    warp = camera_warp(1.01, 0, 6.0, 3.0)
    small = see(image, warp, (SHAPE[0] - 5, SHAPE[1] - 8))
    found = measure_alignment([small, image])
    assert at_corners(found.warps[0], warp) < 0.25
    laid, covered = warp_to_reference(small, found.warps[0], SHAPE), coverage(small.shape, found.warps[0], SHAPE)
    assert laid.shape == image.shape and covered[found.common].all()
    assert np.abs(laid[found.common].astype(int) - image[found.common]).mean() < 1.0


@pytest.mark.parametrize("place", [0, 2, 4])
@pytest.mark.parametrize("intruder", ["another scene", "a hand", "black"])
def test_a_frame_that_fits_nowhere_is_left_out_and_bridged(place, intruder, breathing):
    frame = {
        "another scene": scene(9)[::-1],
        "a hand": cv2.ellipse(breathing[place].copy(), (120, 240), (130, 170), 20, 0, 360, (235, 180, 160), -1),
        "black": np.zeros_like(breathing[0]),
    }[intruder]
    found = measure_alignment([*breathing[:place], frame, *breathing[place + 1 :]])
    assert list(found.left_out) == [place]
    assert "differs from frame" in found.left_out[place]
    assert found.warps[place] is None and found.reference in {1, 2, 3} - {place}
    origin = np.linalg.inv(BREATHING[found.reference])
    for index in set(range(5)) - {place}:
        assert at_corners(found.warps[index], BREATHING[index] @ origin) < 0.5


def test_motion_within_the_scene_is_said_with_its_place():
    image = scene(4)
    other = image.copy()
    other[70:170, 190:290] = image[64:164, 196:296]
    found = measure_alignment([image, other])
    assert not found.moved and not found.left_out
    assert len(found.remarks) == 1
    assert "something moves between frames 1 and 2 around 7" in found.remarks[0]  # (190 + 290) / 2 of 320 is 75 %


@pytest.mark.parametrize("shape", [(60, 80, 3), (60, 80), (1, 90, 3), (90, 1), (1, 1), (3, 3000, 3)])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_where_nothing_can_be_measured_nothing_moves(shape, kind):
    found = measure_alignment([np.full(shape, 90, kind) for _ in range(3)])
    assert not found.moved and not found.left_out and found.reference == 1
    assert len(found.remarks) == 2
    assert "could not measure the motion between frames 1 and 2" in found.remarks[0]


def test_a_single_frame_is_its_own_reference():
    found = measure_alignment([scene()])
    assert found.reference == 0 and not found.moved and not found.remarks


@settings(max_examples=8, deadline=None)
@given(
    scale=st.floats(0.97, 1.03),
    degrees=st.floats(-2, 2),
    x=st.floats(-12, 12),
    y=st.floats(-12, 12),
    seed=st.integers(0, 99),
)
def test_a_pair_swapped_is_laid_the_other_way_round(scale, degrees, x, y, seed):
    image = scene(seed)
    warp = camera_warp(scale, degrees, x, y)
    pair = [focused(see(image, warp), -0.1, 0.6), focused(image, 0.4, 1.1)]
    there, back = measure_alignment(pair), measure_alignment(pair[::-1])
    if there.moved and back.moved:
        assert at_corners(there.warps[0] @ back.warps[0], np.eye(3)) < 0.5
    assert at_corners(there.warps[0], warp if there.moved else np.eye(3)) < 0.5


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 999), height=st.integers(1, 120), width=st.integers(1, 120))
def test_a_frame_lies_on_itself(seed, height, width):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    found = measure_alignment([image, image, image])
    assert not found.moved and not found.left_out
    assert all(np.array_equal(warp, np.eye(3)) for warp in found.warps)


def test_warps_grow_about_the_corners_of_pixels():
    np.testing.assert_allclose(rescale_warp(np.eye(3), 4), np.eye(3), atol=1e-12)
    half = np.diag([0.5, 0.5, 1.0])  # pixel centers at 0 and 1 of 2 pixels; those of 4 pixels lie at -.25 to 1.25
    np.testing.assert_allclose(transform_points(rescale_warp(half, 2), np.array([[0.5, 0.5]])), [[0.5, 0.5]])


def vignetting(shape: tuple[int, int], strength: float) -> np.ndarray:
    y, x = (np.linspace(-1, 1, side) for side in shape)
    return 1 - strength * (y[:, None] ** 2 + x**2)[..., None] / 2


def shown(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return frame, np.ones(frame.shape[:2], bool)


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_gain_and_vignetting_are_found_on_frames_focused_elsewhere(kind):
    scale = np.iinfo(kind).max / 255
    image = scene(5)
    near, far = focused(image, -0.1, 0.5), focused(image, 0.5, 1.1)
    dimmed = far / np.array([1.1, 1.15, 1.05]) * vignetting(SHAPE, 0.15)
    frames = [np.rint(scale * frame).astype(kind) for frame in (near, dimmed)]
    kept, found = measure_exposure(map(shown, frames), 0)
    assert kept is None
    corrected = found.apply(frames[1])
    assert corrected.dtype == kind
    assert np.abs(corrected / scale - far).mean() < 1.0
    np.testing.assert_allclose(found.gains, [1.1, 1.15, 1.05], atol=0.02)


@pytest.mark.filterwarnings("error")
def test_black_stays_black_under_a_tone_curve():
    image = np.array([[0, 1, 128, 255]], np.uint8)
    corrected = ExposureCorrection(np.ones(1), np.zeros(5), tone=-0.1).apply(image)
    np.testing.assert_array_equal(corrected, [[0, 2, 128, 238]])


def test_a_tone_curve_that_is_too_strong_leaves_gains_and_is_said():
    image = scene(5)
    bent = np.rint(255 * 0.8 * (image / 255) ** 1.5).astype(np.uint8)
    _, found = measure_exposure(map(shown, [image, bent]), 0)
    assert not found.matched and found.tone == 0 and not found.is_nothing
    assert np.abs(found.apply(bent).astype(int) - image).mean() < 0.5 * np.abs(bent.astype(int) - image).mean()
    prepared = PreparedFrames([image, image, bent], align="none")
    assert prepared.unmatched == (2,)


def test_gray_frames_are_corrected_as_well():
    image = scene(6)[..., 0]
    darker = np.rint(image * 0.9).astype(np.uint8)
    _, found = measure_exposure(map(shown, [image, darker]), 0)
    assert np.abs(found.apply(darker).astype(int) - image).mean() < 1.0


def test_what_is_not_covered_does_not_count():
    image = scene(7)
    darker = np.rint(image * 0.9).astype(np.uint8)
    darker[:, :100] = 200
    covered = np.ones(SHAPE, bool)
    covered[:, :100] = False
    _, found = measure_exposure([shown(image), (darker, covered)], 0)
    np.testing.assert_allclose(found.gains, 1 / 0.9, atol=0.01)


@pytest.mark.parametrize("level", [0, 90, 255])
def test_frames_of_equal_brightness_are_not_corrected(level):
    image = scene(8)
    assert measure_exposure(map(shown, [focused(image, -0.1, 0.5), focused(image, 0.5, 1.1)]), 0) == (None, None)
    flat = np.full((*SHAPE, 3), level, np.uint8)
    assert measure_exposure(map(shown, [flat, flat]), 0) == (None, None)


def test_no_pair_of_lytro_is_touched(lytro):
    for pair in find_pairs(lytro).stacks:
        frames = [read_image(path) for path in pair.images]
        found = measure_alignment(frames)
        assert not found.moved and not found.remarks and not found.left_out, pair.name
        assert measure_exposure(map(shown, frames), found.reference) == (None, None), pair.name


def rendered(name: str) -> list[np.ndarray]:
    folder = dataset_folder("stacks") / "rendered" / name
    return [read_image(path) for path in sorted(folder.glob("[0-9]*"))]


@pytest.mark.long
@pytest.mark.parametrize("name", ["desk", "slope", "stairs", "pair", "specimen"])
def test_no_rendered_stack_without_motion_is_touched(name):
    frames = rendered(name)
    found = measure_alignment(frames)
    assert not found.moved and not found.remarks and not found.left_out
    assert measure_exposure(map(shown, frames), found.reference) == (None,) * len(frames)


@pytest.mark.long
@pytest.mark.parametrize(("name", "limit"), [("desk", 0.25), ("slope", 0.25), ("stairs", 0.25), ("specimen", 1.5)])
def test_rendered_stacks_moved_by_hand_are_found(name, limit):
    frames = rendered(name)
    shape, middle = frames[0].shape[:2], len(frames) // 2
    rng = np.random.default_rng(0)
    drift, turn = np.cumsum(rng.normal(0, 1.5, (len(frames), 2)), 0), np.cumsum(rng.normal(0, 0.06, len(frames)))
    warps = [
        camera_warp(1 + 0.009 * (k - middle), turn[k] - turn[middle], *(drift[k] - drift[middle]), shape)
        for k in range(len(frames))
    ]
    found = measure_alignment([see(frame, warp) for frame, warp in zip(frames, warps, strict=True)])
    error = max(at_corners(warp, expected, shape) for warp, expected in zip(found.warps, warps, strict=True))
    print(f"{name}: {error:.2f} pixels at the corners")
    assert error < limit


@pytest.mark.long
@pytest.mark.parametrize(("name", "smallest", "largest"), [("pcb", 30, 40), ("flies", 4, 8), ("vig", 45, 60)])
def test_photographed_stacks_lie_on_each_other(name, smallest, largest):
    frames = [read_image(path) for path in sorted((dataset_folder("stacks") / "real" / name).glob("*.jpg"))]
    found = measure_alignment(frames)
    shape = frames[0].shape[:2]
    assert found.moved and not found.left_out and not found.remarks
    assert smallest < max(at_corners(warp, np.eye(3), shape) for warp in found.warps) < largest
