"""All methods on a folder of pairs: fused images, scores and times, each computed once.

Every result has a record, `records/METHOD/PAIR.json`, with what decided it; a second run takes what fits and computes
the rest, so a comparison can be stopped and resumed, and grows with every method.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from data.errors import InputError
from data.files import file_digest, write_json
from data.image_folder import JPEG_NOTE, label_with_type
from data.image_io import read_image, write_image
from data.stacks import Stack
from metrics import PAPER_METRICS, PairScorer, resolve_variants
from metrics.markup import Cell, Column, Table
from metrics.tables import Scores
from model.experiments.competitors import Competitor, Folder

VARIANTS = resolve_variants(PAPER_METRICS, {})
"""The paper's five metrics in their default variants."""


class Comparison:
    """Competitors, pairs, and the folder that holds what is known of them.

    Args:
        competitors: Name to competitor, as `choose` gives it; the first is what tests compare the others with.
        stacks: The pairs.
        folder: Where results lie.
    """

    def __init__(self, competitors: Mapping[str, Competitor], stacks: Sequence[Stack], folder: Path):
        self.competitors = dict(competitors)
        self.stacks = list(stacks)
        self.folder = folder
        self._records: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self) -> Iterator[tuple[str, str, bool]]:
        """Computes what is missing.

        Yields:
            Method, pair, and whether it was computed, after each.
        """
        for stack in self.stacks:
            sources = [file_digest(path, "sha256") for path in stack.images]
            scorer = None
            for name, competitor in self.competitors.items():
                key = {"sources": sources, "variants": VARIANTS}
                try:
                    key["inputs"] = competitor.inputs(stack)
                    record = self._known(name, stack, key)
                    computed = record is None
                    if computed:
                        images = [read_image(path) for path in stack.images]
                        scorer = scorer or PairScorer(*images, VARIANTS)
                        record = key | self._compute(name, stack, images, scorer)
                        write_json(self._record_path(name, stack), record)
                except (InputError, ValueError, OSError) as error:
                    record, computed = {"failure": str(error)}, True
                self._records[name, stack.name] = record
                yield name, stack.name, computed

    def fused_path(self, name: str, pair: str) -> Path:
        """Where a fused image lies, whoever made it."""
        competitor = self.competitors[name]
        if isinstance(competitor, Folder):
            return competitor.images.find(pair)
        return self.folder / "fused" / name / f"{pair}.png"

    def has(self, name: str, pair: str) -> bool:
        """Whether there is a fused image, after `run`."""
        return "scores" in self._records[name, pair]

    def scores(self) -> Scores:
        """All scores, after `run`; a failure stands with its reason."""
        results: dict[str, dict[str, dict[str, float | str]]] = {name: {} for name in self.competitors}
        for (name, pair), record in self._records.items():
            failed = dict.fromkeys(VARIANTS, record.get("failure", ""))
            results[name][pair] = failed if "failure" in record else _numbers(record["scores"])
        labels = {name: self._label(name) for name in self.competitors}
        notes = [JPEG_NOTE] if any("JPEG" in label for label in labels.values()) else []
        return Scores(results, VARIANTS, labels=labels, notes=notes)

    def seconds(self) -> dict[str, float]:
        """Method to the median of its times a pair, without loading; only of those that were run."""
        times: dict[str, list[float]] = {}
        for (name, _), record in self._records.items():
            if record.get("seconds") is not None:
                times.setdefault(name, []).append(record["seconds"])
        return {name: median(values) for name, values in times.items()}

    def time_table(self) -> Table:
        """Median seconds a pair."""
        seconds = self.seconds()
        order = sorted(seconds.values())
        rows = [
            (self._label(name), (Cell(f"{value:.3f}", min(order.index(value) + 1, 3) % 3),))
            for name, value in seconds.items()
        ]
        caption = f"Median time a pair over n = {len(self.stacks)} pairs, without loading"
        return Table(caption, (Column("Seconds", "Seconds", "↓"),), tuple(rows))

    def _known(self, name, stack, key):
        path = self._record_path(name, stack)
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None  # none yet, or not readable: it is made anew
        fits = all(record.get(part) == value for part, value in key.items())
        return record if fits and self.fused_path(name, stack.name).exists() else None

    def _compute(self, name, stack, images, scorer):
        competitor = self.competitors[name]
        competitor.prepare(stack)
        started = time.perf_counter()
        fused = competitor.fuse(stack, *images)
        seconds = time.perf_counter() - started
        if not isinstance(competitor, Folder):
            write_image(self.fused_path(name, stack.name), fused)
        scores = scorer.score(fused, VARIANTS)
        return {"scores": scores, "seconds": None if isinstance(competitor, Folder) else round(seconds, 4)}

    def _record_path(self, name, stack):
        return self.folder / "records" / name / f"{stack.name}.json"

    def _label(self, name):
        competitor = self.competitors[name]
        if not isinstance(competitor, Folder):
            return competitor.title
        found = [pair for (method, pair), record in self._records.items() if method == name and "scores" in record]
        return label_with_type(competitor.title, map(competitor.images.find, found))


def _numbers(scores):
    return {name: float(value) for name, value in scores.items()}
