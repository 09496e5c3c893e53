"""Metrics of color multi-focus fusion: computing them, their registry, and tables of scores.

from metrics import compute_all
scores = compute_all(near, far, fused)    # {"q_sf": ..., "q_abf": ..., ...}
scores = Scorer(sources).score(fused)     # any number of sources
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from metrics.edges import EdgeTransfer, EdgeTransferScores
    from metrics.metric import Metric
    from metrics.registry import METRICS, PAPER_METRICS, get_metric, resolve_variants
    from metrics.scoring import Scorer, compute, compute_all

__all__ = [
    "METRICS",
    "PAPER_METRICS",
    "EdgeTransfer",
    "EdgeTransferScores",
    "Metric",
    "Scorer",
    "compute",
    "compute_all",
    "get_metric",
    "resolve_variants",
]

if not TYPE_CHECKING:  # a type checker would take every name for known

    def __getattr__(name: str) -> object:
        # Loaded on first use: fusing needs `metrics.checks` alone, and no metric.
        if name in __all__:
            modules = map(import_module, ("metrics.registry", "metrics.scoring"))
            return next(vars(module)[name] for module in modules if name in vars(module))
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
