import json
import shutil

import numpy as np
import pytest

from data.preview import main as preview
from data.runtime.errors import InputError
from data.synthesis.pipeline import PairSource
from data.synthesis.recipes import RECIPES, SynthesisSettings
from data.synthesis.voc import read_scenes, split_scenes, voc_root
from model.measurements.__main__ import main as measurements


@pytest.fixture
def source(small_voc):
    scenes, _ = split_scenes(small_voc, "voc")
    return PairSource(scenes, SynthesisSettings("photographic", 32, True), seed=3)


def test_scenes_and_their_foreground(small_voc):
    scenes = read_scenes(small_voc, "train")
    assert len(scenes) == 8
    image, mask = scenes[0].read()
    assert image.shape == (72, 96, 3)
    assert mask.shape == (72, 96)
    # A disc of radius 22, its border of index 255 included.
    assert mask.sum() == pytest.approx(np.pi * 22**2, rel=0.05)


def test_a_folder_above_is_found(small_voc):
    assert voc_root(small_voc.parent.parent) == small_voc
    with pytest.raises(InputError, match="holds no VOC data"):
        voc_root(small_voc / "JPEGImages")


@pytest.mark.parametrize("split", ["seeded", "voc"])
def test_no_scene_is_in_both_parts(small_voc, split):
    train, held_out = split_scenes(small_voc, split, seed=1)
    assert not {s.id for s in train} & {s.id for s in held_out}
    assert (len(train), len(held_out)) == ((9, 1) if split == "seeded" else (8, 2))


def test_vocs_own_lists_can_be_cut_short(small_voc):
    train, held_out = split_scenes(small_voc, "voc")
    few, the_same = split_scenes(small_voc, "voc", seed=3, limit=5)
    assert the_same == held_out
    assert len({scene.id for scene in few}) == 5
    assert set(few) < set(train)
    assert few != split_scenes(small_voc, "voc", seed=4, limit=5)[0]
    assert split_scenes(small_voc, "voc", limit=8)[0] == train


def test_the_seeded_draw(small_voc):
    draw = [[s.id for s in split_scenes(small_voc, seed=seed, limit=6)[0]] for seed in (1, 1, 2)]
    assert draw[0] == draw[1] != draw[2]
    assert len(draw[0]) == 5
    with pytest.raises(InputError, match="too few"):
        split_scenes(small_voc, limit=3)


def test_an_epoch_holds_every_scene_at_every_level(source):
    assert len(source) == 40
    assert sorted(source.order(0)) == list(range(40))
    assert list(source.order(0)) != list(source.order(1))
    assert source.batches_per_epoch(3) == 13


def test_batches(source):
    images, labels = next(iter(source.batches(0, 4)))
    assert images.shape == (8, 32, 32, 3)
    assert labels.shape == (8, 32, 32, 1)
    np.testing.assert_array_equal(labels[:4] + labels[4:], np.ones((4, 32, 32, 1)))
    first = source.pair(0, int(source.order(0)[0]))
    np.testing.assert_array_equal(images[0], first.near)
    np.testing.assert_array_equal(images[4], first.far)
    np.testing.assert_array_equal(labels[0, ..., 0], first.label)


def test_batches_go_on_where_a_run_stopped(source):
    whole = [images.numpy() for images, _ in source.batches(2, 4)]
    rest = [images.numpy() for images, _ in source.batches(2, 4, first_batch=7)]
    assert len(whole) == 10
    np.testing.assert_array_equal(whole[7:], rest)


def test_validation_pairs_are_fixed_and_spread(source):
    one, two = (list(source.validation_pairs(12)) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a.near, b.near)
    assert len(list(source.validation_pairs())) == 40
    assert len(list(source.validation_pairs(1000))) == 40


def test_a_damaged_photograph_is_named(small_voc, tmp_path):
    root = tmp_path / "VOC2012"
    shutil.copytree(small_voc, root)
    scenes, _ = split_scenes(root, "voc")
    scenes[2].image_path.write_bytes(scenes[2].image_path.read_bytes()[:900])
    source = PairSource(scenes, SynthesisSettings(size=32))
    with pytest.raises(InputError, match=f"{scenes[2].id}.jpg"):
        list(source.batches(0, 4))


def test_missing_and_unequal_files_are_named(small_voc, tmp_path):
    root = tmp_path / "VOC2012"
    shutil.copytree(small_voc, root)
    masks = root / "SegmentationClass"
    shutil.copy(masks / "2007_000003.png", masks / "2007_000001.png")
    with pytest.raises(InputError, match=r"2007_000001\.png is 96x84 pixels and its photograph 96x76"):
        read_scenes(root, "train")[1].read()
    (masks / "2007_000001.png").unlink()
    with pytest.raises(InputError, match=r"1 files .* are missing, the first is .*2007_000001\.png"):
        read_scenes(root, "train")
    (root / "ImageSets" / "Segmentation" / "train.txt").write_text("")
    with pytest.raises(InputError, match="names no scene"):
        read_scenes(root, "train")


def test_preview_writes_contact_sheets(small_voc, tmp_path, capsys):
    from data.io.image_io import read_image

    assert preview(["--voc", str(small_voc), "-o", str(tmp_path / "sheets"), "--scenes", "2", "--size", "64"]) == 0
    written = sorted((tmp_path / "sheets").iterdir())
    assert [str(path) for path in written] == sorted(capsys.readouterr().out.split())
    sheet = read_image(written[0])
    assert sheet.shape == (5 * 68 + 14, 4 * 68 - 4, 3)
    assert sheet[:14].max() == 255  # names of the columns


def test_real_voc_scenes(voc):
    train, held_out = split_scenes(voc, "voc")
    assert (len(train), len(held_out)) == (841, 100)
    pair = PairSource(held_out, SynthesisSettings("photographic", 160, True)).pair(0, 7)
    assert pair.near.shape == (160, 160, 3)
    assert 0 < pair.label.mean() < 1


def test_kept_photographs_give_the_same_pairs(small_voc, monkeypatch):
    scenes = read_scenes(small_voc, "train")
    settings = SynthesisSettings("photographic", 32, crop=True)
    plain, kept = PairSource(scenes, settings, 3), PairSource(scenes, settings, 3, cache=True)
    for index in (0, 7, 7):
        for name in ("near", "far", "label"):
            np.testing.assert_array_equal(getattr(plain.pair(1, index), name), getattr(kept.pair(1, index), name))
    monkeypatch.setattr("data.synthesis.scene.Scene.read", lambda *_: pytest.fail("read again"))
    kept.pair(2, 7)


def test_benchmark(small_voc, capsys):
    assert measurements(["throughput", "--voc", str(small_voc), "--pairs", "2", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["recipe"], row["cached"]) for row in rows] == [
        (recipe, cached) for recipe in RECIPES for cached in (False, True)
    ]
    assert all(row["cores"] > 0 and row["samples_per_second"] > 0 for row in rows)
    assert measurements(["throughput", "--voc", str(small_voc), "--pairs", "2", "--quiet"]) == 0
    assert "| paper | once, kept |" in capsys.readouterr().out
