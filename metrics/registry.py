"""What is known of every metric: names, variants, direction, range, source, and the function that computes it."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf

import numpy as np

from metrics.checks import require_known
from metrics.edge_models import EDGE_MODELS
from metrics.edges import LOSS_RULES, EdgeTransferScores
from metrics.information import MI_VARIANTS, mutual_information
from metrics.reference import psnr, ssim
from metrics.sharpness import AG_VARIANTS, average_gradient, spatial_frequency


@dataclass(frozen=True)
class FusedPlane:
    """One plane of a fused image with the same plane of its sources, and the work that several metrics share.

    Attributes:
        near: `(H, W)`, as `to_planes` gives it.
        far: The same.
        fused: The same.
        reference: The same, or None where there is no ground truth.
        edge_scores: Edge model to Q, L and N of the fused plane, computed once.
    """

    near: np.ndarray
    far: np.ndarray
    fused: np.ndarray
    reference: np.ndarray | None
    edge_scores: Callable[[str], EdgeTransferScores]


@dataclass(frozen=True)
class Metric:
    """One metric of the registry.

    Attributes:
        name: Key in the registry and in results.
        symbol: How plain-text and Markdown tables name it.
        latex: How LaTeX tables name it.
        title: What it measures, in a few words.
        source: Literature.
        variants: Published variants, the default first; their values are not comparable.
        range: Smallest and largest value for images in 0..255.
        score: Computes one variant on one plane.
        larger_is_better: Direction.
        needs_reference: Whether it compares with a ground-truth image in place of the sources.
        decibels: Whether the mean over color channels is taken of the powers (one mean squared error for all).
    """

    name: str
    symbol: str
    latex: str
    title: str
    source: str
    variants: tuple[str, ...]
    range: tuple[float, float]
    score: Callable[[FusedPlane, str], float]
    larger_is_better: bool = True
    needs_reference: bool = False
    decibels: bool = False

    @property
    def arrow(self) -> str:
        """Direction as tables print it."""
        return "↑" if self.larger_is_better else "↓"

    @property
    def help(self) -> str:
        """One line for a listing."""
        low, high = self.range
        needs = "; needs a reference" if self.needs_reference else ""
        return (
            f"{self.title}; {low:g}..{high:g} {self.arrow}; variants: {', '.join(self.variants)}{needs}; {self.source}"
        )


_LOSS_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in LOSS_RULES)
"""Edge model and rule, for the loss."""

_ARTIFACT_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in reversed(LOSS_RULES))
"""The same for artifacts: under "lt" the shortfall of exactly copied gradients counts as artifacts, and the best
decision-map methods would show the most of them. Q + L + N = 1 needs one rule for L and N."""

_STEEPEST = 255.0 * 2.0**0.5
"""The largest gradient, between black and white in both directions."""


def _score_l_abf(plane: FusedPlane, variant: str) -> float:
    model, rule = variant.split("-")
    return plane.edge_scores(model).l_abf[rule]


def _score_n_abf(plane: FusedPlane, variant: str) -> float:
    model, rule = variant.split("-")
    return plane.edge_scores(model).n_abf[rule]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "q_sf",
            "Q_SF",
            "$Q_{SF}$",
            "spatial frequency",
            "Eskicioglu & Fisher 1995",
            variants=("eskicioglu",),
            range=(0.0, _STEEPEST),
            score=lambda plane, _: spatial_frequency(plane.fused),
        ),
        Metric(
            "q_abf",
            "Q_ABF",
            "$Q^{AB/F}$",
            "edge transfer",
            "Xydeas & Petrovic 2000",
            variants=tuple(EDGE_MODELS),
            range=(0.0, 1.0),
            score=lambda plane, variant: plane.edge_scores(variant).q_abf,
        ),
        Metric(
            "q_labf",
            "Q_LABF",
            "$Q^{LAB/F}$",
            "loss of edge information",
            "Petrovic & Xydeas 2005",
            variants=_LOSS_VARIANTS,
            range=(0.0, 1.0),
            score=_score_l_abf,
            larger_is_better=False,
        ),
        Metric(
            "q_mi",
            "Q_MI",
            "$Q_{MI}$",
            "mutual information",
            "Qu, Zhang & Yan 2002; Hossny, Nahavandi & Creighton 2008",
            variants=MI_VARIANTS,
            range=(0.0, 16.0),
            score=lambda plane, variant: mutual_information(plane.near, plane.far, plane.fused, variant),
        ),
        Metric(
            "q_ag",
            "Q_AG",
            "$Q_{AG}$",
            "average gradient",
            "Cui et al. 2015",
            variants=AG_VARIANTS,
            range=(0.0, _STEEPEST),
            score=lambda plane, variant: average_gradient(plane.fused, variant),
        ),
        Metric(
            "n_abf",
            "N_ABF",
            "$N^{AB/F}$",
            "artifacts",
            "Petrovic & Xydeas 2005",
            variants=_ARTIFACT_VARIANTS,
            range=(0.0, 1.0),
            score=_score_n_abf,
            larger_is_better=False,
        ),
        Metric(
            "psnr",
            "PSNR (dB)",
            "PSNR (dB)",
            "peak signal-to-noise ratio",
            "definition",
            variants=("peak-255",),
            range=(0.0, inf),
            score=lambda plane, _: psnr(plane.reference, plane.fused),
            needs_reference=True,
            decibels=True,
        ),
        Metric(
            "ssim",
            "SSIM",
            "SSIM",
            "structural similarity",
            "Wang, Bovik, Sheikh & Simoncelli 2004",
            variants=("gaussian-11",),
            range=(-1.0, 1.0),
            score=lambda plane, _: ssim(plane.reference, plane.fused),
            needs_reference=True,
        ),
    )
}
"""Every metric by its name."""

PAPER_METRICS = ("q_sf", "q_abf", "q_labf", "q_mi", "q_ag")
"""The five that the paper reports, in its order."""


def get_metric(name: str) -> Metric:
    """Looks a metric up.

    Raises:
        ValueError: No such metric; the message offers the nearest name and lists all.
    """
    require_known("metric", name, METRICS)
    return METRICS[name]


def resolve_variants(names: Iterable[str], variants: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variant of each metric in `names`, in their order.

    Args:
        names: Metric names.
        variants: Metric name to variant; metrics that it lacks get their default.

    Raises:
        ValueError: No such metric or variant, in `names` or in `variants`; see `require_known`.
    """
    variants = variants or {}
    for name, variant in variants.items():
        require_known(f"variant of {name}", variant, get_metric(name).variants)
    return {name: variants.get(name, get_metric(name).variants[0]) for name in names}
