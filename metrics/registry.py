"""What is known of every metric: names, variants, direction, range, source, and the function that computes it."""

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import inf
from typing import Protocol

import numpy as np

from metrics.edge_models import EDGE_MODELS
from metrics.edges import LOSS_RULES, EdgeTransferScores
from metrics.information import MI_VARIANTS, mutual_information
from metrics.reference import psnr, ssim
from metrics.sharpness import AG_VARIANTS, average_gradient, spatial_frequency


class FusedPlane(Protocol):
    """One plane of a fused image with the same plane of its sources, and the work that several metrics share."""

    near: np.ndarray
    far: np.ndarray
    fused: np.ndarray
    reference: np.ndarray | None

    def edge_scores(self, edge_variant: str) -> EdgeTransferScores:
        """Q, L and N of the fused plane, computed once."""


@dataclass(frozen=True)
class Metric:
    """One metric of the registry.

    Attributes:
        name: Key in the registry and in results.
        symbol: How plain-text and Markdown tables name it.
        latex: How LaTeX tables name it.
        title: What it measures, in a few words.
        variants: Published variants, the default first; their values are not comparable.
        larger_is_better: Direction.
        range: Smallest and largest value for images in 0..255.
        source: Literature.
        score: Computes one variant on one plane.
        needs_reference: Whether it compares with a ground-truth image in place of the sources.
        decibels: Whether the mean over color channels is taken of the powers (one mean squared error for all).
    """

    name: str
    symbol: str
    latex: str
    title: str
    variants: tuple[str, ...]
    larger_is_better: bool
    range: tuple[float, float]
    source: str
    score: Callable[[FusedPlane, str], float]
    needs_reference: bool = False
    decibels: bool = False

    @property
    def default_variant(self) -> str:
        """The variant used where none is named."""
        return self.variants[0]

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
# Under "lt" the shortfall of exactly copied gradients counts as artifacts; Q + L + N = 1 needs one rule for L and N.
_ARTIFACT_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in reversed(LOSS_RULES))


def _score_q_abf(plane: FusedPlane, variant: str) -> float:
    return plane.edge_scores(variant).q_abf


def _score_l_abf(plane: FusedPlane, variant: str) -> float:
    edge_variant, rule = variant.split("-")
    return plane.edge_scores(edge_variant).l_abf[rule]


def _score_n_abf(plane: FusedPlane, variant: str) -> float:
    edge_variant, rule = variant.split("-")
    return plane.edge_scores(edge_variant).n_abf[rule]


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "q_sf",
            "Q_SF",
            "$Q_{SF}$",
            "spatial frequency",
            ("eskicioglu",),
            True,
            (0.0, 255.0 * 2.0**0.5),
            "Eskicioglu & Fisher 1995",
            lambda plane, _: spatial_frequency(plane.fused),
        ),
        Metric(
            "q_abf",
            "Q_ABF",
            "$Q^{AB/F}$",
            "edge transfer",
            tuple(EDGE_MODELS),
            True,
            (0.0, 1.0),
            "Xydeas & Petrovic 2000",
            _score_q_abf,
        ),
        Metric(
            "q_labf",
            "Q_LABF",
            "$Q^{LAB/F}$",
            "loss of edge information",
            _LOSS_VARIANTS,
            False,
            (0.0, 1.0),
            "Petrovic & Xydeas 2005",
            _score_l_abf,
        ),
        Metric(
            "q_mi",
            "Q_MI",
            "$Q_{MI}$",
            "mutual information",
            MI_VARIANTS,
            True,
            (0.0, 16.0),
            "Qu, Zhang & Yan 2002; Hossny, Nahavandi & Creighton 2008",
            lambda plane, variant: mutual_information(plane.near, plane.far, plane.fused, variant),
        ),
        Metric(
            "q_ag",
            "Q_AG",
            "$Q_{AG}$",
            "average gradient",
            AG_VARIANTS,
            True,
            (0.0, 255.0 * 2.0**0.5),
            "Cui et al. 2015",
            lambda plane, variant: average_gradient(plane.fused, variant),
        ),
        Metric(
            "n_abf",
            "N_ABF",
            "$N^{AB/F}$",
            "artifacts",
            _ARTIFACT_VARIANTS,
            False,
            (0.0, 1.0),
            "Petrovic & Xydeas 2005",
            _score_n_abf,
        ),
        Metric(
            "psnr",
            "PSNR (dB)",
            "PSNR (dB)",
            "peak signal-to-noise ratio",
            ("peak-255",),
            True,
            (0.0, inf),
            "definition",
            lambda plane, _: psnr(plane.reference, plane.fused),
            needs_reference=True,
            decibels=True,
        ),
        Metric(
            "ssim",
            "SSIM",
            "SSIM",
            "structural similarity",
            ("gaussian-11",),
            True,
            (-1.0, 1.0),
            "Wang, Bovik, Sheikh & Simoncelli 2004",
            lambda plane, _: ssim(plane.reference, plane.fused),
            needs_reference=True,
        ),
    )
}

# The five that the paper reports, in its order.
PAPER_METRICS = ("q_sf", "q_abf", "q_labf", "q_mi", "q_ag")


def get_metric(name: str) -> Metric:
    """Looks a metric up.

    Raises:
        ValueError: No such metric; the message offers the nearest name and lists all.
    """
    if name not in METRICS:
        raise ValueError(_unknown("metric", name, METRICS))
    return METRICS[name]


def resolve_variant(name: str, variant: str | None = None) -> str:
    """The variant to compute: `variant` where it is one of the metric's, the default where it is None.

    Raises:
        ValueError: No such metric or variant; the message offers the nearest name and lists all.
    """
    metric = get_metric(name)
    if variant is None:
        return metric.default_variant
    if variant not in metric.variants:
        raise ValueError(_unknown(f"variant of {name}", variant, metric.variants))
    return variant


def resolve_variants(names: Iterable[str], variants: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variant of each metric in `names`, in their order.

    Args:
        names: Metric names.
        variants: Metric name to variant; metrics that it lacks get their default.

    Raises:
        ValueError: No such metric or variant, in `names` or in `variants`.
    """
    chosen = {name: resolve_variant(name, variant) for name, variant in (variants or {}).items()}
    return {name: chosen.get(name) or resolve_variant(name) for name in names}


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    nearest = difflib.get_close_matches(name, list(known), n=1)
    offer = f"did you mean {nearest[0]!r}? " if nearest else ""
    return f"The {kind} {name!r} is unknown: {offer}Known: {', '.join(known)}."
