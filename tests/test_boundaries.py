"""Decision boundaries that are moved by Q_ABF."""

import cv2
import numpy as np
import pytest

from data.imaging import boundaries
from data.imaging.boundaries import align_boundaries
from metrics import compute
from metrics.edges import EdgeTransfer
from tests.conftest import drawn_photograph


@pytest.fixture
def pair():
    """Sharp on the left and on the right of column 60."""
    sharp = cv2.GaussianBlur(drawn_photograph(np.random.default_rng(0), 80, 120), (0, 0), 0.7)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 4)
    left = np.arange(120)[None, :, None] < 60
    return np.where(left, sharp, blurred), np.where(left, blurred, sharp)


def straight(column):
    return (np.arange(120)[None] >= column).astype(np.uint8).repeat(80, 0)


def test_what_q_abf_sums_up(pair):
    """Q_ABF is its sum over one and the same number, whatever is fused."""
    edges = EdgeTransfer(*pair)
    images = (*pair, pair[0] // 2, np.where(straight(57)[..., None], *pair))
    sums = [edges.preserved(image).sum() for image in images]
    scores = [compute("q_abf", *pair, image) for image in images]
    np.testing.assert_allclose(np.divide(sums, sums[0]), np.divide(scores, scores[0]), rtol=1e-9)
    assert np.ptp(scores) > 0.2  # they are not all alike
    # A step of 200 that one source shows and the result keeps: 0.97479 (see test_decision.py) of a gradient of 4 * 200.
    step = np.repeat(np.uint8([[0] * 8 + [200] * 8]), 16, 0)
    kept = EdgeTransfer(step, np.zeros_like(step)).preserved(step)
    np.testing.assert_allclose(kept[8, 6:10], [0, 779.83, 779.83, 0], atol=0.01)


@pytest.mark.parametrize("column", [57, 61, 63])
def test_a_boundary_moves_to_where_sharpness_changes(pair, column):
    aligned = align_boundaries(pair, straight(column))
    assert np.mean(aligned != straight(60)) < 0.5 * np.mean(straight(column) != straight(60))
    fused = [np.where(labels[..., None], pair[1], pair[0]) for labels in (straight(column), aligned)]
    assert compute("q_abf", *pair, fused[1]) > compute("q_abf", *pair, fused[0])


def test_a_right_outline_stays(pair):
    assert np.mean(align_boundaries(pair, straight(60)) != straight(60)) < 0.01


def test_what_does_not_gain_enough_stays(pair):
    np.testing.assert_array_equal(align_boundaries(pair, straight(57), least_gain=1e9), straight(57))


def test_flat_images_and_single_labels_stay():
    flat = np.full((40, 50), 90, np.uint8)
    labels = np.zeros((40, 50), np.uint8)
    labels[10:20] = 1
    np.testing.assert_array_equal(align_boundaries((flat, flat), labels), labels)
    np.testing.assert_array_equal(align_boundaries((flat, flat + 9), labels * 0), labels * 0)


def test_blocks_give_what_one_block_gives_but_for_pieces_they_cut(pair, monkeypatch):
    whole = align_boundaries(pair, straight(57))
    monkeypatch.setattr(boundaries, "ALIGNMENT_BLOCK", 32)
    assert np.mean(align_boundaries(pair, straight(57)) != whole) < 0.02


def test_16_bits_are_as_8(pair):
    wide = [image.astype(np.uint16) * 257 for image in pair]
    assert np.mean(align_boundaries(wide, straight(57)) != align_boundaries(pair, straight(57))) < 0.01
