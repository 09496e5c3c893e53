"""Edge transfer from two sources into their fusion: Q_ABF, Q_LABF (loss of information) and N_ABF (artifacts)."""

from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from metrics.checks import RefusedError, require_equal_shapes, require_known
from metrics.color import to_gray
from metrics.edge_models import EDGE_MODELS, EdgeModel
from metrics.metric import FusedPlane, Metric

_IS_WEAKER = {"lt": np.less, "le": np.less_equal}
"""A fused gradient that is weaker than a source's, in this sense, loses information."""

LOSS_RULES = tuple(_IS_WEAKER)
"""The names of these senses."""

_STRIP_ROWS = 32
"""The temporary arrays of a strip stay in the processor's cache, which saves almost half of the time at 520 x 520."""


@dataclass(frozen=True)
class EdgeTransferScores:
    """What became of the sources' edges; `q_abf + l_abf[rule] + n_abf[rule] = 1` for each rule in `LOSS_RULES`.

    All are NaN where the sources have no edge at all (see `EdgeTransfer`).

    Attributes:
        q_abf: Fraction preserved.
        l_abf: Fraction lost where the fused gradient is weaker than a source's, by rule ("lt" <, "le" <=).
        n_abf: Fraction covered by artifacts, that is the shortfall everywhere else, by rule.
    """

    q_abf: float
    l_abf: dict[str, float]
    n_abf: dict[str, float]


@dataclass(frozen=True)
class _Edges:
    squares: np.ndarray
    strength: np.ndarray
    angle: np.ndarray


class EdgeTransfer:
    """Measures how much of two sources' edges fused images preserve, with the sources' edges computed once.

    For each source X and fused F, with Sobel strength g and orientation alpha = atan(sy / sx), pi/2 where sx = 0:
    G = min(gX, gF) / max(gX, gF), 1 where equal; A = agreement of the orientations; Q_X = Qg(G) Qa(A); w_X = gX^L;
    Q = sum(Q_A w_A + Q_B w_B) / sum(w_A + w_B), and L and N split the shortfall 1 - Q_X in the same sum.

    Where no source has any edge the sum of the weights is zero and the three scores are undefined: NaN, which tables
    report as a failure. With "xydeas" only two black images do that, because the zero border is an edge of all others;
    with "kumar" none do.

    Args:
        near: One source, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.
        far: The other source, of the same shape.
        variant: "xydeas" (default) or "kumar", see `EDGE_MODELS`.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Sources: Xydeas & Petrovic, Electronics Letters 36(4), 2000 (Q); Petrovic & Xydeas, "Objective image fusion
    performance characterisation", ICCV 2005 (L and N).
    """

    def __init__(self, near: np.ndarray, far: np.ndarray, variant: str = "xydeas"):
        require_known("edge variant", variant, EDGE_MODELS)
        require_equal_shapes(near=near, far=far)
        self._shape = near.shape
        self._model = EDGE_MODELS[variant]
        self._near = _find_edges(near, self._model)
        self._far = _find_edges(far, self._model)
        self._near_weight = _weigh(self._near, self._model)
        self._far_weight = _weigh(self._far, self._model)
        self._total_weight = float(self._near_weight.sum() + self._far_weight.sum())

    def q_abf(self, fused: np.ndarray) -> float:
        """Fraction of the sources' edges that `fused` preserves, 0..1, larger is better; faster than `measure`.

        Raises:
            RefusedError: `fused` differs in shape from the sources.
        """
        edges = self._fused_edges(fused)
        return self._normalize(sum(self._preserved(edges, rows).sum() for rows in self._strips()))

    def preserved(self, fused: np.ndarray) -> np.ndarray:
        """What Q_ABF sums up, Q_A w_A + Q_B w_B of each pixel, (H, W) float64, before it is divided by the sum of all
        weights.

        Raises:
            RefusedError: `fused` differs in shape from the sources.
        """
        edges = self._fused_edges(fused)
        return np.concatenate([self._preserved(edges, rows) for rows in self._strips()])

    def measure(self, fused: np.ndarray) -> EdgeTransferScores:
        """Computes Q, L and N under both loss rules in one pass.

        Args:
            fused: Fused image, of the sources' shape.

        Raises:
            RefusedError: `fused` differs in shape from the sources.
        """
        edges = self._fused_edges(fused)
        kept, lost, added = 0.0, dict.fromkeys(LOSS_RULES, 0.0), dict.fromkeys(LOSS_RULES, 0.0)
        for rows in self._strips():
            preserved = self._preserved(edges, rows)
            kept += preserved.sum()
            shortfall = self._near_weight[rows] + self._far_weight[rows] - preserved
            # Squares of integer gradients are exact, so that a copied patch has exactly its source's strength.
            strongest = np.maximum(self._near.squares[rows], self._far.squares[rows])
            for rule, is_weaker in _IS_WEAKER.items():
                weaker = is_weaker(edges.squares[rows], strongest)
                lost[rule] += (shortfall * weaker).sum()
                added[rule] += (shortfall * ~weaker).sum()
        return EdgeTransferScores(
            q_abf=self._normalize(kept),
            l_abf={rule: self._normalize(lost[rule]) for rule in LOSS_RULES},
            n_abf={rule: self._normalize(added[rule]) for rule in LOSS_RULES},
        )

    def _fused_edges(self, fused: np.ndarray) -> _Edges:
        if fused.shape != self._shape:
            raise RefusedError(f"The fused image has the shape {fused.shape}, but its sources have {self._shape}.")
        return _find_edges(fused, self._model)

    def _strips(self) -> list[slice]:
        return [slice(start, start + _STRIP_ROWS) for start in range(0, self._shape[0], _STRIP_ROWS)]

    def _preserved(self, fused: _Edges, rows: slice) -> np.ndarray:
        """Q_A w_A + Q_B w_B of some rows: `(rows, W)` float64."""
        near = _transfer(self._near, fused, rows, self._model)
        near *= self._near_weight[rows]
        far = _transfer(self._far, fused, rows, self._model)
        far *= self._far_weight[rows]
        near += far
        return near

    def _normalize(self, weighted_sum: float) -> float:
        return float(weighted_sum) / self._total_weight if self._total_weight > 0.0 else float("nan")


