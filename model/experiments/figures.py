"""The paper's figures, each as PNG and PDF."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from data.imaging.pixels import quantize, to_uint8
from data.io.figures import new_figure, save_figure, show
from data.io.image_io import read_image
from data.io.listing import Stack
from data.runtime.errors import printable
from data.synthesis.pairs import SyntheticPair
from metrics.color import to_gray
from model.fusion.fuser import Fuser

FIRST_PAIR = "lytro-14"
"""The paper's first group of images."""

SHOWN = 6
"""Number of groups that the paper shows (Tables 4 to 9)."""

SUFFIXES = (".png", ".pdf")
"""Suffixes of the files of each figure."""

PICTURES_PER_ROW = 5
"""Pictures in a row."""

WIDTH = 15
"""Inches of a row."""

CROP_SHARE = 0.14
"""Side of the enlarged squares, as a share of the picture's shorter side."""

DETAIL_HEIGHT = 160
"""Pixels to which squares and differences are scaled."""

DIFFERENCE_GAIN = 3
"""Differences from the first source are shown so many times larger."""

COLORS = ("red", "yellow")
"""Colors of the frames around the enlarged squares."""


def shown_pairs(names: Iterable[str]) -> list[str]:
    """Returns the pairs that are shown by default: the paper's first one, if there is one, and those that follow."""
    return sorted(names, key=lambda name: name != FIRST_PAIR)[:SHOWN]


def source_titles(stack: Stack) -> tuple[str, str]:
    """Returns what the first and the last source are called: those of a pair, or the ends of a stack."""
    count = len(stack.images)
    return ("source A", "source B") if count == 2 else (f"first of {count} sources", f"last of {count} sources")


def read_sources(stack: Stack) -> dict[str, np.ndarray]:
    """Reads the first and the last source, by `source_titles`."""
    return dict(zip(source_titles(stack), map(read_image, (stack.images[0], stack.images[-1])), strict=True))


def with_suffixes(path: Path) -> list[Path]:
    """Returns the files of a figure, whose name may contain a dot."""
    return [path.with_name(path.name + suffix) for suffix in SUFFIXES]


