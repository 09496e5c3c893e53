"""The metrics of color multi-focus fusion: computed, described in a registry, and set in tables.

from metrics import compute_all
scores = compute_all(near, far, fused)    # {"q_sf": ..., "q_abf": ..., ...}
scores = Scorer(sources).score(fused)     # any number of sources
"""

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
