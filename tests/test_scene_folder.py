"""Scenes of one's own, in images/ and masks/: what is foreground, the split, what is refused, and training on them."""

import json
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from data.io.image_io import read_image, write_image
from data.preview import main as preview
from data.runtime.errors import InputError, run_command
from data.synthesis.scene import Scene
from data.synthesis.voc import read_scenes, split_scenes
from fuse import main as fuse
from model import load_fuser
from model.networks.weights import sidecar_path
from model.training.train_comparer import main as train_comparer
from tests.conftest import drawn_photograph, fails
from train import main as train

NAMES = [f"DSC {number}.x" for number in range(12)]

FOREGROUND = np.zeros((40, 48), bool)
FOREGROUND[10:30, 12:36] = True

KINDS = ("gray", "gray16", "black and white", "rgb", "indexed")


@pytest.fixture
def folder(tmp_path):
    """Twelve scenes; photographs and masks are of several types."""
    rng = np.random.default_rng(5)
    for number, name in enumerate(NAMES):
        image = drawn_photograph(rng, *FOREGROUND.shape)
        write_image(tmp_path / "own" / "images" / f"{name}.{('jpg', 'png', 'TIF')[number % 3]}", image)
        write_image(tmp_path / "own" / "masks" / f"{name}.{('png', 'bmp')[number % 2]}", FOREGROUND.astype(np.uint8))
    (tmp_path / "own" / "images" / "notes.txt").write_text("no image")
    (tmp_path / "own" / "masks" / ".hidden.png").write_text("no image")
    return tmp_path / "own"


