"""Scores of fused images against their sources; work that metrics and fused images share is done once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from math import log10

import numpy as np

from metrics.checks import RefusedError, require_equal_shapes, require_equal_sources
from metrics.color import to_planes
from metrics.edge_models import EdgeTransferScores
from metrics.edges import EdgeTransfer
from metrics.metric import FusedPlane, Metric
from metrics.registry import METRICS, get_metric, resolve_variants
from metrics.threads import in_threads, shared

LARGE = 6_000_000
"""Values of an image from which metrics are computed one after the other, since each needs a lot of memory."""


class Scorer:
    """Scores any number of fused images of one stack of sources; the sources' edges are computed once.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)` RGB, all of one shape; uint8, uint16 or floating point in 0..255
            (see `to_gray`).
        variants: Metric name to variant, for `score`; other metrics get their default.
        color: "gray" = on BT.601 gray; "rgb" = mean of the metric over the three channels (PSNR: one mean squared
            error over the three).

    Raises:
        RefusedError: Fewer than two sources, unequal shapes, an image that cannot be used, or an unknown metric,
            variant or color mode.
    """

    def __init__(
        self, sources: Sequence[np.ndarray], variants: Mapping[str, str] | None = None, color: str = "gray"
    ) -> None:
        require_equal_sources(sources)
        self._shape = sources[0].shape
        self._color = color
        self._variants = resolve_variants(variants or (), variants)
        self._sources = list(zip(*(to_planes(source, color) for source in sources), strict=True))
        self._edges = [shared(partial(EdgeTransfer, *planes)) for planes in self._sources]

    def score(
        self, fused: np.ndarray, names: Iterable[str] | None = None, reference: np.ndarray | None = None
    ) -> dict[str, float]:
        """Computes metrics of one fused image, given their names.

        Args:
            fused: Fused image, of the sources' shape.
            names: Metrics to compute; None = all, those that need a reference only where there is one.
            reference: Ground truth of the same shape, for PSNR and SSIM.

        Returns:
            Value by metric, in the order of `names`. NaN where a metric is undefined for these images (0/0): Q_ABF,
            Q_LABF and N_ABF where the sources have no edge, MI "hossny" where two images are constant.

        Raises:
            RefusedError: Unequal shapes, an unknown name, or a metric that needs a reference without one.
        """
        if names is None:
            names = [name for name, metric in METRICS.items() if reference is not None or not metric.needs_reference]
        metrics = map(get_metric, names)
        return self.measure(fused, {one: self._variants.get(one, one.variants[0]) for one in metrics}, reference)

    def measure(
        self,
        fused: np.ndarray,
        variants: Mapping[Metric, str],
        reference: np.ndarray | None = None,
        observe: Callable[[], object] = lambda: None,
    ) -> dict[str, float]:
        """Computes metrics of one fused image, given their objects and variants; see `score`.

        Args:
            fused: Fused image, of the sources' shape.
            variants: Metric to variant, as `resolve_variants` returns them.
            reference: Ground truth of the same shape.
            observe: Called after each metric, by any thread.
        """
        for metric in variants:
            if metric.needs_reference and reference is None:
                raise RefusedError(f"The metric {metric.name!r} needs a reference image; give one.")
        if fused.shape != self._shape:
            raise RefusedError(f"The fused image has the shape {fused.shape}, but its sources have {self._shape}.")
        fused_planes = to_planes(fused, self._color)
        truths: Sequence[np.ndarray | None] = [None] * len(fused_planes)
        if reference is not None:
            require_equal_shapes(reference=reference, fused=fused)
            truths = to_planes(reference, self._color)
        planes = [
            FusedPlane(sources, plane, truth, shared(partial(_edge_scores, edges, plane)))
            for sources, edges, plane, truth in zip(self._sources, self._edges, fused_planes, truths, strict=True)
        ]

        def compute(chosen: tuple[Metric, str]) -> float:
            score = _mean_score(*chosen, planes)
            observe()
            return score

        small = fused.size < LARGE
        scores = in_threads(compute, variants.items()) if small else map(compute, variants.items())
        return {metric.name: score for metric, score in zip(variants, scores, strict=True)}


def compute(
    name: str,
    near: np.ndarray,
    far: np.ndarray,
    fused: np.ndarray,
    variant: str | None = None,
    color: str = "gray",
    reference: np.ndarray | None = None,
) -> float:
    """Computes one metric of one fused image of a pair; see `Scorer` for the arguments, results and errors."""
    variants = resolve_variants([name], None if variant is None else {name: variant})
    (value,) = Scorer((near, far), color=color).measure(fused, variants, reference).values()
    return value


def compute_all(
    near: np.ndarray,
    far: np.ndarray,
    fused: np.ndarray,
    variants: Mapping[str, str] | None = None,
    color: str = "gray",
    reference: np.ndarray | None = None,
) -> dict[str, float]:
    """Computes every metric of one fused image of a pair; see `Scorer` for the arguments, results and errors."""
    return Scorer((near, far), variants, color).score(fused, reference=reference)


def _edge_scores(edges: Callable[..., EdgeTransfer], fused: np.ndarray, model: str) -> EdgeTransferScores:
    return edges(variant=model).measure(fused)


def _mean_score(metric: Metric, variant: str, planes: Sequence[FusedPlane]) -> float:
    scores = [metric.score(plane, variant) for plane in planes]
    if metric.decibels and len(scores) > 1:
        power = sum(10.0 ** (-score / 10.0) for score in scores) / len(scores)
        return -10.0 * log10(power) if power > 0.0 else float("inf")
    return sum(scores) / len(scores)