def draw_methods(path: Path, title: str, sources: dict[str, np.ndarray], fused: dict[str, np.ndarray]) -> None:
    """Draws every method's result with two enlarged squares, where the methods differ most (the sources, where all
    methods agree), and its difference from the first source.

    Args:
        path: Without suffix.
        title: Name of the pair or stack.
        sources: Title to source, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        fused: Method to its result.
    """
    from matplotlib.patches import Rectangle

    pictures = {**sources, **fused}
    (first, near), *_ = sources.items()
    results = list(fused.values())
    alike = all(np.array_equal(one, results[0]) for one in results)
    boxes = find_differences(list(pictures.values()) if alike else results)
    height, width = near.shape[:2]
    columns = min(PICTURES_PER_ROW, len(pictures))
    rows = -(-len(pictures) // columns)
    below = 1 / (len(boxes) + width / height)  # of a row's width: squares and the difference, of one height
    ratios = [height / width, below] * rows
    size = WIDTH * columns / PICTURES_PER_ROW, WIDTH / PICTURES_PER_ROW * sum(ratios) + 0.4 * rows + 0.5
    figure, grid = new_figure(rows * 2, columns, size, height_ratios=ratios)
    for index, (name, image) in enumerate(pictures.items()):
        upper, lower = (grid[2 * (index // columns) + part, index % columns] for part in (0, 1))
        show(upper, image, name, fontsize=10)
        for color, (top, left, side) in zip(COLORS, boxes, strict=False):
            upper.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=color, linewidth=1.2))
        show(lower, _details(image, near, boxes))
    below = f"below each, the squares enlarged and {DIFFERENCE_GAIN} x (image - {first}) around gray"
    figure.suptitle(f"{printable(title)}: {below}", parse_math=False)
    save_figure(figure, with_suffixes(path))


def find_differences(images: Sequence[np.ndarray]) -> list[tuple[int, int, int]]:
    """Finds the squares in which images differ most from each other, apart from one another.

    Args:
        images: All of one shape.

    Returns:
        Top, left and side of each, in pixels.
    """
    spread = np.stack([to_gray(to_uint8(image)).astype(np.float32) for image in images]).std(0)
    side = max(4, round(CROP_SHARE * min(spread.shape)))
    mean = cv2.boxFilter(spread, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_CONSTANT)
    mean = mean[: spread.shape[0] - side + 1, : spread.shape[1] - side + 1].copy()
    boxes = []
    for _ in COLORS:
        top, left = (int(place) for place in np.unravel_index(mean.argmax(), mean.shape))
        boxes.append((top, left, side))
        mean[max(0, top - side) : top + side, max(0, left - side) : left + side] = -1
    return boxes


def draw_decision(path: Path, title: str, near: np.ndarray, far: np.ndarray, fuser: "Fuser") -> None:
    """Draws candidates and decision maps of a fuser with the paper's strategy (its Fig. 6)."""
    from model.fusion.pictures import draw_panel  # loads matplotlib

    decision = fuser.decide(near, far)
    for file in with_suffixes(path):
        draw_panel(file, (near, far), decision, title)


def draw_training(path: Path, recipe: str, pairs: Sequence[SyntheticPair]) -> None:
    """Draws training pairs and labels at each level of blur (the paper's Fig. 7)."""
    titles = ("photograph", "A", "B", "label of A", "label of B")
    figure, grid = new_figure(len(pairs), len(titles), (WIDTH, WIDTH * len(pairs) / len(titles) + 0.5), bare=False)
    for level, (axes, pair) in enumerate(zip(grid, pairs, strict=True), start=1):
        tiles = (pair.reference, pair.near, pair.far, pair.label * 255, (1 - pair.label) * 255)
        for cell, tile, text in zip(axes, tiles, titles, strict=True):
            show(cell, tile, text if level == 1 else "", fontsize=10)
            cell.set_xticks([])
            cell.set_yticks([])
        axes[0].set_ylabel(f"level {level}")
    figure.suptitle(f"Training pairs, recipe {recipe}; white in a label is out of focus")
    save_figure(figure, with_suffixes(path))


def draw_results(path: Path, title: str, triples: Sequence[tuple[str, np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Draws sources and result of every pair (the paper's Fig. 16), or first and last source of a stack."""
    together = 2
    rows = -(-len(triples) // together)
    tallest = max(image.shape[0] / image.shape[1] for _, image, *_ in triples)
    height = rows * (WIDTH / (3 * together) * tallest + 0.3) + 0.5
    figure, grid = new_figure(rows, 3 * together, (WIDTH, height))
    for index, (name, *images) in enumerate(triples):
        row, first = index // together, 3 * (index % together)
        for place, (image, text) in enumerate(zip(images, (f"{name}: A", "B", "fused"), strict=True)):
            show(grid[row, first + place], image, text)
    figure.suptitle(f"More results: {printable(title)}", parse_math=False)
    save_figure(figure, with_suffixes(path))


def _details(image: np.ndarray, near: np.ndarray, boxes: Sequence[Any]) -> np.ndarray:
    """Returns the enlarged squares and the difference from A side by side, all of one height."""
    image, near = to_uint8(image), to_uint8(near)
    height = DETAIL_HEIGHT
    crops = [image[top : top + side, left : left + side] for top, left, side in boxes]
    tiles = [cv2.resize(crop, (height, height), interpolation=cv2.INTER_NEAREST) for crop in crops]
    difference = quantize(DIFFERENCE_GAIN * (image.astype(np.float32) - near) + 127.5)
    width = max(1, round(height * image.shape[1] / image.shape[0]))
    tiles.append(cv2.resize(difference, (width, height), interpolation=cv2.INTER_AREA))
    gap = np.full((height, 4, *image.shape[2:]), 255, np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)
