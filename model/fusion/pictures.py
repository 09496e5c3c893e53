"""Draws a fusion: its maps as files, and one panel of sources, maps and result."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.patches import Patch

from data.imaging.pixels import quantize
from data.io.figures import new_figure, save_figure, show
from data.io.files import write_json
from data.io.image_io import write_image, write_index_image
from data.registration.prepared import PreparedFrames
from data.runtime.errors import printable
from model.fusion.decision import MapDecision
from model.fusion.depth import DepthMap
from model.fusion.outputs import OutputOptions
from model.fusion.paper import PaperDecision
from model.fusion.parallax import write_rocking, write_stereo

MAP_TITLES = {
    "M1": "M1: A is out of focus",
    "M2": "M2: B is out of focus",
    "M4": "M4 = M1 AND NOT M2",
    "M5": "M5 = M1 OR NOT M2",
}
"""The paper's maps and what is written over them."""

LONGEST_SIDE = 800
"""Longest side of a panel's pictures, in pixels; a panel is for looking at, not for measuring."""

COLUMNS = 4
"""Pictures side by side."""

MOST_ASPECT = 4
"""Largest height of a panel's pictures over their width, however thin the images are."""

DEPTH_SCALE = 256
"""Steps of a depth map's file from one frame to the next."""

DEPTH_ENDINGS = ("confidence.png", "picture.png")
"""What is written beside a depth map."""

ROCKING, STEREO = "rocking.webp", "stereo.jpg"
"""Endings of the animation, and of the pictures for both eyes."""

UNSURE = 0.6
"""Gray of 0..1 in the picture of a depth map where the depth is unknown."""

CANDIDATES = ("F1", "F2")
"""The paper's two fused images."""


def companions(output: Path, strategy: str, options: OutputOptions) -> list[Path]:
    """Lists the files that `write_companions` will write, so that a run can check them before it begins.

    Args:
        output: The fused image.
        strategy: The fuser's.
        options: Say which are written.
    """
    endings, depth = [], []
    if options.save_maps:
        drawn = (*MAP_TITLES, *CANDIDATES) if strategy == "paper" else ("labels",)
        endings += [*(f"{name}.png" for name in drawn), "decision.json"]
    if options.panel:
        endings.append("panel.png")
    if options.depth_map:
        path = _depth_path(output, options)
        depth = [path, *(beside(path, ending) for ending in DEPTH_ENDINGS)]
    endings += [ROCKING] * options.rocking + [STEREO] * options.stereo
    return [*(beside(output, ending) for ending in endings), *depth]


def write_companions(
    output: Path,
    decision: PaperDecision | MapDecision,
    images: PreparedFrames,
    name: str,
    report: dict[str, Any],
    options: OutputOptions,
    fused: np.ndarray,
) -> None:
    """Writes what options ask for beside a result.

    Args:
        output: The fused image.
        decision: What led to it.
        images: The sources, as for `draw_panel`.
        name: Of the scene.
        report: JSON values, for `write_maps`.
        options: Say what is written.
        fused: The result, retouched, in the range of the sources.
    """
    if options.save_maps:
        write_maps(output, decision, report)
    if options.panel:
        draw_panel(beside(output, "panel.png"), images, decision, name, images.frame_numbers)
    depth = decision.depth if options.needs_depth and isinstance(decision, MapDecision) else None
    if not depth:
        return
    if options.depth_map:
        write_depth(_depth_path(output, options), depth, name)
    if options.rocking:
        write_rocking(beside(output, ROCKING), fused, depth)
    if options.stereo:
        write_stereo(beside(output, STEREO), fused, depth)


def write_maps(output: Path, decision: PaperDecision | MapDecision, summary: dict[str, Any]) -> None:
    """Writes what led to a result, beside it.

    Args:
        output: The fused image; its stem begins the names.
        decision: Of the paper's strategy: NAME-M1, -M2, -M4, -M5 (white = 1), -F1 and -F2. Of the refined one:
            NAME-labels, an indexed image whose values are the sources' numbers from 0 on; of more than 256 sources a
            gray one of 16 bits.
        summary: JSON values, written as NAME-decision.json.
    """
    write_json(beside(output, "decision.json"), summary)
    if isinstance(decision, MapDecision):
        labels = beside(output, "labels.png")
        if decision.decision_map.dtype == np.uint8:
            write_index_image(labels, decision.decision_map, _palette())
        else:
            write_image(labels, decision.decision_map)
        return
    for name, image in {**decision.maps, **decision.candidates}.items():
        picture = image.astype(np.uint8) * 255 if image.dtype == bool else image
        write_image(beside(output, f"{name}.png"), picture)


