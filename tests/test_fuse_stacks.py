"""fuse.py with stacks as they are photographed: aligned, cut, of one brightness, with a depth map."""

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from data.imaging.pixels import quantize
from data.io.image_header import read_size
from data.io.image_io import read_image, write_image
from data.registration.prepared import PreparedFrames
from data.registration.truth import align_to_reference, crop_border
from data.runtime.errors import InputError, run_command
from data.stacks import draw_scene
from data.stacks import main as draw
from data.synthesis.pipeline import PairSource
from data.synthesis.recipes import SynthesisSettings
from data.synthesis.stack_renderer import render_frames, render_truth
from data.synthesis.stack_scenes import KINDS
from data.synthesis.voc import split_scenes
from fuse import main
from metrics.reference import psnr, spurious_gradient
from model import load_fuser
from tests.conftest import drawn_photograph

NAMES = [f"DSC_{number}.png" for number in (98, 99, 100, 101)]
SIZE = 240, 320


def fuse(*arguments):
    return run_command(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def breathing(tmp_path_factory):
    """A folder of four frames that breathe and drift, and the truth."""
    capture = replace(KINDS["breathing"].capture, frames=len(NAMES))
    layers, margin, rng = draw_scene("breathing", capture, SIZE, 2)
    folder = tmp_path_factory.mktemp("stacks") / "beetle"
    for name, frame in zip(NAMES, render_frames(layers, capture, margin, rng), strict=True):
        write_image(folder / name, frame)
    return folder, render_truth(layers, capture, margin)


def test_a_folder_that_breathes_comes_out_sharp_and_cut(breathing, tmp_path, capsys):
    folder, truth = breathing
    arguments = (folder, "-o", tmp_path / "fused.png", "--depth-map", "--save-maps", "--json", tmp_path / "done.json")
    assert fuse(*arguments) == 0
    fused = read_image(tmp_path / "fused.png")
    (done,) = json.loads((tmp_path / "done.json").read_text())["results"]
    top, bottom, left, right = done["cut"]
    assert fused.shape[:2] == (bottom - top, right - left) < SIZE
    assert done["reference"] == 2 and len(done["warps"]) == 4 and "left_out" not in done
    unaligned = load_fuser()(*(read_image(folder / name) for name in NAMES))
    scores = [psnr(crop_border(truth), crop_border(align_to_reference(truth, one))) for one in (fused, unaligned)]
    assert scores[0] - scores[1] > 5
    depth, confidence = (
        cv2.imread(str(tmp_path / f"fused-{name}.png"), cv2.IMREAD_UNCHANGED) for name in ("depth", "depth-confidence")
    )
    assert depth.dtype == np.uint16 and depth.shape == confidence.shape == fused.shape[:2]
    assert depth.max() <= 3.5 * 256 and len(np.unique(depth)) > 100
    assert (tmp_path / "fused-depth-picture.png").exists()
    described = json.loads((tmp_path / "fused-decision.json").read_text())
    assert described["sources"] == {str(number): name for number, name in enumerate(NAMES)}


def test_a_depth_map_of_its_own_name(breathing, tmp_path, capsys):
    folder, _ = breathing
    depth = tmp_path / "maps" / "depth.tif"
    words = (folder / NAMES[0], folder / NAMES[1], "-o", tmp_path / "fused.png", "--quiet", "--depth-map", depth)
    depth.parent.mkdir()
    depth.with_name("depth-picture.png").write_bytes(b"mine")
    assert fuse(*words) == 1
    assert "depth-picture.png exists already" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["depth-picture.png", "maps"]
    assert fuse(*words, "--overwrite") == 0
    written = ["depth-confidence.png", "depth-picture.png", "depth.tif"]
    assert sorted(path.name for path in depth.parent.iterdir()) == written
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["fused.png"]
    frames = cv2.imread(str(depth), cv2.IMREAD_UNCHANGED)
    assert frames.dtype == np.uint16 and frames.shape == read_size(tmp_path / "fused.png") and frames.max() <= 256
    assert read_size(depth.parent / written[0]) == frames.shape


def test_a_depth_map_replaces_no_source(breathing, tmp_path, capsys):
    folder, _ = breathing
    source = folder / NAMES[1]
    before = source.read_bytes()
    assert fuse(folder, "-o", tmp_path / "fused.png", "--overwrite", "--depth-map", source) == 1
    assert "is one of the files that are read" in capsys.readouterr().err
    assert source.read_bytes() == before and not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--depth-map", "beetle", "-o", "fused.tif"), "must end in .png or .tif"),
        (("--depth-map", "1.png", "2.png", "3.png", "-o", "fused.tif", "--overwrite"), "after the images of one scene"),
        (("-o", "fused.tif", "--depth-map", "1.png", "2.png", "3.png"), "after the images of one scene"),
        (("-i", "scenes", "-o", "fused", "--depth-map", "depth.png"), "after the images of one scene"),
        (("1.png", "2.png", "-o", "fused.png", "--depth-map", "depth.jpg"), "must end in .png or .tif"),
    ],
)
def test_an_image_is_never_taken_for_the_path_of_a_depth_map(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


def test_aligned_frames_alone(breathing, tmp_path):
    folder, _ = breathing
    assert fuse(folder, "-o", tmp_path / "aligned", "--align-only", "--format", "tif", "--quiet") == 0
    written = sorted(path.name for path in (tmp_path / "aligned").iterdir())
    assert written == sorted(name.replace("png", "tif") for name in NAMES)
    sizes = {read_size(tmp_path / "aligned" / name) for name in written}
    assert len(sizes) == 1 and sizes.pop() < SIZE
    assert fuse(tmp_path / "aligned", "-o", tmp_path / "again", "--align-only", "--format", "tif", "--quiet") == 0
    again = read_image(tmp_path / "again" / "DSC_99.tif")
    np.testing.assert_array_equal(again, read_image(tmp_path / "aligned" / "DSC_99.tif"))  # nothing moves any more


def test_a_frame_of_another_scene(breathing, tmp_path, capsys):
    folder, _ = breathing
    for number, name in zip((11, 12, 13, 15), NAMES, strict=True):
        write_image(tmp_path / "in" / f"{number}.png", read_image(folder / name))
    write_image(tmp_path / "in" / "14.png", 255 - drawn_photograph(np.random.default_rng(9), *SIZE))
    words = (tmp_path / "in", "-o", tmp_path / "fused.png", "--save-maps", "--panel", "--quiet")
    assert fuse(*words, "--strict") == 1
    assert "14.png" in capsys.readouterr().err and not (tmp_path / "fused.png").exists()
    assert fuse(*words) == 0
    said = capsys.readouterr().err
    assert "warning: in: 14.png" in said and "is left out" in said
    labels = cv2.imread(str(tmp_path / "fused-labels.png"), cv2.IMREAD_UNCHANGED)
    assert "3" not in json.loads((tmp_path / "fused-decision.json").read_text())["sources"]
    assert labels.shape[:2] == read_size(tmp_path / "fused.png")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--depth-map", "--strategy", "refined"), "for --strategy learned"),
        (("--depth-map", "--weights", "own.weights.h5"), "for --strategy learned, not for refined"),
        (("--align-only", "--panel"), "fuses nothing"),
        (("--prefer", "near", "--strategy", "paper"), "prefer is for the strategy learned"),
        (("--crop", "none", "--strategy", "paper"), "for the strategies learned and refined"),
        (("--depth-map", "--method", "pca"), "--depth-map is for the proposed method; others have nothing"),
    ],
)
def test_options_that_do_not_go_together(options, message, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["A.png", "B.png", "-o", "fused.png", *options])
    assert ended.value.code == 2
    assert message in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(("prefer", "expected"), [("near", 0), ("far", 1)])
