"""The published edge-transfer metrics: the constants in which they differ, and the scores that they have in common."""

from dataclasses import dataclass, replace

import cv2
import numpy as np


@dataclass(frozen=True)
class Sigmoid:
    """Weight of a preserved fraction x in 0..1: gain / (1 + exp(slope (x - midpoint)))."""

    gain: float
    slope: float
    midpoint: float

    def denominator(self, values: np.ndarray) -> np.ndarray:
        """Computes 1 + exp(slope (values - midpoint)) in place, on float64 values."""
        values -= self.midpoint
        values *= self.slope
        np.exp(values, out=values)
        values += 1.0
        return values


@dataclass(frozen=True)
class EdgeModel:
    """The constants in which published edge-transfer metrics differ.

    Attributes:
        strength: Weight of the preserved gradient strength (Gg, kg, sg).
        orientation: Weight of the preserved gradient orientation (Ga, ka, sa).
        border: OpenCV border type of the Sobel operator.
        sobel_scale: Factor on the Sobel kernel [1 2 1] x [-1 0 1].
        folded_angle: Whether the angle between two gradients is folded about pi/2, so that opposite gradients agree.
        geometric_mean: Whether strength and orientation are combined as sqrt(Qg Qa) instead of Qg Qa.
        weight_exponent: L in w = g^L, g in units of the scaled Sobel response.
        weight_threshold: Gradients below it weigh `weight_floor`.
        weight_floor: Weight of a gradient below the threshold.
        tiny: Stands for a horizontal gradient, and for a strength, of 0. Where it is 0, the orientation of a gradient
            without a horizontal part is pi/2.
    """

    strength: Sigmoid
    orientation: Sigmoid
    border: int
    sobel_scale: float
    folded_angle: bool
    geometric_mean: bool
    weight_exponent: float
    weight_threshold: float
    weight_floor: float
    tiny: float = 0.0


@dataclass(frozen=True)
class EdgeTransferScores:
    """Fractions of the sources' edges; `q_abf + l_abf[rule] + n_abf[rule] = 1` for each rule, "lt" (<) and "le" (<=).

    All are NaN where the sources have no edge at all (see `metrics.edges.EdgeTransfer`).

    Attributes:
        q_abf: Fraction preserved.
        l_abf: Fraction lost by rule: where the fused gradient is weaker than a source's.
        n_abf: Fraction covered by artifacts, by rule: the shortfall everywhere else.
    """

    q_abf: float
    l_abf: dict[str, float]
    n_abf: dict[str, float]


# Xydeas & Petrovic, "Objective image fusion performance measure", Electronics Letters 36(4), 2000.
_XYDEAS = EdgeModel(
    strength=Sigmoid(0.9994, -15.0, 0.5),
    orientation=Sigmoid(0.9879, -22.0, 0.8),
    border=cv2.BORDER_CONSTANT,
    sobel_scale=1.0,
    folded_angle=False,
    geometric_mean=False,
    weight_exponent=1.0,
    weight_threshold=0.0,
    weight_floor=0.0,
)

EDGE_MODELS = {
    "xydeas": _XYDEAS,
    # The same in Y. Liu's correction of Z. Liu's toolbox (MFIF, 2019), which divides by 1e-5 in place of 0: gradients
    # that point straight up and down are opposite, and where there is none the orientation is 0.
    "liu": replace(_XYDEAS, tiny=1e-5),
    # The evaluation routine that B. K. Shreyamsha Kumar publishes with his fusion methods.
    "kumar": EdgeModel(
        strength=Sigmoid(0.9999, -19.0, 0.5),
        orientation=Sigmoid(0.9995, -22.0, 0.5),
        border=cv2.BORDER_REFLECT_101,
        sobel_scale=1.0 / 8.0,
        folded_angle=True,
        geometric_mean=True,
        weight_exponent=1.5,
        weight_threshold=2.0,
        weight_floor=0.001,
    ),
}
"""Published models by name, the default first."""
