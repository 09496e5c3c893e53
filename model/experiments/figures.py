"""The paper's figures, each as PNG and PDF."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from data.errors import printable
from data.io.files import atomic_path
from data.pixels import to_bytes
from data.synthesis.recipes import SyntheticPair
from metrics.color import to_gray
from model.fusion.pictures import draw_panel

COLUMNS = 5
WIDTH = 15
"""Pictures in a row, and inches of a row."""

CROP_SHARE = 0.14
"""Side of the enlarged squares, as a share of the picture's shorter side."""

DIFFERENCE_GAIN = 3
COLORS = ("red", "yellow")


def generator() -> np.random.Generator:
    """A fresh source of randomness, the same each time: a figure drawn twice is the same."""
    return np.random.default_rng(0)


def draw_methods(path: Path, title: str, near: np.ndarray, far: np.ndarray, fused: dict[str, np.ndarray]) -> None:
    """Every method's result with two enlarged squares, where the methods differ most, and its difference from A.

    Args:
        path: Without suffix.
        title: Of the pair.
        near: Source A, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: Source B.
        fused: Method to its result.
    """
    pictures = {"source A": near, "source B": far, **fused}
    boxes = find_differences([near, far, *fused.values()])
    height, width = near.shape[:2]
    rows = -(-len(pictures) // COLUMNS)
    below = 1 / (len(boxes) + width / height)  # of a row's width: squares and the difference, of one height
    ratios = [height / width, below] * rows
    figure, grid = _grid(rows * 2, COLUMNS, WIDTH / COLUMNS * sum(ratios) + 0.4 * rows, ratios)
    for axes in grid.ravel():
        axes.set_axis_off()
    for index, (name, image) in enumerate(pictures.items()):
        upper, lower = (grid[2 * (index // COLUMNS) + part, index % COLUMNS] for part in (0, 1))
        upper.imshow(to_bytes(image), cmap="gray", vmin=0, vmax=255)
        upper.set_title(printable(name), fontsize=10, parse_math=False)
        for color, (top, left, side) in zip(COLORS, boxes, strict=False):
            upper.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=color, linewidth=1.2))
        lower.imshow(_details(image, near, boxes), cmap="gray", vmin=0, vmax=255)
    below = f"below each, the squares enlarged and {DIFFERENCE_GAIN} x (image - A) around gray"
    figure.suptitle(f"{printable(title)}: {below}", parse_math=False)
    _save(figure, path)


def find_differences(images: Sequence[np.ndarray], count: int = 2) -> list[tuple[int, int, int]]:
    """The squares in which images differ most from each other, apart from one another.

    Args:
        images: All of one shape.
        count: How many squares.

    Returns:
        Top, left and side of each, in pixels.
    """
    spread = np.stack([to_gray(to_bytes(image)).astype(np.float32) for image in images]).std(0)
    side = max(4, round(CROP_SHARE * min(spread.shape)))
    mean = cv2.boxFilter(spread, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    mean = mean[: spread.shape[0] - side + 1, : spread.shape[1] - side + 1].copy()
    boxes = []
    for _ in range(count):
        top, left = (int(place) for place in np.unravel_index(mean.argmax(), mean.shape))
        boxes.append((top, left, side))
        mean[max(0, top - side) : top + side, max(0, left - side) : left + side] = -1
    return boxes


def draw_decision(path: Path, title: str, near: np.ndarray, far: np.ndarray, fuser) -> None:
    """Candidates and decision maps of the paper's strategy (its Fig. 6)."""
    decision = fuser.decide(near, far)
    for suffix in (".png", ".pdf"):
        draw_panel(_with(path, suffix), (near, far), decision, f"{title}: decision maps of the paper's strategy")


def draw_training(path: Path, recipe: str, pairs: Sequence[SyntheticPair]) -> None:
    """Training pairs and labels at each level of blur (the paper's Fig. 7)."""
    titles = ("photograph", "A", "B", "label of A", "label of B")
    figure, grid = _grid(len(pairs), len(titles), WIDTH * len(pairs) / len(titles))
    for level, (axes, pair) in enumerate(zip(grid, pairs, strict=True), start=1):
        tiles = (pair.reference, pair.near, pair.far, pair.label * 255, (1 - pair.label) * 255)
        for cell, tile, text in zip(axes, tiles, titles, strict=True):
            cell.imshow(tile, cmap="gray", vmin=0, vmax=255)
            cell.set_title(text if level == 1 else "", fontsize=10)
            cell.set_xticks([])
            cell.set_yticks([])
        axes[0].set_ylabel(f"level {level}")
    figure.suptitle(f"Training pairs, recipe {recipe}; white in a label is out of focus")
    _save(figure, path)


def draw_results(path: Path, title: str, triples: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Sources and result of every pair (the paper's Fig. 16)."""
    together = 2
    rows = -(-len(triples) // together)
    figure, grid = _grid(rows, 3 * together, WIDTH * rows / (3 * together) * 1.12)
    for axes in grid.ravel():
        axes.set_axis_off()
    for index, (name, *images) in enumerate(triples):
        row, first = index // together, 3 * (index % together)
        for place, (image, text) in enumerate(zip(images, (f"{printable(name)}: A", "B", "fused"), strict=True)):
            grid[row, first + place].imshow(to_bytes(image), cmap="gray", vmin=0, vmax=255)
            grid[row, first + place].set_title(text, fontsize=9, parse_math=False)
    figure.suptitle(f"More results: {printable(title)}", parse_math=False)
    _save(figure, path)


def _details(image, near, boxes):
    """The squares, enlarged, and the difference from A, side by side; one height."""
    image, near = to_bytes(image), to_bytes(near)
    height = 160
    tiles = []
    for top, left, side in boxes:
        crop = image[top : top + side, left : left + side]
        tiles.append(cv2.resize(crop, (height, height), interpolation=cv2.INTER_NEAREST))
    difference = DIFFERENCE_GAIN * (image.astype(np.float32) - near) + 127.5
    difference = np.clip(np.rint(difference), 0, 255).astype(np.uint8)
    width = max(1, round(height * image.shape[1] / image.shape[0]))
    tiles.append(cv2.resize(difference, (width, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, 4, *image.shape[2:]), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def _grid(rows, columns, height, height_ratios=None):
    figure = Figure(figsize=(WIDTH, height + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, height_ratios=height_ratios)


def _save(figure, path):
    for suffix in (".png", ".pdf"):
        with atomic_path(_with(path, suffix)) as temporary:
            figure.savefig(temporary, dpi=100, bbox_inches="tight")


def _with(path, suffix):
    return path.with_name(path.name + suffix)  # a name may hold a dot