def test_what_is_equally_sharp_in_both_can_be_chosen(prefer, expected):
    rng = np.random.default_rng(4)
    image = drawn_photograph(rng, 96, 96)
    noisy = np.clip(image + rng.normal(0, 2, image.shape), 0, 255).astype(np.uint8)
    fuser = load_fuser(prefer=prefer)
    in_focus = np.mean([values < 0 for values in fuser.predictor.logits((image, noisy))], axis=0) == 1
    decision_map = fuser.decide(image, noisy).decision_map
    assert in_focus.mean() > 0.5
    assert np.mean(decision_map == expected) > 0.8


def corners(image):
    """What is left of the light under vignetting."""
    y, x = (np.linspace(-1, 1, side) for side in image.shape[:2])
    return (1 - 0.15 * (y[:, None] ** 2 + x**2))[..., None]


class Known(PreparedFrames):
    """Frames whose brightness was corrected exactly, up to rounding."""

    corrected = True

    def __init__(self, frames):
        super().__init__(frames, match_exposure="none")


@pytest.fixture(scope="module")
def clean_pairs(voc):
    """Without noise, and the spurious gradient of what they are fused to as they are."""
    _, scenes = split_scenes(voc, "voc")
    source = PairSource(scenes, SynthesisSettings("paper", 320, blur_window=7), 7)
    pairs, fuser = list(source.validation_pairs(4)), load_fuser()
    return [(pair, spurious_gradient(pair.reference, fuser(pair.near, pair.far))) for pair in pairs]


