"""Registry of all metrics; a new one is added by naming its module here."""

import copyreg
from collections.abc import Iterable, Mapping

from metrics import (
    edges,
    features,
    frames,
    information,
    perception,
    phase,
    reference,
    sharpness,
    similarity,
    statistics,
    structure,
    visual_information,
)
from metrics.checks import require_known
from metrics.metric import Metric

PAPER_METRICS = ("q_sf", "q_abf", "q_labf", "q_mi", "q_ag")
"""Names of the five metrics that the paper reports, in its order."""

_FAMILIES = (
    edges,
    information,
    features,
    structure,
    similarity,
    perception,
    visual_information,
    phase,
    statistics,
    sharpness,
    frames,
    reference,
)
"""Modules with a tuple `METRICS`."""

_found = {metric.name: metric for family in _FAMILIES for metric in family.METRICS}

METRICS: dict[str, Metric] = {name: _found[name] for name in (*PAPER_METRICS, *_found)}
"""Every metric by its name, the paper's first."""

ALIASES = {"q_g": "q_abf"}
"""Other names of metrics in the literature."""


def get_metric(name: str) -> Metric:
    """Returns the metric of a name or alias.

    Raises:
        RefusedError: There is no such metric; the message offers the nearest name and lists all.
    """
    name = ALIASES.get(name, name)
    require_known("metric", name, METRICS)
    return METRICS[name]


def resolve_variants(names: Iterable[str], variants: Mapping[str, str] | None = None) -> dict[Metric, str]:
    """Looks up metrics and the variant of each; what computes and prints them gets these objects.

    Args:
        names: Metric names or aliases.
        variants: Metric name to variant; metrics that it lacks get their default.

    Returns:
        Metric to variant, in the order of `names`.

    Raises:
        RefusedError: There is no such metric or variant, in `names` or in `variants`; see `require_known`.
    """
    chosen = {get_metric(name): variant for name, variant in (variants or {}).items()}
    for metric, variant in chosen.items():
        require_known(f"variant of {metric.name}", variant, metric.variants)
    return {metric: chosen.get(metric, metric.variants[0]) for metric in map(get_metric, names)}


# Pickles a metric as its name: other processes have the same registry, and lambdas cannot be pickled.
copyreg.pickle(Metric, lambda metric: (get_metric, (metric.name,)))
