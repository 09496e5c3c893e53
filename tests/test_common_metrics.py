"""The field's common metrics beside the paper's five: hand-worked values, and those of published implementations.

The anchors are what the authors' own or Z. Liu's published MATLAB code (and Y. Liu's corrections of it, MFIF 2019) gave
in GNU Octave 7.3 for `drawn()` and images made from it, which anyone can make again. Of Q_Y and Q_C the variances and
covariances were computed as means of products of differences: as published, E[x^2] - E[x]^2 leaves errors of rounding
in flat windows, which the quotients blow up (Q_Y 1.678 in place of .990 for lytro-14).
"""

import cv2
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

import evaluate
from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from metrics import METRICS, Scorer, compute, compute_all, get_metric, phase
from metrics.color import to_gray
from metrics.features import feature_information
from metrics.information import nonlinear_correlation
from metrics.perception import chen_blum
from metrics.phase import phase_congruency_quality
from metrics.statistics import entropy, standard_deviation
from metrics.structure import multi_scale_ssim, yang
from metrics.visual_information import visual_information
from tests.conftest import drawn_photograph

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


COLUMNS = (
    ("q_y", "liu"), ("q_abf", "liu"), ("q_s", "uiqi"), ("q_w", "uiqi"), ("q_e", "uiqi"), ("q_s", "ssim"),
    ("q_w", "ssim"), ("q_e", "ssim"), ("q_c", "liu"), ("q_cv", "liu"), ("q_te", "cvejic"), ("q_te", "nava"),
    ("ei", "sobel"), ("scd", "sum"), ("ssim_sources", "mean"), ("q_cb", "liu"), ("q_ncie", "liu"),
)  # fmt: skip
PUBLISHED = {
    "dark": (
        0.8866216057, 0.4978856695, 0.7020836605, 0.6869788942, 0.3126381206, 0.9852463614,
        0.9594435563, 0.6098503096, 0.7612227006, 1.2940546032, 9.0522702403, 0.3670566069,
        3.5237224015, 0.4413109306, 0.9883595232, 0.6974005780, 0.8079196652,
    ),
    "drawn": (
        0.9314211131, 0.5453554023, 0.7635295132, 0.6999789598, 0.3181443734, 0.7994924943,
        0.6442622249, 0.2881179335, 0.7961723528, 192.4242977112, 37.8962709547, 0.3613665231,
        53.2871163170, 0.5529440421, 0.7791254610, 0.7053536440, 0.8226690395,
    ),
    "lytro-05": (
        0.9734503143, 0.7196314388, 0.8611449772, 0.9227479958, 0.8384977708, 0.9290427881,
        0.9199113712, 0.8403251452, 0.7748160406, 25.1197449712, 77.9598790536, 0.4007371997,
        65.5855467477, 0.6894028120, 0.8620907172, 0.7630307596, 0.8440264492,
    ),
    "lytro-14": (
        0.9895485489, 0.7723677584, 0.8581036506, 0.9319797226, 0.8963925303, 0.9486689264,
        0.9467909594, 0.9171294524, 0.7828620515, 7.3995998596, 80.2024506978, 0.3875092127,
        66.5855637855, 0.5660660035, 0.8129631663, 0.7887112516, 0.8396840249,
    ),
    "saturated": (
        0.9235056380, 0.5657671158, 0.7689333281, 0.8085846269, 0.5440612307, 0.7451733548,
        0.7607415274, 0.4978718157, 0.8015628446, 430.4518846911, 22.7145635574, 0.3466494230,
        121.6940791498, 0.7967648453, 0.6949314151, 0.7352137402, 0.8166465217,
    ),
    "small": (
        0.8739744435, 0.5778101703, 0.5821573288, 0.5265665152, 0.2464549988, 0.6287091085,
        0.5035358071, 0.1562372002, 0.6694476725, 75.8616857732, 27.5900921285, 0.4179070880,
        40.4851225041, 0.5933913959, 0.6907341815, 0.7667067358, 0.8190242694,
    ),
}  # fmt: skip
LOOSE = {
    ("saturated", "q_e", "ssim"): 1e-7,
    ("lytro-14", "q_e", "ssim"): 1e-8,
    ("lytro-05", "q_c", "liu"): 1e-4,
    ("lytro-14", "q_c", "liu"): 3e-4,
}
"""Relative tolerances where the published code itself depends on rounding: flat windows, covariances that cancel."""
VIF = {"dark": 1.3868468686, "drawn": 1.1204572981, "saturated": 0.9564521113, "lytro-14": 1.3107450177}
"""Of the published Python version of `vifp_mscale`, summed over the sources."""


