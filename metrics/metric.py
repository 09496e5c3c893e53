"""What a metric is: a function of one plane, and what tables and options need to know of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from metrics.checks import RefusedError
from metrics.edge_models import EdgeTransferScores


@dataclass(frozen=True)
class FusedPlane:
    """One plane of a fused image with the same plane of its sources, and the work that several metrics share.

    Attributes:
        sources: Planes of two or more sources, `(H, W)` each, as `to_planes` returns them.
        fused: Plane of the fused image.
        truth: Plane of the ground truth; None where there is none.
        edge_scores: Computes the edge transfer of the fused plane under an edge model, once for each model.
    """

    sources: tuple[np.ndarray, ...]
    fused: np.ndarray
    truth: np.ndarray | None
    edge_scores: Callable[[str], EdgeTransferScores]

    @property
    def reference(self) -> np.ndarray:
        """Plane of the ground truth, for metrics that need one.

        Raises:
            RefusedError: There is none.
        """
        if self.truth is None:
            raise RefusedError("A metric needs a reference image; give one.")
        return self.truth


@dataclass(frozen=True, eq=False)
class Metric:
    """One metric of the registry; `metrics.registry` holds the only object of each.

    Attributes:
        name: Key in the registry and in results.
        symbol: Name in plain-text and Markdown tables.
        title: What it measures, in a few words.
        source: Literature.
        variants: Published variants, the default first; their values are not comparable.
        range: Smallest and largest value for images in 0..255 and two sources.
        score: Computes one variant on one plane.
        latex: LaTeX code of the symbol; "" = the escaped symbol.
        larger_is_better: Direction.
        needs_reference: Whether it compares with a ground-truth image instead of the sources.
        undefined: When the value is NaN, for messages.
        decibels: Whether to average powers, not decibels, over color channels (one mean squared error for all).
    """

    name: str
    symbol: str
    title: str
    source: str
    variants: tuple[str, ...]
    range: tuple[float, float]
    score: Callable[[FusedPlane, str], float]
    latex: str = ""
    larger_is_better: bool = True
    needs_reference: bool = False
    undefined: str = "0/0"
    decibels: bool = False

    @property
    def arrow(self) -> str:
        """Arrow that tables print for the direction."""
        return "↑" if self.larger_is_better else "↓"

    def column(self, variant: str) -> str:
        """Returns the name of a column of this metric in CSV files, and of its values in records."""
        return f"{self.name}[{variant}]"

    @property
    def help(self) -> str:
        """Description on one line, for `evaluate.py --list`."""
        low, high = self.range
        needs = "; needs a reference" if self.needs_reference else ""
        return (
            f"{self.title}; {low:g}..{high:g} {self.arrow}; variants: {', '.join(self.variants)}{needs}; {self.source}"
        )
