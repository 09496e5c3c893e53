"""Pictures of a fusion: its maps as files, and one panel of sources, maps and result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from data.errors import printable
from data.io.files import atomic_path, write_json
from data.io.image_io import write_image, write_index_image
from data.pixels import to_bytes
from model.fusion.paper import PaperDecision
from model.fusion.refined import MapDecision

MAP_TITLES = {
    "M1": "M1: A is out of focus",
    "M2": "M2: B is out of focus",
    "M4": "M4 = M1 AND NOT M2",
    "M5": "M5 = M1 OR NOT M2",
}
"""The paper's maps and what is written over them."""

LONGEST_SIDE = 800
"""Pictures are thinned out to this many pixels; a panel is for looking at, not for measuring."""

COLUMNS = 4
"""Pictures side by side."""

MOST_ASPECT = 4
"""A panel's tiles are no longer than so many times their width, however thin the images are."""

CANDIDATES = ("F1", "F2")
"""The paper's two fused images."""


def companions(output: Path, strategy: str, maps: bool, panel: bool) -> list[Path]:
    """The files that `write_maps` and `draw_panel` will write, so that a run can say so before it begins.

    Args:
        output: The fused image.
        strategy: The fuser's.
        maps: Whether maps are written.
        panel: Whether a panel is drawn.
    """
    endings = []
    if maps:
        drawn = (*MAP_TITLES, *CANDIDATES) if strategy == "paper" else ("labels",)
        endings += [*(f"{name}.png" for name in drawn), "decision.json"]
    if panel:
        endings.append("panel.png")
    return [beside(output, ending) for ending in endings]


def write_maps(output: Path, decision: PaperDecision | MapDecision, summary: dict[str, Any]) -> None:
    """Writes what led to a result, beside it.

    Args:
        output: The fused image; its stem begins the names.
        decision: Of the paper's strategy: NAME-M1, -M2, -M4, -M5 (white = 1), -F1 and -F2. Of the refined one:
            NAME-labels, an indexed image whose values are the sources' numbers from 0 on.
        summary: JSON values, written as NAME-decision.json.
    """
    write_json(beside(output, "decision.json"), summary)
    if isinstance(decision, MapDecision):
        write_index_image(beside(output, "labels.png"), decision.decision_map, source_colors())
        return
    for name, image in {**decision.maps, **decision.candidates}.items():
        picture = image.astype(np.uint8) * 255 if image.dtype == bool else image
        write_image(beside(output, f"{name}.png"), picture)


def source_colors() -> np.ndarray:
    """Colors of the labels of source 0 to 255, (256, 3) uint8 RGB: twenty that differ, repeated."""
    return np.rint(np.array([colormaps["tab20"](index % 20)[:3] for index in range(256)]) * 255).astype(np.uint8)


def draw_panel(path: Path, images: Sequence[np.ndarray], decision: PaperDecision | MapDecision, title: str) -> None:
    """Draws the sources, what was decided and the result.

    Of the paper's strategy: both candidates with their Q_ABF, the chosen one marked, and the four maps (white = 1). Of
    the refined one: the labels, with a legend, and the fused image.

    Args:
        path: The picture to write; its suffix (.png, .pdf) decides the type.
        images: The sources, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        decision: What the strategy computed of them.
        title: Heading.
    """
    tiles = [(f"source {_letter(index)}", image) for index, image in enumerate(images)]
    if isinstance(decision, PaperDecision):
        for name, image in decision.candidates.items():
            chosen = ", chosen" if name == decision.chosen else ""
            tiles.append((f"{name}: Q_ABF {decision.q_abf[name]:.4f}{chosen}", image))
        tiles += [(text, decision.maps[name].astype(np.uint8) * 255) for name, text in MAP_TITLES.items()]
    else:
        tiles += [("taken from", source_colors()[decision.decision_map]), ("fused", decision.fused)]
    height, width = images[0].shape[:2]
    aspect = min(max(height / width, 1 / MOST_ASPECT), MOST_ASPECT)
    rows = -(-len(tiles) // COLUMNS)
    figure = Figure(figsize=(14, 14 / COLUMNS * rows * aspect + 1), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(printable(title), parse_math=False)
    grid = figure.subplots(rows, COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, (text, image) in zip(grid, tiles, strict=False):
        step = max(1, max(image.shape[:2]) // LONGEST_SIDE)
        axes.imshow(to_bytes(image[::step, ::step]), cmap="gray", vmin=0, vmax=255)
        axes.set_title(text, fontsize=10, fontweight="bold" if "chosen" in text or text == "fused" else "normal")
    if isinstance(decision, MapDecision):
        colors = source_colors() / 255
        patches = [Patch(color=colors[index], label=_letter(index)) for index in range(len(images))]
        figure.legend(handles=patches, title="taken from", loc="outside right upper")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110, bbox_inches="tight")


def beside(output: Path, ending: str) -> Path:
    """NAME-ENDING beside the fused image NAME."""
    return output.with_name(f"{output.stem}-{ending}")


def _letter(index):
    return chr(ord("A") + index) if index < 26 else str(index + 1)
