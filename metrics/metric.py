"""What a metric is: a function of one plane, and what tables and options need to know of it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class FusedPlane:
    """One plane of a fused image with the same plane of its sources, and the work that several metrics share.

    Attributes:
        sources: Two or more, `(H, W)` each, as `to_planes` gives them.
        fused: The same.
        reference: The same, or None where there is no ground truth.
        edge_scores: Edge model to the `metrics.edges.EdgeTransferScores` of the fused plane, computed once.
    """

    sources: tuple[np.ndarray, ...]
    fused: np.ndarray
    reference: np.ndarray | None
    edge_scores: Callable[[str], Any]


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
        range: Smallest and largest value for images in 0..255 and two sources.
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
