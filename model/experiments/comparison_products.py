"""Tables, figures and the page of a comparison, each with the function that writes it."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.io.files import write_text
from data.io.image_io import read_image
from data.io.listing import Stack
from data.preview import scene_pairs
from data.synthesis.recipes import RECIPES, SynthesisSettings
from data.synthesis.scene import Scene
from metrics.scores import Scores
from metrics.tables import pair_table, tables_as_text
from model.experiments import figures
from model.experiments.competitors import OWN, Run
from model.experiments.report import write_report
from model.experiments.results import Comparison


def products_of(
    folder: Path,
    comparison: Comparison,
    scores: Scores,
    shown: list[str],
    scenes: Sequence[Scene],
    paper: Run | None,
    record: dict[str, Any],
) -> Iterator[tuple]:
    """Yields for each product its name for messages, the function that writes it, and the function's arguments."""
    drawings = folder / "figures"
    against = record["against"]
    yield "tables", _write_tables, folder / "tables", comparison, scores, shown, against
    for pair in shown:
        yield f"table of {pair}", write_text, folder / "tables" / f"pair-{pair}.tex", pair_table(scores, pair).latex()
    stacks = {stack.name: stack for stack in comparison.stacks}
    drawn = [pair for pair in shown if any(comparison.has(name, pair) for name in comparison.competitors)]
    for pair in drawn:
        yield f"figure of {pair}", _draw_methods, drawings, comparison, stacks[pair]
    own = [name for name in OWN if name in comparison.competitors]
    if own:
        yield "figure of all results", _draw_results, drawings, comparison, own[0]
    pairs = [pair for pair in drawn if len(stacks[pair].images) == 2]
    if paper and pairs:
        yield f"figure of the decision on {pairs[0]}", _draw_decision, drawings, stacks[pairs[0]], paper
    if scenes:
        yield "figures of training pairs", _draw_training, drawings, scenes[0]
    yield "report.html", write_report, folder / "report.html", comparison, scores, record


def _write_tables(folder: Path, comparison: Comparison, scores: Scores, shown: list[str], against: str | None) -> None:
    from metrics.significance import rank_table  # loads scipy's statistics

    texts = tables_as_text(scores, shown)
    for name, table in {"ranks": rank_table(scores, against), "times": comparison.time_table()}.items():
        table = replace(table, notes=[*table.notes, *comparison.notes])
        texts |= {f"{name}.md": table.markdown(), f"{name}.tex": table.latex()}
    for name, text in texts.items():
        write_text(folder / name, text)


def _draw_methods(folder: Path, comparison: Comparison, stack: Stack) -> None:
    fused = comparison.fused_images(stack.name, comparison.competitors)
    figures.draw_methods(folder / f"methods-{stack.name}", stack.name, figures.read_sources(stack), fused)


def _draw_results(folder: Path, comparison: Comparison, name: str) -> None:
    triples = []
    for stack in comparison.stacks:
        if comparison.has(name, stack.name):
            first, last = figures.read_sources(stack).values()
            triples.append((stack.name, first, last, read_image(comparison.fused_path(name, stack.name))))
    if triples:
        figures.draw_results(folder / "results", comparison.competitors[name].title, triples)


def _draw_decision(folder: Path, stack: Stack, paper: Run) -> None:
    near, far = map(read_image, stack.images)
    title = f"{stack.name}: decision maps, {paper.title}"
    figures.draw_decision(folder / f"decision-{stack.name}", title, near, far, paper.fuser())


def _draw_training(folder: Path, scene: Scene) -> None:
    for recipe in RECIPES:
        pairs = scene_pairs(scene, SynthesisSettings(recipe), seed=0)
        figures.draw_training(folder / f"training-{recipe}", recipe, pairs)
