"""What a strategy returns: the decision map, the fused image, and the depth that comes with it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.fusion.depth import DepthMap


@dataclass(frozen=True)
class MapDecision:
    """The result of the strategy `refined` or `learned`.

    Attributes:
        decision_map: (H, W) uint8, of more than 256 sources uint16, the index of the source that each pixel is taken
            from.
        fused: The result, of the sources' shape and type.
        strategy: Its name.
        find_depth: Computes the depth map; None for strategies without one.
    """

    decision_map: np.ndarray
    fused: np.ndarray
    strategy: str = "refined"
    find_depth: Callable[[], DepthMap] | None = None

    @property
    def depth(self) -> DepthMap | None:
        """The depth of each pixel in the stack; None for strategies without one."""
        return self.find_depth() if self.find_depth else None

    def summary(self) -> dict[str, Any]:
        """Returns the share of the pixels that each source gives, up to the last that gives any, for a report."""
        shares = np.bincount(self.decision_map.ravel()) / self.decision_map.size
        return {"strategy": self.strategy, "shares": [round(float(share), 4) for share in shares]}
