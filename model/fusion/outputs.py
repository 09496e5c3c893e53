"""What is written of a fused scene besides the image."""

from dataclasses import dataclass
from pathlib import Path

from data.runtime.errors import InputError
from model.fusion.retouch import Stroke
from model.fusion.settings import FusionSettings


@dataclass(frozen=True)
class Slabs:
    """Parts of a deep stack that are fused by themselves as well, for retouching.

    Attributes:
        size: Frames in each, at least 2.
        overlap: Frames that follow each other's slab share, fewer than `size`.
    """

    size: int
    overlap: int = 0

    @classmethod
    def parse(cls, text: str) -> "Slabs":
        """Reads SIZE or SIZE:OVERLAP.

        Raises:
            InputError: It is neither, or the overlap is not smaller than the size.
        """
        size, _, overlap = text.partition(":")
        wrong = InputError(f"slabs are SIZE or SIZE:OVERLAP, from 2 frames on, received {text!r}.")
        try:
            slabs = cls(int(size), int(overlap or 0))
        except ValueError as error:
            raise wrong from error
        if slabs.size < 2 or not 0 <= slabs.overlap < slabs.size:
            raise wrong
        return slabs

    def spans(self, count: int) -> list[range]:
        """Returns the frames of each slab of a stack; the last holds what is left, more than the overlap."""
        starts = range(0, max(1, count - self.overlap), self.size - self.overlap)
        return [range(start, min(start + self.size, count)) for start in starts]

    def files(self, output: Path, count: int) -> list[Path]:
        """Returns the file of each slab beside a fused image, NAME-slab-1 and so on."""
        number = len(self.spans(count))
        width = len(str(number))
        return [output.with_name(f"{output.stem}-slab-{one:0{width}}{output.suffix}") for one in range(1, number + 1)]


@dataclass(frozen=True)
class OutputOptions:
    """What is written of a scene.

    Attributes:
        align_only: Whether the aligned frames are written, and nothing is fused.
        save_maps: Whether the maps are written.
        panel: Whether a panel is drawn.
        depth_map: Whether the depth map is written, or its file where that is not NAME-depth.png; for the strategy
            `learned`.
        rocking: Whether an animation that rocks from side to side is written; for the strategy `learned`.
        stereo: Whether a picture for each eye is written, side by side; for the strategy `learned`.
        strokes: Retouching, painted over the result.
        second: How the result is decided that strokes may paint with; None: there is none.
        slabs: Parts of the stack whose results are written as well; None: none.
    """

    align_only: bool = False
    save_maps: bool = False
    panel: bool = False
    depth_map: bool | Path = False
    rocking: bool = False
    stereo: bool = False
    strokes: tuple[Stroke, ...] = ()
    second: FusionSettings | None = None
    slabs: Slabs | None = None

    @property
    def companions(self) -> bool:
        """Whether files beside the image are written."""
        return bool(self.save_maps or self.panel or self.needs_depth)

    @property
    def needs_depth(self) -> bool:
        """Whether something is written that is made from the depth map."""
        return bool(self.depth_map or self.rocking or self.stereo)