def _find_edges(image: np.ndarray, model: EdgeModel) -> _Edges:
    gray = to_gray(image)
    integer = gray.dtype == np.uint8
    horizontal, vertical = (
        cv2.Sobel(gray, cv2.CV_16S if integer else cv2.CV_64F, dx, dy, ksize=3, borderType=model.border)
        for dx, dy in ((1, 0), (0, 1))
    )
    square_type = np.int32 if integer else np.float64
    squares = np.multiply(horizontal, horizontal, dtype=square_type)
    squares += np.multiply(vertical, vertical, dtype=square_type)
    slope = np.full(gray.shape, np.inf)
    np.divide(vertical, horizontal, out=slope, where=horizontal != 0)
    strength = np.sqrt(squares, dtype=np.float64)
    strength *= model.sobel_scale
    return _Edges(squares, strength, np.arctan(slope, out=slope))


def _weigh(edges: _Edges, model: EdgeModel) -> np.ndarray:
    weights = edges.strength if model.weight_exponent == 1.0 else edges.strength**model.weight_exponent
    if model.weight_threshold > 0.0:
        weights = np.where(edges.strength >= model.weight_threshold, weights, model.weight_floor)
    return weights


def _transfer(source: _Edges, fused: _Edges, rows: slice, model: EdgeModel) -> np.ndarray:
    """Q_X of every pixel of some rows: `(rows, W)` float64 in 0..1."""
    stronger = np.maximum(source.strength[rows], fused.strength[rows])
    kept = np.ones_like(stronger)
    np.divide(np.minimum(source.strength[rows], fused.strength[rows]), stronger, out=kept, where=stronger > 0.0)
    agreement = np.abs(source.angle[rows] - fused.angle[rows])
    if model.folded_angle:
        agreement -= np.pi / 2.0
        np.abs(agreement, out=agreement)
        agreement *= 2.0 / np.pi
    else:
        agreement *= -2.0 / np.pi
        agreement += 1.0
    quality = model.strength.denominator(kept)
    quality *= model.orientation.denominator(agreement)
    np.divide(model.strength.gain * model.orientation.gain, quality, out=quality)
    return np.sqrt(quality, out=quality) if model.geometric_mean else quality


_LOSS_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in LOSS_RULES)
"""Edge model and rule, for the loss."""

_ARTIFACT_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in reversed(LOSS_RULES))
"""The same for artifacts: under "lt" the shortfall of exactly copied gradients counts as artifacts, and the best
decision-map methods would show the most of them. Q + L + N = 1 needs one rule for L and N."""


def _by_rule(part: str, plane: FusedPlane, variant: str) -> float:
    """A part of the shortfall, "l_abf" or "n_abf", by the edge model and the rule of a variant."""
    model, rule = variant.split("-")
    return getattr(plane.edge_scores(model), part)[rule]


METRICS = (
    Metric(
        "q_abf",
        "Q_ABF",
        "$Q^{AB/F}$",
        "edge transfer",
        "Xydeas & Petrovic 2000",
        variants=tuple(EDGE_MODELS),
        range=(0.0, 1.0),
        score=lambda plane, variant: plane.edge_scores(variant).q_abf,
    ),
    Metric(
        "q_labf",
        "Q_LABF",
        "$Q^{LAB/F}$",
        "loss of edge information",
        "Petrovic & Xydeas 2005",
        variants=_LOSS_VARIANTS,
        range=(0.0, 1.0),
        score=partial(_by_rule, "l_abf"),
        larger_is_better=False,
    ),
    Metric(
        "n_abf",
        "N_ABF",
        "$N^{AB/F}$",
        "artifacts",
        "Petrovic & Xydeas 2005",
        variants=_ARTIFACT_VARIANTS,
        range=(0.0, 1.0),
        score=partial(_by_rule, "n_abf"),
        larger_is_better=False,
    ),
)
"""The metrics of this family."""
