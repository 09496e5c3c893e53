"""One HTML page of a comparison that needs nothing besides itself."""

import base64
import io
import json
from importlib.resources import files
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.imaging.pixels import to_bytes
from data.io.files import write_text
from data.io.image_io import read_image
from data.runtime.errors import printable
from metrics.registry import get_metric
from metrics.scores import Scores, summarize
from model.experiments.results import Comparison

LONGEST_SIDE = 1200
"""Pixels to which pictures are reduced: they are for looking at, not for measuring."""

QUALITY = 90
"""Of pictures, stored as WebP."""

CHOOSES = 0.9
"""Part of the pixels that a method must take as they are for a map of its choice to be drawn."""

_PLACE = "/*DATA*/"
"""Where the template takes its data."""


def write_report(path: Path, comparison: Comparison, scores: Scores, record: dict[str, Any]) -> None:
    """Writes the page.

    Args:
        path: The .html file.
        comparison: After its run.
        scores: Of it.
        record: Versions and parameters, shown as they are.
    """
    template = files("model.experiments").joinpath("report.html").read_text(encoding="utf-8")
    content = json.dumps(_content(comparison, scores, record), separators=(",", ":"), allow_nan=False)
    # "</script>" inside a name would end the data.
    write_text(path, template.replace(_PLACE, content.replace("<", "\\u003c")))


def _content(comparison, scores, record):
    from metrics.significance import rank  # loads scipy's statistics

    metrics = [get_metric(name) for name in scores.variants]
    summaries, seconds = summarize(scores), comparison.seconds()
    shown = _shown_names(scores.pairs)
    rankings = [rank(scores, metric.name) for metric in metrics]
    failures = [
        map(printable, (scores.title(method), shown[pair], why)) for method, pair, why in scores.failures(scores.pairs)
    ]
    methods = [
        {
            "name": name,
            "label": printable(scores.title(name)),
            "seconds": seconds.get(name),
            "means": [_number(summaries[name][metric.name].mean) for metric in metrics],
            "deviations": [_number(summaries[name][metric.name].std) for metric in metrics],
            "ranks": [_number(ranking.mean_ranks.get(name, nan)) for ranking in rankings],
            "signs": [_sign(ranking, name) for ranking in rankings],
            "chooses": _chooses(comparison, name),
            "values": {
                shown[pair]: [_number(scores.value(name, pair, metric.name)) for metric in metrics]
                for pair in scores.pairs
            },
        }
        for name in comparison.competitors
    ]
    return {
        "title": f"Comparison of {len(methods)} methods on {len(scores.pairs)} pairs",
        "metrics": [
            {"symbol": metric.symbol, "variant": scores.variants[metric.name], "larger": metric.larger_is_better}
            for metric in metrics
        ],
        "methods": methods,
        "pairs": list(shown.values()),
        "images": {shown[stack.name]: _images(comparison, stack) for stack in comparison.stacks},
        "notes": list(map(printable, scores.notes)),
        "failures": list(map(list, failures)),
        "color": scores.color,
        "record": _harmless(record),
    }


def _sign(ranking, name):
    """How a method compares with the first: better, worse, or no difference shown; nothing where it is not known."""
    from metrics.significance import SIGNIFICANT

    p = ranking.wilcoxon.get(name, nan)
    if not np.isfinite(p):
        return ""
    return "=" if p >= SIGNIFICANT else "+" if ranking.better[name] else "-"


def _chooses(comparison, name):
    """Whether a method takes most pixels from a source as they are; a map of its choice has no sense else."""
    for stack in comparison.stacks:
        if comparison.has(name, stack.name):
            fused = read_image(comparison.fused_path(name, stack.name))
            sources = [read_image(path) for path in stack.images]
            if any(source.shape != fused.shape or source.dtype != fused.dtype for source in sources):
                return False
            taken = np.logical_or.reduce([_equal(source, fused) for source in sources])
            return bool(taken.mean() > CHOOSES)
    return False


def _equal(one, other):
    equal = one == other
    return equal if equal.ndim == 2 else equal.all(-1)


def _shown_names(pairs):
    """Pair to its name in the page: as it can be shown, and still no other's."""
    shown = {}
    for pair in pairs:
        name = printable(pair)
        while name in shown.values():
            name += "'"
        shown[pair] = name
    return shown


def _harmless(value):
    """A JSON value whose texts can be shown."""
    if isinstance(value, dict):
        return {printable(key): _harmless(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_harmless(part) for part in value]
    return printable(value) if isinstance(value, str) else value


def _images(comparison, stack):
    """Name to data URI: both sources and every result there is; nothing where no result is, sources may be damaged."""
    results = [name for name in comparison.competitors if comparison.has(name, stack.name)]
    if not results:
        return {}
    paths = {"A": stack.near, "B": stack.far}
    paths |= {name: comparison.fused_path(name, stack.name) for name in results}
    return {name: _encode(read_image(path)) for name, path in paths.items()}


def _encode(image: np.ndarray) -> str:
    picture = Image.fromarray(to_bytes(image))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def _number(value):
    return None if isinstance(value, str) or not np.isfinite(value) else value
