"""Options that say which metrics tables have, and against what methods are tested; all commands share them."""

import argparse
from collections.abc import Sequence

from data.runtime.arguments import add_named, by_name
from metrics.metric import Metric
from metrics.registry import METRICS, PAPER_METRICS, resolve_variants


def add_metric_options(parser: argparse.ArgumentParser) -> None:
    """Adds `--metrics`, `--variant` and `--against` to a command line."""
    text = "columns: metric names, separated by spaces or commas; paper (its five metrics, the default) or all"
    parser.add_argument("--metrics", nargs="+", metavar="METRIC", help=text)
    text = "a published variant instead of the default (see evaluate.py --list)"
    add_named(parser, "--variant", "METRIC=VARIANT", text)
    text = "with several methods, the one that the others are tested against (default: the first)"
    parser.add_argument("--against", metavar="NAME", help=text)


def chosen_metrics(
    arguments: argparse.Namespace, default: Sequence[str] = ("paper",), reference: bool = False
) -> dict[Metric, str]:
    """Returns the metrics that a command line asks for with their variants, in the order of the columns.

    Args:
        arguments: Parsed options of `add_metric_options`.
        default: What is computed where no metric is named.
        reference: Whether there is ground truth: metrics that need it belong to "all", and to what is not named.

    Raises:
        RefusedError: There is no such metric or variant.
        InputError: `--variant` is no METRIC=VARIANT, or names a metric twice.
    """
    needing = [name for name, metric in METRICS.items() if metric.needs_reference]
    sets: dict[str, Sequence[str]] = {
        "paper": PAPER_METRICS,
        "all": [name for name in METRICS if reference or name not in needing],
    }
    asked = [name for text in arguments.metrics or default for name in text.split(",") if name]
    names = [name for set_ in asked for name in sets.get(set_, [set_])]
    if reference and not arguments.metrics:
        names += needing
    return resolve_variants(names, by_name("--variant", arguments.variant))