def mask_of(kind):
    """The same foreground in every kind of image; what is not 0 is as small as it can be."""
    one = FOREGROUND.astype(np.uint8)
    if kind == "indexed":
        picture = Image.fromarray(one)
        picture.putpalette([255, 255, 255, 0, 0, 0])  # the index counts, whatever its color
        return picture
    if kind == "rgb":
        return Image.fromarray(np.stack([0 * one, 0 * one, one], -1))
    return Image.fromarray({"gray": one, "gray16": one.astype(np.uint16), "black and white": FOREGROUND}[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_not_0_is_foreground(kind, tmp_path):
    mask_of(kind).save(tmp_path / "mask.png")
    write_image(tmp_path / "image.png", np.full((40, 48), 65535, np.uint16))  # gray, 16 bits
    image, foreground = Scene("x", tmp_path / "image.png", tmp_path / "mask.png").read()
    np.testing.assert_array_equal(foreground, FOREGROUND)
    assert foreground.dtype == np.uint8
    np.testing.assert_array_equal(image, np.full((40, 48, 3), 255, np.uint8))
    assert image.dtype == np.uint8


def test_the_lists(folder):
    everything, training, held_out = (read_scenes(folder, name) for name in ("trainval", "train", "val"))
    assert [scene.id for scene in everything] == sorted(NAMES)
    assert len(held_out) == 1
    assert sorted([*training, *held_out], key=lambda scene: scene.id) == everything
    with pytest.raises(InputError, match="has the lists train, val and trainval, not 'test'"):
        read_scenes(folder, "test")


def test_the_split(folder):
    for seed in (0, 1):
        training, held_out = split_scenes(folder, seed=seed)
        assert (len(training), len(held_out)) == (11, 1)
        assert not set(training) & set(held_out)
        assert split_scenes(folder, seed=seed) == (training, held_out)
        assert split_scenes(folder, "voc", seed=seed) == (read_scenes(folder, "train"), read_scenes(folder, "val"))
    assert len(split_scenes(folder, "voc", limit=3)[0]) == 3
    assert len(split_scenes(folder, "voc", limit=None)[0]) == 11


def test_what_is_refused(folder, tmp_path):
    def refused(message):
        for name in ("seeded", "voc"):
            with pytest.raises(InputError, match=message):
                split_scenes(other, name)
        shutil.rmtree(other)

    def copy():
        return shutil.copytree(folder, tmp_path / "other")

    other = copy()
    next((other / "masks").glob(f"{NAMES[3]}.*")).unlink()
    refused(rf"1 of 12 photographs have no mask, the first is .*{NAMES[3]}.* is needed in .*masks")
    other = copy()
    for part in ("images", "masks"):
        write_image(next((other / part).glob(f"{NAMES[4]}.*")), np.zeros((40 + 8 * (part == "masks"), 48), np.uint8))
    refused(rf"{NAMES[4]}\.png is 48x48 pixels and its photograph 48x40")
    other = copy()
    (other / "images" / f"{NAMES[0]}.webp").write_bytes(b"")
    refused("are of one name; keep one")
    other = copy()
    next((other / "images").glob(f"{NAMES[5]}.*")).write_bytes(b"no image")
    refused(rf"cannot read .*{NAMES[5]}")
    other = copy()
    shutil.rmtree(other / "images")
    (other / "images").mkdir()
    refused("images holds no images")
    other = copy()
    for name in NAMES[5:]:
        next((other / "images").glob(f"{name}.*")).unlink()
    refused("5 scenes are too few to hold a tenth out")
    other = copy()
    shutil.rmtree(other / "masks")
    refused("holds no VOC data .* nor images/ and masks/")


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such names")
def test_names_that_cannot_be_files_elsewhere(folder):
    for part in ("images", "masks"):
        shutil.copy(next((folder / part).glob(f"{NAMES[0]}.*")), folder / part / "a:b.png")
    with pytest.raises(InputError, match="'a:b' cannot be the name of a scene"):
        read_scenes(folder, "trainval")


def test_a_preview(folder, tmp_path):
    assert preview(["--voc", str(folder), "-o", str(tmp_path / "sheets"), "--size", "32", "--quiet"]) == 0
    assert len(list((tmp_path / "sheets").iterdir())) == 3


def test_training_and_fusing(folder, tmp_path, capsys):
    """Weights of one's own, the comparing network beside them, and the strategy `learned` with both."""
    voc, run, comparer = ["--voc", str(folder), "--quiet"], tmp_path / "run", tmp_path / "comparer.weights.h5"
    small = ["--variant", "light", "--transfer", "none", "--size", "32", "--epochs", "1", "--validation-pairs", "2"]
    assert train([*voc, *small, "--scenes", "6", "--pairs-per-batch", "25", "-o", str(run)]) == 0
    scenes = json.loads((run / "scenes.json").read_text())
    assert (len(scenes["train"]), len(scenes["validation"])) == (5, 1)
    weights = run / "last.weights.h5"

    beside = [*voc, "--weights", str(weights), "--steps", "1", "--pairs-per-batch", "1", "-o"]
    assert train_comparer([*beside, str(comparer)]) == 0
    code, said = fails(capsys, train_comparer, *beside, weights, "--overwrite")
    assert (code, "is one of the files that are read" in said) == (1, True)

    images = sorted((folder / "images").glob("*.*g"))[:2]
    both = ["--weights", weights, "--comparer", comparer]
    command = [*images, "--no-align", "--match-exposure", "none", "-o", tmp_path / "fused.png", *both]
    assert run_command(fuse, [str(word) for word in [*command, "--save-maps", "--quiet"]]) == 0
    assert json.loads((tmp_path / "fused-decision.json").read_text())["strategy"] == "learned"
    fused = load_fuser(weights, comparer=comparer)(*map(read_image, images))
    np.testing.assert_array_equal(fused, read_image(tmp_path / "fused.png"))

    with pytest.raises(InputError, match=r"was trained beside .*light\.weights\.h5, which .*comparer\.weights\.h5 was"):
        load_fuser(comparer=comparer)
    with pytest.raises(InputError, match=r"was trained beside .*last\.weights\.h5, which .*light-comparer\.weights"):
        load_fuser(weights, strategy="learned")
    with pytest.raises(InputError, match="comparer is for the strategy learned, not for paper"):
        load_fuser(weights, strategy="paper", comparer=comparer)
    code, said = fails(capsys, fuse, *command, "--overwrite", "--json", sidecar_path(comparer))
    assert (code, "is one of the files that are read" in said) == (1, True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--strategy", "paper"], "comparer is for the strategy learned, not for paper"),
        (["--method", "dwt"], "--comparer is for the proposed method"),
    ],
)
def test_a_comparer_that_nothing_uses(options, message, capsys):
    code, said = fails(capsys, fuse, "A.png", "B.png", "-o", "X.png", "--comparer", "C.weights.h5", *options)
    assert (code, message in said) == (2, True)
