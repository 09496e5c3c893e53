"""The registry of metrics, and the scorer that computes several of them with shared work."""

import pickle
import subprocess
import sys

import numpy as np
import pytest

import metrics
from metrics import METRICS, PAPER_METRICS, Scorer, benchmark, compute, compute_all, resolve_variants
from tests.conftest import REPOSITORY


def random_image(seed):
    return np.random.default_rng(seed).integers(0, 256, (180, 176, 3)).astype(np.uint8)


def test_registry_is_complete():
    assert tuple(METRICS)[:5] == PAPER_METRICS == ("q_sf", "q_abf", "q_labf", "q_mi", "q_ag")
    known = (*PAPER_METRICS, "n_abf", "psnr", "ssim")
    assert [name for name in known if METRICS[name].needs_reference] == ["psnr", "ssim"]
    assert [name for name in known if not METRICS[name].larger_is_better] == ["q_labf", "n_abf"]
    assert METRICS["q_labf"].variants == ("xydeas-lt", "xydeas-le", "liu-lt", "liu-le", "kumar-lt", "kumar-le")
    assert METRICS["n_abf"].variants[0] == "xydeas-le"
    for metric in METRICS.values():
        assert metric.source and metric.title in metric.help and metric.range[0] < metric.range[1]


def test_public_names_are_loaded_on_first_use():
    assert all(getattr(metrics, name) is not None for name in metrics.__all__)
    with pytest.raises(AttributeError, match="no attribute 'q_abf'"):
        _ = metrics.q_abf
    code = "import sys, metrics.checks; print([name for name in ('scipy', 'pywt', 'cv2') if name in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", code], cwd=REPOSITORY, text=True).strip() == "[]"


def test_other_processes_get_the_same_metrics():
    assert pickle.loads(pickle.dumps(METRICS)) == METRICS


def test_an_alias_chooses_a_variant_too():
    assert resolve_variants(["q_abf"], {"q_g": "kumar"}) == {METRICS["q_abf"]: "kumar"}


def test_every_variant_of_every_metric_is_in_its_range():
    near, far, fused = random_image(14), random_image(15), random_image(16)
    for name, metric in METRICS.items():
        for variant in metric.variants:
            reference = near if metric.needs_reference else None
            value = compute(name, near, far, fused, variant, reference=reference)
            assert metric.range[0] <= value <= metric.range[1], (name, variant)


def test_compute_all_equals_the_single_metrics():
    near, far, fused = random_image(17), random_image(18), random_image(19)
    variants = {"q_abf": "kumar", "q_labf": "kumar-le", "n_abf": "kumar-le", "q_mi": "hossny"}
    together = compute_all(near, far, fused, variants, reference=near)
    assert list(together) == list(METRICS)
    assert together["q_abf"] + together["q_labf"] + together["n_abf"] == pytest.approx(1, abs=1e-12)
    for name, value in together.items():
        reference = near if METRICS[name].needs_reference else None
        assert compute(name, near, far, fused, variants.get(name), reference=reference) == value
    assert "psnr" not in compute_all(near, far, fused)


def test_rgb_is_the_mean_over_channels():
    near, far, fused = random_image(20), random_image(21), random_image(22)
    planes = [compute_all(near[..., c], far[..., c], fused[..., c]) for c in range(3)]
    for name, value in compute_all(near, far, fused, color="rgb").items():
        assert value == pytest.approx(np.mean([plane[name] for plane in planes])), name


def test_one_scorer_serves_many_fused_images():
    near, far = random_image(23), random_image(24)
    scorer = Scorer((near, far))
    for fused in (near, far, random_image(25)):
        assert scorer.score(fused) == compute_all(near, far, fused)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda i: compute("q_abff", i, i, i), "did you mean 'q_abf'"),
        (lambda i: compute("q_abf", i, i, i, "xydaes"), "variant of q_abf 'xydaes' is unknown: did you mean 'xydeas'"),
        (
            lambda i: compute_all(i, i, i, {"q_labf": "lt"}),
            "Known: xydeas-lt, xydeas-le, liu-lt, liu-le, kumar-lt, ",
        ),
        (lambda i: compute_all(i, i, i, {"sharpness": "half"}), "metric 'sharpness' is unknown"),
        (lambda i: compute_all(i, i, i, color="lab"), "color mode 'lab' is unknown"),
        (lambda i: compute("psnr", i, i, i), "needs a reference"),
        (lambda i: compute("q_sf", i, i, i[:9]), r"shape \(9, 176, 3\), but its sources have \(180, 176, 3\)"),
        (lambda i: compute("q_sf", i, i[:9], i), r"source 1 \(180, 176, 3\), source 2 \(9, 176, 3\)"),
        (lambda i: compute("psnr", i, i, i, reference=i[..., 0]), r"reference \(180, 176\), fused \(180, 176, 3\)"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_sentence(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call(random_image(26))


def test_benchmark_prints_every_metric_and_the_total(capsys):
    assert benchmark.main(["--size", "32", "--repeats", "1"]) == 0
    printed = capsys.readouterr().out
    assert all(metric.symbol in printed for metric in METRICS.values())
    assert "all five" in printed and "32 x 32" in printed
