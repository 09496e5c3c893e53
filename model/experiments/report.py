"""One HTML page of a comparison that needs nothing besides itself."""

import base64
import io
import json
from collections.abc import Iterable
from importlib.resources import files
from math import nan
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from data.imaging.pixels import to_uint8
from data.io.files import write_text
from data.io.image_io import read_image
from data.io.listing import Stack
from metrics.markup import printable
from metrics.scores import Scores, summarize
from model.experiments.figures import source_titles
from model.experiments.results import Comparison

LONGEST_SIDE = 1200
"""Longest side in pixels of the images in a report: they are for looking at, not for measuring."""

QUALITY = 90
"""WebP quality of the images in a report."""

CHOOSES = 0.9
"""Share of its pixels that a method must copy from the sources for the report to show the closest source of each."""


def write_report(path: Path, comparison: Comparison, scores: Scores, record: dict[str, Any]) -> None:
    """Writes the report.

    Args:
        path: The .html file.
        comparison: The comparison after its run.
        scores: Its scores.
        record: Versions and parameters, shown as they are.
    """
    template = files("model.experiments").joinpath("report.html").read_text(encoding="utf-8")
    viewer = files("model.app").joinpath("page", "viewer.js").read_text(encoding="utf-8")
    content = json.dumps(_content(comparison, scores, record), separators=(",", ":"), allow_nan=False)
    # "</script>" inside a name would end the data.
    page = template.replace("/*VIEWER*/", viewer).replace("/*DATA*/", content.replace("<", "\\u003c"))
    write_text(path, page)


def _content(comparison: Comparison, scores: Scores, record: dict[str, Any]) -> dict[str, Any]:
    """Returns the data of the report as JSON values."""
    from metrics.significance import rank, rank_table, sign  # loads scipy's statistics

    metrics = list(scores.variants)
    summaries, seconds = summarize(scores), comparison.seconds()
    shown = _printable_names(scores.pairs)
    rankings = [rank(scores, metric, record["against"]) for metric in metrics]
    methods = [
        {
            "name": name,
            "label": printable(scores.title(name)),
            "seconds": seconds.get(name),
            "means": [_finite(summaries[name][metric.name].mean) for metric in metrics],
            "deviations": [_finite(summaries[name][metric.name].std) for metric in metrics],
            "ranks": [_finite(ranking.mean_ranks.get(name, nan)) for ranking in rankings],
            "signs": [sign(ranking, name) for ranking in rankings],
            "p": [ranking.wilcoxon.get(name) for ranking in rankings],
            "chooses": _chooses(comparison, name),
            "values": {
                shown[pair]: [_finite(scores.value(name, pair, metric)) for metric in metrics] for pair in scores.pairs
            },
        }
        for name in comparison.competitors
    ]
    return {
        "title": f"Comparison of {len(methods)} methods on {len(scores.pairs)} pairs",
        "metrics": [
            {"symbol": metric.symbol, "variant": scores.variants[metric], "larger": metric.larger_is_better}
            for metric in metrics
        ],
        "methods": methods,
        "tests": _printable(list(rank_table(scores, record["against"]).notes)),
        "pairs": list(shown.values()),
        "images": {shown[stack.name]: _images(comparison, stack) for stack in comparison.stacks},
        "deep": [shown[stack.name] for stack in comparison.stacks if len(stack.images) > 2],
        "sources": {shown[stack.name]: source_titles(stack) for stack in comparison.stacks},
        "notes": _printable(list(scores.notes)),
        "failures": [
            _printable((scores.title(method), shown[pair], reason))
            for method, pair, reason in scores.failures(scores.pairs)
        ],
        "color": scores.color,
        "record": _printable(record),
    }


def _chooses(comparison: Comparison, name: str) -> bool:
    """Returns whether a method copies most pixels of its first result of a pair from one of the sources."""
    for stack in comparison.stacks:
        if len(stack.images) == 2 and comparison.has(name, stack.name):
            fused = read_image(comparison.fused_path(name, stack.name))
            sources = [read_image(path) for path in stack.images]
            if any(source.shape != fused.shape or source.dtype != fused.dtype for source in sources):
                return False
            copied = [np.all(np.atleast_3d(source == fused), axis=-1) for source in sources]
            return bool(np.logical_or.reduce(copied).mean() > CHOOSES)
    return False


def _printable_names(pairs: Iterable[str]) -> dict[str, str]:
    """Returns each pair's name as it can be shown; different pairs keep different names."""
    shown: dict[str, str] = {}
    for pair in pairs:
        name = printable(pair)
        while name in shown.values():
            name += "'"
        shown[pair] = name
    return shown


def _printable(value: Any) -> Any:
    """Returns a JSON value whose texts can be shown."""
    if isinstance(value, dict):
        return {printable(key): _printable(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_printable(part) for part in value]
    return printable(value) if isinstance(value, str) else value


def _images(comparison: Comparison, stack: Stack) -> dict[str, str]:
    """Returns the data URIs of a pair's sources and results; none without a result: the sources may be damaged."""
    results = [name for name in comparison.competitors if comparison.has(name, stack.name)]
    if not results:
        return {}
    paths = {"A": stack.images[0], "B": stack.images[-1]}
    paths |= {name: comparison.fused_path(name, stack.name) for name in results}
    return {name: _encode(read_image(path)) for name, path in paths.items()}


def _encode(image: np.ndarray) -> str:
    picture = Image.fromarray(to_uint8(image))
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    encoded = io.BytesIO()
    picture.save(encoded, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")


def _finite(value: float | str) -> float | None:
    return None if isinstance(value, str) or not np.isfinite(value) else value
