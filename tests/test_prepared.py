"""Frames as they are fused: laid on each other, cut, and of one brightness; read when they are needed."""

import json
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from data.registration.known_warps import KnownWarps
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from tests.conftest import drawn_photograph

HEIGHT, WIDTH = 240, 320


class Counting(Sequence):
    """Counts how often each frame is read."""

    def __init__(self, frames):
        self.frames, self.reads = frames, [0] * len(frames)

    def __len__(self):
        return len(self.frames)

    def __getitem__(self, index):
        self.reads[index] += 1
        return self.frames[index]


@pytest.fixture(scope="module")
def scene():
    return cv2.GaussianBlur(drawn_photograph(np.random.default_rng(5), HEIGHT + 80, WIDTH + 80), (0, 0), 0.7)


def view(scene, scale=1.0, shift=(0.0, 0.0)):
    """What a camera sees of the middle of the scene."""
    around = (WIDTH / 2, HEIGHT / 2)
    motion = np.array(
        [[scale, 0, 40 + shift[0] + (1 - scale) * around[0]], [0, scale, 40 + shift[1] + (1 - scale) * around[1]]]
    )
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(scene, motion, (WIDTH, HEIGHT), flags=flags)


def half_blurred(image, left):
    """Out of focus on one half."""
    blurred, fused = cv2.GaussianBlur(image, (0, 0), 3), image.copy()
    part = np.s_[:, : WIDTH // 2] if left else np.s_[:, WIDTH // 2 :]
    fused[part] = blurred[part]
    return fused


def test_what_did_not_move_is_not_touched(scene):
    frames = Counting([half_blurred(view(scene), left) for left in (True, False, True)])
    prepared = PreparedFrames(frames)
    assert not prepared.moved and not prepared.corrected and prepared.describe() == {}
    for frame, image in zip(frames.frames, prepared, strict=True):
        np.testing.assert_array_equal(image, frame)
    assert prepared.covered(0) is None
    before = list(frames.reads)
    assert len(list(prepared)) == 3
    assert frames.reads == before  # small stacks stay in memory


def test_breathing_is_undone_and_cut(scene):
    seen = []
    frames = [view(scene, 1 + 0.02 * (index - 1)) for index in range(3)]
    prepared = PreparedFrames(frames, match_exposure="none", observe=lambda *step: seen.append(step))
    assert seen == [("measuring motion", number, 3) for number in (1, 2, 3)]
    assert prepared.moved
    done = prepared.describe()
    top, bottom, left, right = done["cut"]
    assert done["reference"] == 1 and 0 < top < 8 and HEIGHT - 8 < bottom < HEIGHT
    expected = view(scene)[top:bottom, left:right].astype(float)
    for image in prepared:
        assert image.shape == expected.shape
        assert np.abs(image - expected)[4:-4, 4:-4].mean() < 3


def test_without_a_cut_each_frame_knows_what_it_shows(scene):
    frames = [view(scene), view(scene, shift=(12, 0)), view(scene, shift=(24, 0))]
    prepared = PreparedFrames(frames, crop="none")
    assert prepared[0].shape == frames[0].shape
    assert prepared.covered(1).all() if prepared.covered(1) is not None else True
    np.testing.assert_allclose((~prepared.covered(0)).sum(0) > 0, np.arange(WIDTH) >= WIDTH - 12, atol=1)
    assert prepared.covered(2)[2:-2, 14:].all() and not prepared.covered(2)[:, :10].any()
    assert prepared.describe()["cut"] is None


def test_brightness_is_that_of_the_middle(scene):
    image = cv2.GaussianBlur(view(scene), (0, 0), 5)  # little that blur could change
    darker = np.rint(image * 0.85).astype(np.uint8)
    prepared = PreparedFrames([half_blurred(darker, True), half_blurred(image, False), half_blurred(image, True)])
    assert prepared.corrected and not prepared.moved
    assert prepared.corrections[1] is None
    np.testing.assert_allclose(prepared.corrections[0].gains, 1 / 0.85, rtol=0.03)
    assert abs(prepared[0].mean() - image.mean()) < 2
    frames = Counting([half_blurred(darker, True), half_blurred(image, False), half_blurred(image, True)])
    once = PreparedFrames(frames, align="none")
    np.testing.assert_array_equal(once[0], prepared[0])
    assert frames.reads == [1, 1, 1]  # frames that were looked at stay in memory, with their brightness matched
    untouched = PreparedFrames([darker, image], match_exposure="none")
    assert not untouched.corrected and untouched[0] is darker


def test_a_frame_of_another_scene_is_left_out(scene):
    other = drawn_photograph(np.random.default_rng(99), HEIGHT, WIDTH)
    frames = [half_blurred(view(scene), True), 255 - other, half_blurred(view(scene), False)]
    prepared = PreparedFrames(frames)
    assert prepared.frame_numbers == (0, 2) and len(prepared) == 2
    np.testing.assert_array_equal(prepared[1], frames[2])
    assert list(prepared.describe()["left_out"]) == ["1"]


def test_two_frames_that_do_not_fit_stay_as_they_are(scene):
    frames = [view(scene), 255 - drawn_photograph(np.random.default_rng(99), HEIGHT, WIDTH)]
    prepared = PreparedFrames(frames)
    assert not prepared.matched and prepared.frame_numbers == (0, 1) and not prepared.moved and not prepared.corrected
    assert prepared.alignment.remarks == ("the images do not match each other; they are fused without alignment",)
    assert all(image is frame for image, frame in zip(prepared, frames, strict=True))


def limit_memory(monkeypatch, size):
    for module in ("prepared", "frame_sequences"):
        monkeypatch.setattr(f"data.registration.{module}.CACHE_BYTES", size)


def test_memory_holds_a_few_large_frames(scene, monkeypatch):
    limit_memory(monkeypatch, 2 * view(scene).nbytes)
    frames = Counting([half_blurred(view(scene), index % 2) for index in range(5)])
    prepared = PreparedFrames(frames, align="none", match_exposure="none")
    for _ in range(2):
        list(prepared)
    assert frames.reads == [1, 1, 2, 2, 2]  # the first that fit stay, the others are read again
    _ = prepared[4], prepared[4], prepared[0]
    assert frames.reads == [1, 1, 2, 2, 2]


def test_what_fits_into_memory_is_read_once(scene, monkeypatch):
    frames = Counting([view(scene, shift=(9 * index, 0)) for index in range(3)])
    prepared = PreparedFrames(frames)
    assert prepared.moved and len(list(prepared)) == 3 and frames.reads == [1, 1, 1]
    limit_memory(monkeypatch, 0)
    frames.reads = [0, 0, 0]
    again = PreparedFrames(frames)
    assert all(np.array_equal(*both) for both in zip(prepared, again, strict=True)) and min(frames.reads) > 1


def test_a_pair_keeps_its_size_and_more_frames_are_cut(scene):
    frames = [view(scene, shift=(9, 0)), view(scene)]
    kept, cut = PreparedFrames(frames), PreparedFrames(frames, crop="common")
    assert kept.moved and kept[0].shape == frames[0].shape
    assert cut[0].shape[1] in range(WIDTH - 12, WIDTH - 8)
    assert PreparedFrames([frames[0], *frames])[0].shape[1] < WIDTH


def test_another_reference_stays_as_it_is(scene):
    frames = [view(scene, 1 + 0.02 * (index - 1)) for index in range(3)]
    prepared = PreparedFrames(frames, reference=0, crop="none", match_exposure="none")
    np.testing.assert_array_equal(prepared[0], frames[0])
    assert prepared.describe()["reference"] == 0
    with pytest.raises(InputError, match="there is no frame 4 of 3"):
        PreparedFrames(frames, reference=3)
    other = drawn_photograph(np.random.default_rng(99), HEIGHT, WIDTH)
    with pytest.raises(InputError, match="frame 2 does not match the others"):
        PreparedFrames([frames[0], 255 - other, frames[0]], reference=1)


def test_warps_of_another_light_are_used(scene, tmp_path):
    frames = [view(scene, 1 + 0.02 * (index - 1)) for index in range(3)]
    measured = PreparedFrames(frames, match_exposure="none")
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"results": [measured.describe()]}))
    flat = [np.full_like(frame, 40 + index) for index, frame in enumerate(frames)]  # nothing to measure
    laid = PreparedFrames(flat, warps=KnownWarps.read(report), match_exposure="none")
    assert laid.moved and laid[0].shape == measured[0].shape
    again = PreparedFrames(frames, warps=KnownWarps.read(report), match_exposure="none")
    for one, other in zip(again, measured, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(InputError, match="the warps are of 3 frames, but there are 2"):
        PreparedFrames(frames[:2], warps=KnownWarps.read(report))


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"results": [{}, {}]}', '{"results": [{"warps": [[1]], "reference": 0}]}']
)
def test_a_file_without_warps_is_refused(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match=r"x\.json holds no warps of one scene"):
        KnownWarps.read(tmp_path / "x.json")
