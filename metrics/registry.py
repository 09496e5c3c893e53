"""Every metric by its name; a new one is listed here by the module that holds it."""

from collections.abc import Iterable, Mapping

from metrics import edges, features, information, perception, phase, reference, sharpness, statistics, structure
from metrics.checks import require_known
from metrics.metric import Metric

PAPER_METRICS = ("q_sf", "q_abf", "q_labf", "q_mi", "q_ag")
"""The five that the paper reports, in its order."""

_FAMILIES = (edges, information, features, structure, perception, phase, statistics, reference, sharpness)
"""Modules with a tuple `METRICS`."""

_found = {metric.name: metric for family in _FAMILIES for metric in family.METRICS}

METRICS: dict[str, Metric] = {name: _found[name] for name in (*PAPER_METRICS, *_found)}
"""Every metric by its name, the paper's first."""


ALIASES = {"q_g": "q_abf"}
"""Other names of metrics in the literature."""


def get_metric(name: str) -> Metric:
    """Looks a metric up.

    Raises:
        RefusedError: No such metric; the message offers the nearest name and lists all.
    """
    name = ALIASES.get(name, name)
    require_known("metric", name, METRICS)
    return METRICS[name]


def resolve_variants(names: Iterable[str], variants: Mapping[str, str] | None = None) -> dict[str, str]:
    """The variant of each metric in `names`, in their order.

    Args:
        names: Metric names.
        variants: Metric name to variant; metrics that it lacks get their default.

    Raises:
        RefusedError: No such metric or variant, in `names` or in `variants`; see `require_known`.
    """
    variants = variants or {}
    for name, variant in variants.items():
        require_known(f"variant of {name}", variant, get_metric(name).variants)
    names = [get_metric(name).name for name in names]
    return {name: variants.get(name, get_metric(name).variants[0]) for name in names}
