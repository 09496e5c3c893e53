"""Creates figures, draws pictures into them, and writes their files."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.imaging.pixels import to_uint8
from data.io.files import atomic_path
from data.runtime.errors import printable

if TYPE_CHECKING:  # takes half a second to load, which `--help` does not need
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def new_figure(
    rows: int, columns: int, size: tuple[float, float], *, bare: bool = True, height_ratios: Sequence[float] = ()
) -> tuple["Figure", np.ndarray]:
    """Creates a figure of `size` inches and its axes, (rows, columns), which are without ticks and frames if `bare`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(rows, columns, squeeze=False, height_ratios=height_ratios or None)
    if bare:
        for axes in grid.ravel():
            axes.set_axis_off()
    return figure, grid


def show(axes: "Axes", image: np.ndarray, title: str = "", fontsize: int = 9) -> None:
    """Draws a picture, (H, W, 3) RGB or (H, W) gray, uint8 or uint16, with a title above it."""
    axes.imshow(to_uint8(image), cmap="gray", vmin=0, vmax=255)
    axes.set_title(printable(title), fontsize=fontsize, parse_math=False)


def save_figure(figure: "Figure", paths: Iterable[Path], dpi: int = 100) -> None:
    """Writes a figure to each path, whose suffix (.png, .pdf) decides the type."""
    for path in paths:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=dpi, bbox_inches="tight")