@pytest.mark.parametrize(
    ("name", "spoil", "restore", "limit"),
    [
        ("gain of 1.1", lambda image: image / 1.1, lambda image: image * 1.1, 0.004),
        ("vignetting", lambda image: image * corners(image), lambda image: image / corners(image), 0.004),
        (
            "gamma of 1.1",
            lambda image: 255 * (image / 255) ** 1.1,
            lambda image: 255 * (image / 255) ** (1 / 1.1),
            0.0045,
        ),
    ],
)
def test_unequal_brightness_shows_no_seam(name, spoil, restore, limit, clean_pairs):
    """Of pairs of which one source was spoiled, against the same pairs as they are; -s prints the means."""
    fuser, found = load_fuser(), []
    for pair, equal in clean_pairs:
        spoiled = quantize(spoil(pair.near.astype(float)))
        prepared = PreparedFrames([spoiled, pair.far])
        assert prepared.corrected
        known = Known([quantize(restore(spoiled.astype(float))), pair.far])
        found.append((equal, *(spurious_gradient(pair.reference, fuser(frames)) for frames in (prepared, known))))
    equal, matched, known = np.mean(found, axis=0)
    print(f"{name}: equal {equal:.4f}, matched {matched:.4f}, correction known, 8 bits {known:.4f}")
    assert np.max(np.array(found) @ (-1, 1, 0)) < 2 * limit and matched - equal < limit


def test_a_preference_is_for_learned_alone():
    with pytest.raises(InputError, match="for the strategy learned, not for refined"):
        load_fuser(strategy="refined", prefer="near")
    with pytest.raises(InputError, match="one of near, far, or None, received 'nearest'"):
        load_fuser(prefer="nearest")


def test_drawn_stacks_replace_nothing_unasked(tmp_path, capsys):
    (tmp_path / "pair").mkdir()
    (tmp_path / "pair" / "truth.png").write_bytes(b"mine")
    words = ["-o", str(tmp_path), "--kinds", "pair", "--size", "96", "64", "--quiet"]
    assert run_command(draw, words) == 1
    assert "truth.png exists already" in capsys.readouterr().err
    assert (tmp_path / "pair" / "truth.png").read_bytes() == b"mine"
    assert run_command(draw, [*words, "--overwrite"]) == 0
    assert read_size(tmp_path / "pair" / "truth.png") == (64, 96)
