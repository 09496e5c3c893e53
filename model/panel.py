"""One picture of a fusion: sources, maps, candidates and result."""

from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from data.files import atomic_path
from model.decision import PaperDecision

MAP_TITLES = {
    "M1": "M1: A is out of focus",
    "M2": "M2: B is out of focus",
    "M4": "M4 = M1 AND NOT M2",
    "M5": "M5 = M1 OR NOT M2",
}
LONGEST_SIDE = 800
"""Pictures are thinned out to this many pixels; a panel is for looking at, not for measuring."""


def draw_panel(path: Path, near: np.ndarray, far: np.ndarray, decision: PaperDecision, title: str) -> None:
    """Draws both sources, the four maps (white = 1), both candidates with their Q_ABF, and marks the chosen one.

    Args:
        path: The picture to write; its suffix (.png, .pdf) decides the type.
        near: Source A, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: Source B, the same.
        decision: What the strategy computed of them.
        title: Heading.
    """
    tiles = [("source A", near), ("source B", far)]
    tiles += [(text, decision.maps[name].astype(np.uint8) * 255) for name, text in MAP_TITLES.items()]
    for name, image in decision.candidates.items():
        chosen = ", chosen" if name == decision.chosen else ""
        tiles.append((f"{name}: Q_ABF {decision.q_abf[name]:.4f}{chosen}", image))
    # Sources and candidates above, maps below.
    order = [0, 1, 6, 7, 2, 3, 4, 5]
    height, width = near.shape[:2]
    figure = Figure(figsize=(14, 14 / 4 * 2 * height / width + 1), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    for axes, index in zip(figure.subplots(2, 4).flat, order, strict=True):
        text, image = tiles[index]
        axes.imshow(_displayable(image), cmap="gray", vmin=0, vmax=255)
        axes.set_title(text, fontsize=10, fontweight="bold" if "chosen" in text else "normal")
        axes.set_axis_off()
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _displayable(image):
    step = max(1, max(image.shape[:2]) // LONGEST_SIDE)
    image = image[::step, ::step]
    return (image // 257).astype(np.uint8) if image.dtype == np.uint16 else image