def like_photograph(kind, drawn):
    """The drawn images darkened, saturated at both ends, or cut to 40 x 32; again with both ends in the corner."""
    images = {
        "drawn": lambda image: image.copy(),
        "saturated": lambda image: np.clip(image.astype(int) * 3 - 150, 0, 255).astype(np.uint8),
        "dark": lambda image: image // 16,
        "small": lambda image: image[40:72, 80:120].copy(),
    }
    changed = [images[kind](image) for image in drawn]
    for image in changed:
        image[0, :2] = 0, 255
    return changed


def require_published(kind, near, far, fused):
    for (name, variant), expected in zip(COLUMNS, PUBLISHED[kind], strict=True):
        tolerance = LOOSE.get((kind, name, variant), 1e-9)
        near_enough = pytest.approx(expected, rel=tolerance, abs=1e-9)
        assert compute(name, near, far, fused, variant) == near_enough, (name, variant)
    if kind in VIF:
        assert compute("vif", near, far, fused) == pytest.approx(VIF[kind], abs=1e-9)


@pytest.mark.parametrize("kind", ["drawn", "saturated", "dark", "small"])
def test_published_values_of_ordinary_and_difficult_images(kind, drawn):
    require_published(kind, *like_photograph(kind, drawn))


@pytest.mark.parametrize("pair", ["lytro-05", "lytro-14"])
def test_published_values_of_photographs(pair, lytro, lytro_fused):
    """Results of CNN on photographs with saturated sky."""
    (path,) = (lytro_fused / "CNN").glob(f"{pair}.*")
    paths = (lytro / f"{pair}-A.jpg", lytro / f"{pair}-B.jpg", path)
    require_published(pair, *(to_gray(read_image(path)) for path in paths))


def test_every_metric_stays_in_its_range_on_photographs(lytro):
    """Sources, their average and a mixture as results, of pairs with saturated and dark parts: none is undefined."""
    for number in (3, 5, 12, 14):
        near, far = (read_image(lytro / f"lytro-{number:02d}-{side}.jpg")[::2, ::2] for side in "AB")
        average = (near // 2 + far // 2).astype(np.uint8)
        for fused in (near, average) if number != 14 else (far, np.where(np.arange(260)[:, None] < 120, near, far)):
            for name, value in compute_all(near, far, fused).items():
                low, high = METRICS[name].range
                assert low - 1e-12 <= value <= high + 1e-12, (number, name, value)


@pytest.mark.parametrize("kind", ["saturated", "dark"])
@pytest.mark.parametrize("result", ["source", "average", "black", "white"])
def test_every_metric_stays_in_its_range_on_difficult_images(kind, result, drawn):
    near, far, _ = (image[:176, :176] for image in like_photograph(kind, drawn))
    fused = {"source": near, "average": near // 2 + far // 2, "black": near * 0, "white": near * 0 + 255}[result]
    undefined = {"q_cb", "q_p", "fmi"} if result in ("black", "white") else set()
    for name, value in compute_all(near, far, fused).items():
        low, high = METRICS[name].range
        assert low - 1e-12 <= value <= high + 1e-12 or (np.isnan(value) and name in undefined), (name, value)


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


BY_WINDOWS = ("q_y", "ms_ssim", "q_s", "q_w", "q_e", "q_c", "ssim_sources", "viff", "vif", "q_p")
"""Metrics that look at windows in bands of rows."""


def a_large_enough_pair():
    rng = np.random.default_rng(3)
    scene = drawn_photograph(rng, 197, 230)
    blurred = cv2.GaussianBlur(scene, (0, 0), 2)
    left = np.arange(230)[None, :, None] < 115
    return (np.where(left, scene, blurred), np.where(left, blurred, scene)), scene


def test_bands_of_rows_change_nothing(monkeypatch):
    sources, fused = a_large_enough_pair()
    whole = Scorer(sources).score(fused, BY_WINDOWS)
    monkeypatch.setattr("metrics.windows._BAND", 1)  # a row of windows at a time
    assert Scorer(sources).score(fused, BY_WINDOWS) == pytest.approx(whole, rel=1e-12)


def test_large_images_are_transformed_in_single_precision(monkeypatch):
    sources, fused = a_large_enough_pair()
    double = Scorer(sources).score(fused, ["q_p"])["q_p"]
    monkeypatch.setattr("metrics.phase._SMALL", 1000)
    monkeypatch.setattr("metrics.scoring.LARGE", 1000)
    phase._noise_of_filters.cache_clear()
    single = Scorer(sources).score(fused, ["q_p"])["q_p"]
    phase._noise_of_filters.cache_clear()
    assert single != double and single == pytest.approx(double, rel=1e-5)