def write_depth(path: Path, depth: DepthMap, title: str) -> None:
    """Writes a depth map.

    Args:
        path: Its file NAME, 16 bits, the number of the frame from 0 on times `DEPTH_SCALE`. Beside it NAME-confidence,
            8 bits, 255 where the depth is sure and 0 where it is unknown; and NAME-picture, both in colors with a
            scale, for looking at.
        depth: What is written.
        title: Of the picture.
    """
    confidence_path, picture_path = (beside(path, ending) for ending in DEPTH_ENDINGS)
    write_image(path, quantize(depth.frames * DEPTH_SCALE, np.uint16))
    write_image(confidence_path, quantize(depth.confidence * 255))
    frames, confidence = _thin(depth.frames), _thin(depth.confidence)
    last = max(1.0, float(depth.frames.max()))
    figure, ((axes,),) = new_figure(1, 1, (9, 1 + 8 * frames.shape[0] / frames.shape[1]))
    show(axes, depth_colors(DepthMap(frames, confidence), last), title, fontsize=12)
    bar = figure.colorbar(ScalarMappable(Normalize(0, last), "turbo"), ax=axes, shrink=0.8)
    bar.set_label("sharpest frame, from 0 on; gray: unknown")
    save_figure(figure, [picture_path], dpi=110)


def depth_colors(depth: DepthMap, last: float) -> np.ndarray:
    """Colors a depth map, (H, W, 3) uint8 RGB, gray where the depth is unknown; `last` is the number that gets the last
    color."""
    colors = np.rint(255 * colormaps["turbo"](np.arange(256))[:, :3]).astype(np.uint8)
    picture = np.empty((*depth.frames.shape, 3), np.uint8)
    for row, (frames, confidence) in enumerate(zip(depth.frames, depth.confidence, strict=True)):
        color = colors[np.clip(frames / last * 255, 0, 255).astype(np.uint8)]
        picture[row] = quantize(255 * UNSURE + confidence[:, None] * (color - 255 * UNSURE))
    return picture


def source_colors(decision_map: np.ndarray) -> np.ndarray:
    """Returns numbers of sources, such as a decision map, in colors: uint8 RGB of their shape with an axis for the
    channels; twenty that differ, repeated."""
    return _palette()[decision_map % 20]


def _palette() -> np.ndarray:
    """Returns the colors of sources 0 to 255, (256, 3) uint8 RGB."""
    return np.rint(np.array([colormaps["tab20"](index % 20)[:3] for index in range(256)]) * 255).astype(np.uint8)


def draw_panel(
    path: Path,
    images: Sequence[np.ndarray],
    decision: PaperDecision | MapDecision,
    title: str,
    numbers: Sequence[int] | None = None,
) -> None:
    """Draws the sources, what was decided and the result.

    Of the paper's strategy: both candidates with their Q_ABF, the chosen one marked, and the four maps (white = 1). Of
    the others: the labels, with a legend, and the fused image.

    Args:
        path: The picture to write; its suffix (.png, .pdf) decides the type.
        images: The sources, (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        decision: What the strategy computed of them.
        title: Heading.
        numbers: The number of each source in the decision map; None counts from 0 on.
    """
    numbers = range(len(images)) if numbers is None else numbers
    tiles = [(f"source {_letter(number)}", _thin(image)) for number, image in zip(numbers, images, strict=True)]
    if isinstance(decision, PaperDecision):
        for name, image in decision.candidates.items():
            chosen = ", chosen" if name == decision.chosen else ""
            tiles.append((f"{name}: Q_ABF {decision.q_abf[name]:.4f}{chosen}", _thin(image)))
        tiles += [(text, _thin(decision.maps[name]).astype(np.uint8) * 255) for name, text in MAP_TITLES.items()]
    else:
        tiles += [("taken from", source_colors(_thin(decision.decision_map))), ("fused", _thin(decision.fused))]
    height, width = images[0].shape[:2]
    aspect = min(max(height / width, 1 / MOST_ASPECT), MOST_ASPECT)
    rows = -(-len(tiles) // COLUMNS)
    figure, grid = new_figure(rows, COLUMNS, (14, 14 / COLUMNS * rows * aspect + 1))
    figure.suptitle(printable(title), parse_math=False)
    for axes, (text, image) in zip(grid.ravel(), tiles, strict=False):
        show(axes, image, text, fontsize=10)
        if "chosen" in text or text == "fused":
            axes.title.set_fontweight("bold")
    if isinstance(decision, MapDecision):
        colors = source_colors(np.array(numbers)) / 255
        patches = [Patch(color=color, label=_letter(number)) for number, color in zip(numbers, colors, strict=True)]
        figure.legend(handles=patches, title="taken from", loc="outside right upper")
    save_figure(figure, [path], dpi=110)


def _thin(image: np.ndarray) -> np.ndarray:
    """Copies every n-th pixel, so that no frame of a large stack stays in memory."""
    step = max(1, max(image.shape[:2]) // LONGEST_SIDE)
    return image[::step, ::step].copy()


def _depth_path(output: Path, options: OutputOptions) -> Path:
    """Returns the file of the depth map: the one that was asked for, or NAME-depth.png."""
    return options.depth_map if isinstance(options.depth_map, Path) else beside(output, "depth.png")


def beside(output: Path, ending: str) -> Path:
    """Returns NAME-ENDING beside the fused image NAME."""
    return output.with_name(f"{output.stem}-{ending}")


def _letter(index: int) -> str:
    return chr(ord("A") + index) if index < 26 else str(index + 1)
