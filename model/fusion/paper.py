"""From two maps to one image: the paper's logic.

Source: Wang, Jin et al., JIFS 2022. A map is 1 where its source is out of focus. M3 = NOT M2 is what the second source
says of the first; M4 = M1 AND M3 and M5 = M1 OR M3 both keep the pixels on which the two agree, and give those in
dispute to one source each. Of the two fused images the one with the higher Q_ABF is the result. No morphology, no
filter.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.imaging.composition import compose
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from metrics.edges import EdgeTransfer
from model.fusion.predictor import FocusPredictor
from model.networks.engine import Engine

SMALLEST = 2
"""Rows and columns that Q_ABF needs."""


@dataclass(frozen=True)
class PaperDecision:
    """Everything the paper's strategy computes on the way to its result.

    Attributes:
        maps: M1, M2, M4 and M5 by name, each (H, W) bool; M1 and M2 are True where the source is out of focus, M4 and
            M5 where the fused image takes the second source.
        candidates: "F1" by M4 and "F2" by M5, of the sources' shape and type.
        q_abf: Q_ABF of each candidate, by its name.
        chosen: The name of the result.
    """

    maps: dict[str, np.ndarray]
    candidates: dict[str, np.ndarray]
    q_abf: dict[str, float]
    chosen: str

    @property
    def fused(self) -> np.ndarray:
        return self.candidates[self.chosen]

    def summary(self) -> dict[str, Any]:
        """Returns Q_ABF of the candidates and which was chosen, for a report."""
        return {"strategy": "paper", "q_abf": self.q_abf, "chosen": self.chosen}


def load(predictor: FocusPredictor, engine: Engine) -> "PaperStrategy":
    """Builds the strategy."""
    return PaperStrategy(predictor)


class PaperStrategy:
    """Cuts the two maps at one half and decides by logic and Q_ABF.

    Args:
        predictor: Runs the focus network.
    """

    def __init__(self, predictor: FocusPredictor):
        self._predictor = predictor

    def decide(self, images: PreparedFrames) -> PaperDecision:
        """Fuses two images; see `model.fusion.fuser.Strategy`."""
        if len(images) != 2:
            raise InputError(f"the paper's strategy fuses two images, received {len(images)}.")
        height, width = images[0].shape[:2]
        if min(height, width) < SMALLEST:
            raise InputError(f"the paper's strategy needs at least 2x2 pixels, received {width}x{height}.")
        near_map, far_map = self._predictor.unfocused(images, images.observe) > 0.5
        return decide(images[0], images[1], near_map, far_map)


def refine(near_map: np.ndarray, far_map: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Refines two maps by logic: M4 = M1 AND NOT M2, M5 = M1 OR NOT M2.

    Args:
        near_map: M1, (H, W) bool; True where the first source is out of focus.
        far_map: M2, the same of the second source.

    Returns:
        M4 and M5, (H, W) bool; True where the fused image takes the second source.
    """
    complement = ~far_map
    return near_map & complement, near_map | complement


def decide(near: np.ndarray, far: np.ndarray, near_map: np.ndarray, far_map: np.ndarray) -> PaperDecision:
    """Fuses two images by the paper's strategy.

    Args:
        near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        far: The same shape and type.
        near_map: M1, (H, W) bool; True where `near` is out of focus.
        far_map: M2, the same of `far`.

    Returns:
        The result and what led to it. At equal Q_ABF, and where it is not defined (no edges at all), F1 is chosen.
    """
    m4, m5 = refine(near_map, far_map)
    candidates = {name: compose((near, far), take_far) for name, take_far in (("F1", m4), ("F2", m5))}
    edges = EdgeTransfer(near, far)
    q_abf = {name: edges.q_abf(image) for name, image in candidates.items()}
    chosen = "F2" if q_abf["F2"] > q_abf["F1"] else "F1"
    return PaperDecision({"M1": near_map, "M2": far_map, "M4": m4, "M5": m5}, candidates, q_abf, chosen)
