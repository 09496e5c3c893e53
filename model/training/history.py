"""Log (CSV) and curves (PNG) of a training run."""

import csv
from collections.abc import Sequence
from pathlib import Path

from data.io.figures import new_figure, save_figure
from data.io.files import atomic_path

Row = dict[str, float]


def write_log(path: Path, rows: Sequence[Row]) -> None:
    """Writes the whole log, one line for each epoch; a resumed run therefore has no line twice."""
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def draw_curves(path: Path, rows: Sequence[Row], title: str) -> None:
    """Draws loss, map quality and quality of the fused image over the epochs."""
    panels = (
        ("loss", {"training": "loss", "validation": "val_loss"}),
        (
            "map",
            {
                "training accuracy": "accuracy",
                "accuracy": "val_accuracy",
                "IoU": "val_iou",
                "compared": "val_compared_accuracy",
            },
        ),
        ("fused image", {"Q_ABF": "val_q_abf", "SSIM": "val_ssim"}),
    )
    figure, (grid,) = new_figure(1, len(panels), (12, 3.6), bare=False)
    figure.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    for axes, (label, curves) in zip(grid, panels, strict=True):
        for name, key in curves.items():
            axes.plot(epochs, [row[key] for row in rows], marker="o", markersize=3, label=name)
        axes.set_xlabel("epoch")
        axes.set_title(label)
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(alpha=0.3)
        axes.legend()
    save_figure(figure, [path], dpi=110)
