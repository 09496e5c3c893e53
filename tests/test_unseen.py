"""The set with unseen defocus, and its measurement."""

import json

import numpy as np
import pytest

from data.io.image_io import read_image
from data.synthesis.blur import ring_kernel
from data.unseen import KINDS, read_unseen
from data.unseen import main as make_unseen
from model.measurements.__main__ import main as measure_unseen


def test_a_ring_by_hand():
    kernel = ring_kernel(6.0)
    assert kernel.sum() == pytest.approx(1, rel=1e-5)
    half = kernel.shape[0] // 2
    y, x = np.mgrid[-half : half + 1, -half : half + 1]
    distance = np.hypot(x, y)
    assert kernel[distance < 2.4].max() < 0.01 * kernel.max()
    # 3/4 of the disc's area shares the light: 1 / (0.75 * pi * 36).
    assert np.median(kernel[(distance > 3.6) & (distance < 5.4)]) == pytest.approx(1 / (27 * np.pi), rel=0.03)
    assert kernel[distance > 6.6].max() == 0


@pytest.mark.parametrize("kind", KINDS)
def test_the_set_is_made_read_and_measured(kind, small_voc, tmp_path, capsys):
    arguments = ["--voc", str(small_voc), "--quiet", "--count", "2", "--kind", kind, "-o"]
    assert make_unseen([*arguments, str(tmp_path / "one")]) == 0
    assert make_unseen([*arguments, str(tmp_path / "other")]) == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.png"))
    assert len(files) == 8
    for file in files:
        np.testing.assert_array_equal(read_image(tmp_path / "one" / file), read_image(tmp_path / "other" / file))
    for pair in read_unseen(tmp_path / "one"):
        assert 0 < pair.label.mean() < 1
        near, far = (np.abs(view.astype(int) - pair.reference).mean(-1) for view in (pair.near, pair.far))
        assert near[pair.label == 1].mean() > far[pair.label == 1].mean()
        assert far[pair.label == 0].mean() > near[pair.label == 0].mean()
    assert measure_unseen(["unseen", str(tmp_path / "one"), "--json", "--methods", "dwt", "mst-sr"]) == 0
    table = json.loads(capsys.readouterr().out)
    assert {"paper", "refined", "learned", "better source", "true labels", "DWT"} < set(table)
    for strategy in ("refined", "learned"):
        assert 0 <= table[strategy]["iou"] <= table[strategy]["accuracy"] <= 1
    assert measure_unseen(["unseen", str(tmp_path / "one"), "--quiet", "--methods", "pca"]) == 0
    assert "| refined |" in capsys.readouterr().out


def test_without_noise_and_compression_each_pixel_is_exact_in_one_source(small_voc, tmp_path):
    assert make_unseen(["--voc", str(small_voc), "--quiet", "--count", "2", "--clean", "-o", str(tmp_path)]) == 0
    for pair in read_unseen(tmp_path):
        errors = [np.abs(view.astype(int) - pair.reference).max(-1) for view in (pair.near, pair.far)]
        assert np.minimum(*errors).max() <= 1
        assert np.maximum(*errors).mean() > 3


def test_quality_against_computation(small_voc, tmp_path, capsys):
    assert make_unseen(["--voc", str(small_voc), "--quiet", "--count", "1", "-o", str(tmp_path / "one")]) == 0
    assert measure_unseen(["frontier", str(tmp_path / "one"), "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["points"]
    assert len(points) == 8
    products = {title: round(row["products"]) for title, row in points.items()}
    # A look at half the size takes a quarter of the products, twice for two photographs.
    quarter, half = products["network at a quarter of the size"], products["network at half the size"]
    assert half == pytest.approx(4 * quarter, abs=1)
    learned = products["comparison, network at a quarter of the size: `learned`"]
    assert learned == pytest.approx(products["comparison alone"] + quarter, abs=1)
    assert all(20 < value < 60 for row in points.values() for value in row["psnr"])
    assert measure_unseen(["frontier", str(tmp_path / "one"), "--quiet"]) == 0
    assert "| comparison alone |" in capsys.readouterr().out
