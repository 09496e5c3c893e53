"""Edge transfer from the sources into their fusion: Q_ABF, Q_LABF (loss of information) and N_ABF (artifacts)."""

from dataclasses import dataclass
from functools import reduce

import cv2
import numpy as np

from metrics.checks import RefusedError, require_equal_sources, require_known
from metrics.color import to_gray
from metrics.edge_models import EDGE_MODELS, EdgeModel, EdgeTransferScores
from metrics.metric import FusedPlane, Metric

_IS_WEAKER = {"lt": np.less, "le": np.less_equal}
"""Loss rules: information is lost where the fused gradient compares so with a source's."""

LOSS_RULES = tuple(_IS_WEAKER)
"""Names of the loss rules."""

_STRIP_ROWS = 32
"""Rows processed together: their temporary arrays fit in the processor's cache, which nearly halves the time."""


@dataclass(frozen=True)
class _Edges:
    """Edges of one image: squared Sobel gradients, their scaled strength and orientation; (H, W) each."""

    squares: np.ndarray
    strength: np.ndarray
    angle: np.ndarray


class EdgeTransfer:
    """Measures how much of the sources' edges fused images preserve; the sources' edges are computed once.

    For each source X and fused F, with Sobel strength g and orientation alpha = atan(sy / sx), by default pi/2 where
    sx = 0:
    G = min(gX, gF) / max(gX, gF), 1 where equal; A = agreement of the orientations; Q_X = Qg(G) Qa(A); w_X = gX^L;
    Q = sum(Q_A w_A + Q_B w_B) / sum(w_A + w_B), and L and N split the shortfall 1 - Q_X in the same sum. With more
    sources both sums run over all of them, as Xydeas and Petrovic define them for any number; where the fused gradient
    is weaker than that of any source the shortfall is lost, elsewhere it is an artifact.

    Memory: 20 bytes for each pixel of each source ("kumar": 28).

    Where no source has any edge, the sum of the weights is zero and the three scores are undefined: NaN, which tables
    report as a failure. With "xydeas" this happens to black images only, because the zero border is an edge of all
    others; with "liu" and "kumar" it never does.

    Args:
        *sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        variant: "xydeas" (default), "liu" or "kumar", see `EDGE_MODELS`.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Sources: Xydeas & Petrovic, Electronics Letters 36(4), 2000 (Q); Petrovic & Xydeas, "Objective image fusion
    performance characterisation", ICCV 2005 (L and N).
    """

    def __init__(self, *sources: np.ndarray, variant: str = "xydeas") -> None:
        require_known("edge variant", variant, EDGE_MODELS)
        require_equal_sources(sources)
        self._shape = sources[0].shape
        self._model = EDGE_MODELS[variant]
        self._sources = [_find_edges(source, self._model) for source in sources]
        self._weights = [_weigh(edges, self._model) for edges in self._sources]
        self._total_weight = float(sum(weight.sum() for weight in self._weights))

    def q_abf(self, fused: np.ndarray) -> float:
        """Computes the fraction of edges that `fused` preserves, 0..1, larger is better; faster than `measure`.

        Raises:
            RefusedError: `fused` differs in shape from the sources.
        """
        edges = self._fused_edges(fused)
        return self._normalize(sum(self._preserved(edges, rows).sum() for rows in self._strips()))

    def preserved(self, fused: np.ndarray) -> np.ndarray:
        """Sums Q_X w_X over all sources for each pixel, (H, W) float64; the total over the total weight is Q_ABF.

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
            shortfall = reduce(np.add, (weight[rows] for weight in self._weights)) - preserved
            # Squares of integer gradients are exact, so that a copied patch has exactly its source's strength.
            strongest = reduce(np.maximum, (source.squares[rows] for source in self._sources))
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
        """Sums Q_X w_X over the sources, for some rows: `(rows, W)` float64."""
        transfers = (_transfer(source, fused, rows, self._model) for source in self._sources)
        weights = (weight[rows] for weight in self._weights)
        return reduce(np.add, map(np.multiply, transfers, weights))

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
    slope = vertical / model.tiny if model.tiny else np.full(gray.shape, np.inf)
    np.divide(vertical, horizontal, out=slope, where=horizontal != 0)
    strength = np.sqrt(squares, dtype=np.float64)
    strength *= model.sobel_scale
    if model.tiny:
        strength[squares == 0] = model.tiny
    return _Edges(squares, strength, np.arctan(slope, out=slope))


def _weigh(edges: _Edges, model: EdgeModel) -> np.ndarray:
    weights = edges.strength if model.weight_exponent == 1.0 else edges.strength**model.weight_exponent
    if model.weight_threshold > 0.0:
        weights = np.where(edges.strength >= model.weight_threshold, weights, model.weight_floor)
    return weights


def _transfer(source: _Edges, fused: _Edges, rows: slice, model: EdgeModel) -> np.ndarray:
    """Computes Q_X for every pixel of some rows: `(rows, W)` float64 in 0..1."""
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
"""Edge model and rule of each variant of the loss."""

_ARTIFACT_VARIANTS = tuple(f"{model}-{rule}" for model in EDGE_MODELS for rule in reversed(LOSS_RULES))
"""The same for artifacts, "le" first: under "lt" the shortfall of exactly copied gradients counts as artifacts, so that
the best decision-map methods would seem to have the most. Q + L + N = 1 needs one rule for L and N."""


def _loss(plane: FusedPlane, variant: str) -> float:
    model, rule = variant.split("-")
    return plane.edge_scores(model).l_abf[rule]


def _artifacts(plane: FusedPlane, variant: str) -> float:
    model, rule = variant.split("-")
    return plane.edge_scores(model).n_abf[rule]


METRICS = (
    Metric(
        "q_abf",
        "Q_ABF",
        "edge transfer",
        "Xydeas & Petrovic 2000",
        variants=tuple(EDGE_MODELS),
        range=(0.0, 1.0),
        score=lambda plane, variant: plane.edge_scores(variant).q_abf,
        latex="$Q^{AB/F}$",
    ),
    Metric(
        "q_labf",
        "Q_LABF",
        "loss of edge information",
        "Petrovic & Xydeas 2005",
        variants=_LOSS_VARIANTS,
        range=(0.0, 1.0),
        score=_loss,
        latex="$Q^{LAB/F}$",
        larger_is_better=False,
    ),
    Metric(
        "n_abf",
        "N_ABF",
        "artifacts",
        "Petrovic & Xydeas 2005",
        variants=_ARTIFACT_VARIANTS,
        range=(0.0, 1.0),
        score=_artifacts,
        latex="$N^{AB/F}$",
        larger_is_better=False,
    ),
)
"""The metrics of this family."""
