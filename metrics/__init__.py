"""The metrics of color multi-focus fusion: computed, described in a registry, and set in tables.

from metrics import compute_all
scores = compute_all(near, far, fused)    # {"q_sf": ..., "q_abf": ..., ...}
scores = Scorer(sources).score(fused)     # any number of sources
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "METRICS": "metrics.registry",
    "PAPER_METRICS": "metrics.registry",
    "EdgeTransfer": "metrics.edges",
    "EdgeTransferScores": "metrics.edges",
    "Metric": "metrics.metric",
    "Scorer": "metrics.scoring",
    "compute": "metrics.scoring",
    "compute_all": "metrics.scoring",
    "get_metric": "metrics.registry",
    "resolve_variants": "metrics.registry",
}
"""Name to the module that holds it."""

__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    # SciPy takes a fifth of a second to load; who fuses needs no metric.
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
