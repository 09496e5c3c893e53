"""What is written of a fused scene besides the image."""

from dataclasses import dataclass
from pathlib import Path

from model.fusion.retouch import Stroke


@dataclass(frozen=True)
class OutputOptions:
    """What is written of a scene.

    Attributes:
        align_only: Whether the aligned frames are written, and nothing is fused.
        save_maps: Whether the maps are written.
        panel: Whether a panel is drawn.
        depth_map: Whether the depth map is written, or its file where that is not NAME-depth.png; for the strategy
            `learned`.
        strokes: Retouching, painted over the result.
    """

    align_only: bool = False
    save_maps: bool = False
    panel: bool = False
    depth_map: bool | Path = False
    strokes: tuple[Stroke, ...] = ()

    @property
    def companions(self) -> bool:
        """Whether files beside the image are written."""
        return bool(self.save_maps or self.panel or self.depth_map)
