"""The field's common metrics beside the paper's five: hand-worked values, and those of published implementations.

The anchors are what the authors' own or Z. Liu's published MATLAB code gave in GNU Octave 7.3 for `drawn()`, which
anyone can make again.
"""

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import evaluate
from data.demo import rendered_scene
from data.io.image_io import write_image
from metrics import METRICS, compute, get_metric
from metrics.color import to_gray
from metrics.features import feature_information
from metrics.information import nonlinear_correlation
from metrics.perception import chen_blum, visual_information
from metrics.phase import phase_congruency_quality
from metrics.statistics import entropy, standard_deviation
from metrics.structure import multi_scale_ssim, yang

OF_SOURCES = ("q_y", "q_cb", "q_ncie", "q_p", "viff", "fmi", "ms_ssim")


@pytest.fixture(scope="module")
def drawn():
    """Two photographs of a rendered scene, and the first of them beside the mean of both; (193, 180) uint8 gray."""
    near, far = (to_gray(image[60:253, 90:270]) for image in rendered_scene().photographs())
    fused = np.where(np.arange(180) < 100, near, near // 2 + far // 2).astype(np.uint8)
    for image in (near, far, fused):
        image[0, :2] = 0, 255  # so that stretching, whose rounding is not the same everywhere, changes nothing
    return near, far, fused


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (chen_blum, 0.7053536440),
        (yang, 0.9314211131),
        (nonlinear_correlation, 0.8226690395),
        (visual_information, 0.7181011759),
        (phase_congruency_quality, 0.8426893503),
    ],
)
def test_published_implementations(metric, expected, drawn):
    near, far, fused = drawn
    assert metric((near, far), fused) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("variant", "expected"), [("pixel", 0.2594645440), ("gradient", 0.1944302940)])
def test_feature_information(variant, expected, drawn):
    near, far, fused = drawn
    sources = near[:60, :50], far[:60, :50]
    assert feature_information(sources, fused[:60, 80:130], variant) == pytest.approx(expected, abs=1e-9)


def test_similarity_at_five_scales_is_tensorflows(drawn):
    """Of sides that can be halved four times: TensorFlow fills up odd ones."""
    near, far, fused = (image[:176, :176] for image in drawn)
    theirs = [
        float(tf.image.ssim_multiscale(*(tf.constant(x[None, ..., None], tf.float32) for x in (one, fused)), 255)[0])
        for one in (near, far)
    ]
    assert multi_scale_ssim((near, far), fused) == pytest.approx(np.mean(theirs), abs=1e-5)


def test_by_hand():
    four = np.repeat(np.uint8([[10, 20], [30, 40]]), 8, 0)
    assert entropy(four) == 2
    assert entropy(np.full((4, 4), 7, np.uint8)) == 0
    assert standard_deviation(four) == pytest.approx(np.sqrt((15**2 + 5**2 + 5**2 + 15**2) / 4))
    # Three equal images of two levels: all correlations are 1 bit of 8, a third of the eigenvalues 1 + 2/8 and 1 - 1/8.
    halves = np.repeat(np.uint8([[0, 255]]), 8, 0)
    shares = np.array([1.25, 0.875, 0.875]) / 3
    expected = 1 + (shares * np.log2(shares)).sum() / 8
    assert nonlinear_correlation((halves, halves), halves) == pytest.approx(expected)


@pytest.mark.parametrize("name", OF_SOURCES)
def test_what_equals_its_sources_is_perfect(name, drawn):
    near = drawn[0]
    perfect = pytest.approx(1, abs=0.02)  # of Q_P and VIFF, constants against division by zero leave a little
    if name == "q_ncie":  # which counts what all share, and is less the fewer levels there are
        assert compute(name, near, near, near) > compute(name, near, drawn[1], near)
    else:
        assert compute(name, near, near, near) == perfect


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_sources_may_be_swapped_and_doubled(seed):
    rng = np.random.default_rng(seed)
    near, far, fused = rng.integers(0, 256, (3, 64, 66)).astype(np.uint8)
    for name in ("q_y", "q_cb", "q_ncie", "q_p", "fmi"):
        one = compute(name, near, far, fused)
        assert compute(name, far, near, fused) == pytest.approx(one, abs=1e-9), name
    for metric in (chen_blum, phase_congruency_quality):
        assert metric((near, far, far), fused) <= 1


@pytest.mark.parametrize("name", ["q_cb", "viff", "q_p"])
def test_worse_fusion_scores_less(name, drawn):
    near, far, fused = drawn
    worse = np.where(np.indices(fused.shape).sum(0) % 7, np.uint8(fused.mean()), fused)
    assert compute(name, near, far, fused) > compute(name, near, far, worse)


def test_small_images_are_undefined():
    small = np.random.default_rng(0).integers(0, 256, (10, 10), dtype=np.uint8)
    for metric in (yang, visual_information, multi_scale_ssim):
        assert np.isnan(metric((small, small), small))
    flat = np.full((64, 64), 9, np.uint8)
    assert np.isnan(phase_congruency_quality((flat, flat), flat))


def test_another_name_of_q_abf(drawn):
    assert get_metric("q_g") is METRICS["q_abf"]
    assert compute("q_g", *drawn) == compute("q_abf", *drawn)


def test_sets_of_metrics_on_the_command_line(tmp_path, drawn, capsys):
    for name, image in zip(("s/a-A.png", "s/a-B.png", "f/a.png"), drawn, strict=True):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, image)
    command = [
        "--source",
        str(tmp_path / "s"),
        "--fused",
        f"x={tmp_path / 'f'}",
        "-o",
        str(tmp_path),
        "--quiet",
        "--overwrite",
    ]
    assert evaluate.main([*command, "--metrics", "q_g,q_y", "paper", "en"]) == 0
    rows = (tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == ["q_abf", "q_y", "q_sf", "q_labf", "q_mi", "q_ag", "en"]
    assert evaluate.main([*command, "--metrics", "all"]) == 0
    rows = (tmp_path / "summary.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [row.split(",")[1] for row in rows] == [name for name in METRICS if not METRICS[name].needs_reference]
