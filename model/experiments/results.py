"""All methods on a folder of pairs: fused images, scores and times, each computed once.

Every result has a record, `records/METHOD/PAIR.json`, with what decided it and the digest of the image; a second run
takes what fits and computes the rest, so a comparison can be stopped and resumed, and grows with every method.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from math import isfinite, nan
from pathlib import Path, PurePath
from statistics import median
from types import NoneType
from typing import Any

import numpy as np
from tqdm import tqdm

from data.io.batch import protect_files
from data.io.files import file_digest
from data.io.image_folder import JPEG_NOTE, title_with_type
from data.io.image_header import image_digest
from data.io.image_io import read_image, write_image
from data.io.listing import Stack
from data.io.records import Record
from data.runtime.errors import InputError, printable, say
from data.runtime.parts import isolate_errors
from data.runtime.spread import spread
from metrics import METRICS, PAPER_METRICS, Scorer, resolve_variants
from metrics.markup import Column, Table
from metrics.metric import Metric
from metrics.scores import Scores
from metrics.tables import rank_cells
from model.experiments.competitors import Competitor, Folder, beyond_pairs

COLUMNS = {metric.column(variant) for metric in METRICS.values() for variant in metric.variants}
"""Names under which a record may have scores."""


class Comparison:
    """Runs competitors on pairs or stacks, and keeps a record of every result in a folder.

    Args:
        competitors: Name to competitor, as `choose` gives it; the first is what tests compare the others with.
        stacks: The pairs or stacks.
        folder: Folder of the results.
        notes: Sentences to stand under every table.
        variants: Metric to the variant to compute; None is the paper's five in their default variants.

    Raises:
        InputError: A pair's name cannot become a file in that folder, or a competitor that takes two images is to fuse
            a stack of more.
    """

    def __init__(
        self,
        competitors: Mapping[str, Competitor],
        stacks: Sequence[Stack],
        folder: Path,
        notes: Sequence[str] = (),
        variants: Mapping[Metric, str] | None = None,
    ):
        self.competitors = dict(competitors)
        self.stacks = list(stacks)
        self.folder = folder
        self.notes = list(notes)
        self.variants = dict(variants or resolve_variants(PAPER_METRICS))
        if beyond := beyond_pairs(self.competitors, self.stacks):
            deep, (limited, *_) = beyond
            raise InputError(f"{limited} fuses two images, and {deep} has more; leave {limited} out.")
        for stack in self.stacks:
            if stack.name in ("", "..") or PurePath(stack.name).name != stack.name:
                raise InputError(f"the pair {stack.name!r} would lead out of {folder}; rename its files.")
        run = [name for name, competitor in self.competitors.items() if not isinstance(competitor, Folder)]
        protect_files(
            (self.fused_path(name, stack.name) for name in run for stack in self.stacks),
            (path for stack in self.stacks for path in stack.images),
        )
        self._records: dict[tuple[str, str], dict[str, Any]] = {}

    def run(self, quiet: bool = True, jobs: int = 1, cluster: str | None = None) -> bool:
        """Computes what is missing; an error of a method on a pair fails that result alone.

        Args:
            quiet: Hides the progress bar.
            jobs: Pairs at once; see `data.runtime.spread.spread`.
            cluster: See there.

        Returns:
            Whether something was missing.
        """
        changed = False
        with tqdm(total=len(self.stacks) * len(self.competitors), unit="image", disable=quiet) as bar:
            apart = jobs > 1 or cluster is not None
            compute = self._of_stack if apart else partial(self._of_stack, observe=lambda text: _step(bar, text))
            done = spread(compute, self.stacks, jobs, cluster, self._report_killed)
            for stack, rows in zip(self.stacks, done, strict=True):
                for name, (record, computed) in rows.items():
                    self._records[name, stack.name] = record
                    changed |= computed
                bar.update(len(rows) * apart)
        return changed

    def _of_stack(
        self, stack: Stack, observe: Callable[[str], None] = lambda text: None
    ) -> dict[str, tuple[dict[str, Any], bool]]:
        """Returns for each competitor by name its record for a pair, and whether it was computed."""
        scene, rows = _Scene(stack), {}
        for name in self.competitors:
            with isolate_errors(f"{name}, {stack.name}") as part:
                rows[name] = self._result(name, scene)
            if part.failure:
                rows[name] = {"failure": part.failure}, True
            observe(f"{stack.name}, {name}")
        return rows

    def _report_killed(self, stack: Stack, sentence: str) -> dict[str, tuple[dict[str, Any], bool]]:
        """Reports a pair whose process was killed; returns as `_of_stack`."""
        say(f"error: {stack.name}: {sentence}")
        return {name: ({"failure": sentence}, True) for name in self.competitors}

    def fused_path(self, name: str, pair: str) -> Path:
        """Returns the path of a fused image, ours or of a folder."""
        competitor = self.competitors[name]
        if isinstance(competitor, Folder):
            return competitor.images.find(pair)
        return self.folder / "fused" / name / f"{pair}.png"

    def has(self, name: str, pair: str) -> bool:
        """Tells after `run` whether there is a fused image."""
        return "scores" in self._records[name, pair]

    def fused_images(self, pair: str, names: Iterable[str]) -> dict[str, np.ndarray]:
        """Reads the images fused from a pair, by the methods' printed names, without those that failed."""
        return {self._title(name): read_image(self.fused_path(name, pair)) for name in names if self.has(name, pair)}

    def scores(self) -> Scores:
        """Returns all scores after `run`; a failure has its reason in place of a number."""
        results: dict[str, dict[str, dict[str, float | str]]] = {name: {} for name in self.competitors}
        for (name, pair), record in self._records.items():
            if "failure" in record:
                results[name][pair] = {metric.name: record["failure"] for metric in self.variants}
            else:
                values = {metric.name: record["scores"][metric.column(v)] for metric, v in self.variants.items()}
                results[name][pair] = {metric: nan if value is None else value for metric, value in values.items()}
        titles = {name: self._title(name) for name in self.competitors}
        jpeg = [JPEG_NOTE] if any("JPEG" in title for title in titles.values()) else []
        return Scores(results, self.variants, titles=titles, notes=[*jpeg, *self.notes])

    def seconds(self) -> dict[str, float]:
        """Returns the median time a pair, without loading, of each method that was run."""
        times: dict[str, list[float]] = {}
        for (name, _), record in self._records.items():
            if record.get("seconds") is not None:
                times.setdefault(name, []).append(record["seconds"])
        return {name: median(values) for name, values in times.items()}

    def time_table(self) -> Table:
        """Builds the table of median seconds a pair."""
        seconds = self.seconds()
        cells = rank_cells((f"{value:.3f}" for value in seconds.values()), seconds.values(), decimals=3)
        rows = list(zip(map(self._title, seconds), cells, strict=True))
        caption = f"Median time a pair over n = {len(self.stacks)} pairs, without loading"
        return Table(("Method", Column("Seconds", arrow="↓")), rows, caption)

    def _result(self, name: str, scene: "_Scene") -> tuple[dict[str, Any], bool]:
        """Returns the record of one method on one pair, and whether something of it had to be computed."""
        competitor, stack = self.competitors[name], scene.stack
        key = {"sources": scene.digests, "inputs": competitor.inputs(stack)}
        record = Record(self.folder / "records" / name / f"{stack.name}.json", key)
        known = self._known(name, stack, record)
        if known is None:
            return record.write(self._compute(name, scene)), True
        missing = {one: variant for one, variant in self.variants.items() if one.column(variant) not in known["scores"]}
        if not missing:
            return known, False
        fused = read_image(self.fused_path(name, stack.name))
        return record.write({**known, "scores": {**known["scores"], **_measure(scene, fused, missing)}}), True

    def _known(self, name: str, stack: Stack, record: Record) -> dict[str, Any] | None:
        """Returns what an earlier run recorded; None where there is none that fits."""
        run = not isinstance(self.competitors[name], Folder)
        known = record.read({"scores": dict[str, float | None], "seconds": float if run else NoneType})
        if known is None or not known["scores"].keys() <= COLUMNS or (run and known["seconds"] < 0):
            return None
        try:  # an image that was exchanged since does not have these scores
            unchanged = not run or known.get("result") == file_digest(self.fused_path(name, stack.name), "sha256")
        except InputError:
            return None
        return known if unchanged else None

    def _compute(self, name: str, scene: "_Scene") -> dict[str, Any]:
        competitor, stack = self.competitors[name], scene.stack
        images = scene.read()  # for each method its own: one that works in place must not spoil the others'
        competitor.prepare(stack)
        started = time.perf_counter()
        fused = competitor.fuse(stack, *images)
        seconds = round(time.perf_counter() - started, 4)
        scores = _measure(scene, fused, self.variants)
        if isinstance(competitor, Folder):
            return {"scores": scores, "seconds": None}
        path = self.fused_path(name, stack.name)
        write_image(path, fused)
        return {"scores": scores, "seconds": seconds, "result": file_digest(path, "sha256")}

    def _title(self, name: str) -> str:
        competitor = self.competitors[name]
        if not isinstance(competitor, Folder):
            return competitor.title
        found = [pair for (method, pair), record in self._records.items() if method == name and "scores" in record]
        return title_with_type(competitor.title, map(competitor.images.find, found))


@dataclass(frozen=True)
class _Scene:
    """Caches what all methods need of a pair."""

    stack: Stack

    def read(self) -> list[np.ndarray]:
        return [read_image(path) for path in self.stack.images]

    @cached_property
    def digests(self) -> list[str]:
        return [image_digest(path) for path in self.stack.images]

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer(self.read())


def _measure(scene: _Scene, fused: np.ndarray, variants: Mapping[Metric, str]) -> dict[str, float | None]:
    """Computes metrics of a fused image, by their columns; None is NaN, which JSON has not."""
    scores = scene.scorer.measure(fused, variants)
    return {
        metric.column(variant): scores[metric.name] if isfinite(scores[metric.name]) else None
        for metric, variant in variants.items()
    }


def _step(bar: tqdm, text: str) -> None:
    bar.set_postfix_str(printable(text))
    bar.update()
