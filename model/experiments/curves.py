"""Validation curves of the runs of an ablation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from data.io.figures import new_figure, save_figure
from data.runtime.parts import isolate_errors
from model.experiments.figures import with_suffixes
from model.experiments.plans import NON_TRANSFER, PROPOSED, SEEDED, runs_of

PANELS = {"val_loss": "loss", "val_accuracy": "accuracy", "val_iou": "IoU"}
"""Measures of validation that are drawn, and their titles."""

PANEL_SIZE = (5.0, 4.0)
"""Width and height of a panel in inches."""

TITLES = {PROPOSED: "with transfer", NON_TRANSFER: "without"}
"""Kinds of runs in the figure of transfer, and their names there."""


def draw_curves(folder: Path, records: Mapping[str, dict[str, Any]]) -> list[str]:
    """Draws `seeds`, the curves of all runs, and `tables/transfer`, those with and without transfer, where both exist.

    Args:
        folder: Folder of the ablation.
        records: Name of a run to what it recorded.

    Returns:
        What failed.
    """
    figures = {"seeds": draw_runs}
    if all(runs_of(records, kind) for kind in SEEDED):
        figures["tables/transfer"] = draw_transfer
    failures = []
    for name, draw in figures.items():
        with isolate_errors(f"{name}.png") as part:
            draw(folder / name, records)
        failures += [part.failure] if part.failure else []
    return failures


def draw_runs(path: Path, records: Mapping[str, dict[str, Any]]) -> None:
    """Draws a curve for each run: loss, accuracy and IoU on the held-out scenes, epoch by epoch; ours."""
    figure, (grid,) = new_figure(1, len(PANELS), (PANEL_SIZE[0] * len(PANELS), PANEL_SIZE[1]), bare=False)
    for axes, (key, title) in zip(grid, PANELS.items(), strict=True):
        for name, record in records.items():
            rows = record["epochs"]
            style = "-" if name.startswith(PROPOSED) else "--"
            axes.plot([row["epoch"] for row in rows], [row[key] for row in rows], style, marker="o", label=name)
        _finish(axes, title, "epoch")
    if records:
        figure.axes[0].legend(fontsize=8)
    save_figure(figure, with_suffixes(path), dpi=110)


def draw_transfer(path: Path, records: Mapping[str, dict[str, Any]]) -> None:
    """Draws the mean curves of the seeds with and without transfer over the steps, each seed thin beside them."""
    figure, (grid,) = new_figure(1, len(PANELS), (PANEL_SIZE[0] * len(PANELS), PANEL_SIZE[1]), bare=False)
    for axes, (key, title) in zip(grid, PANELS.items(), strict=True):
        for color, (kind, label) in zip(("C0", "C1"), TITLES.items(), strict=True):
            runs = [records[name]["epochs"] for name in runs_of(records, kind)]
            steps, curves = [row["step"] for row in runs[0]], [[row[key] for row in rows] for rows in runs]
            for curve in curves:
                axes.plot(steps, curve, color=color, alpha=0.3, linewidth=0.8)
            text = f"{label}, mean of {len(runs)}" if len(runs) > 1 else label
            axes.plot(steps, np.mean(curves, axis=0), color=color, marker="o", markersize=3, label=text)
        _finish(axes, title, "step")
    figure.axes[0].legend(fontsize=8)
    save_figure(figure, with_suffixes(path), dpi=110)


def _finish(axes: Any, title: str, unit: str) -> None:
    axes.set_title(f"{title} on held-out scenes")
    axes.set_xlabel(unit)
    axes.grid(alpha=0.3)
