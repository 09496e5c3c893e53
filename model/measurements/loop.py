"""What the measurements of fusion on pairs with their truth share."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from statistics import fmean
from typing import TypeVar

import numpy as np

from data.synthesis.pairs import SyntheticPair
from model.fusion.blending import BoundaryBlending
from model.fusion.evidence import PairComparer
from model.fusion.focus_measure import FocusMeasure
from model.fusion.fuser import Fuser
from model.fusion.learned import LearnedStrategy
from model.fusion.ranking import Ranking
from model.networks.quietly import import_quietly

Key = TypeVar("Key", bound=Hashable)


def mean_scores(
    pairs: Iterable[SyntheticPair], measure: Callable[[SyntheticPair], Iterable[tuple[Key, Mapping[str, float]]]]
) -> dict[Key, dict[str, float]]:
    """Returns the means over pairs of what `measure` yields of each: keys of results with their scores by name."""
    scores: dict[Key, list[Mapping[str, float]]] = {}
    for pair in pairs:
        for key, row in measure(pair):
            scores.setdefault(key, []).append(row)
    return {key: {name: fmean(row[name] for row in rows) for name in rows[0]} for key, rows in scores.items()}


def detail(pair: SyntheticPair) -> np.ndarray:
    """Returns what each pixel counts, (H, W) float32; see `detail_weights`."""
    weights = import_quietly("model.training.losses").detail_weights
    return weights(np.stack([pair.near, pair.far]).astype(np.float32))[0, ..., 0].numpy()


def comparer_of(fuser: Fuser) -> PairComparer:
    """Returns the comparing network of a fuser with the strategy `learned`."""
    if not isinstance(fuser.strategy, LearnedStrategy):
        raise TypeError("only the strategy learned has a comparing network.")
    return fuser.strategy.compare


def fuse_by_logits(
    images: Sequence[np.ndarray], logits: np.ndarray, blending: BoundaryBlending
) -> tuple[np.ndarray, np.ndarray]:
    """Fuses two images as `learned` does, by logits of "the first is the blurred one", (H, W) float32; returns the
    decision map and the fused image."""
    ranking = Ranking((logits.shape[0], logits.shape[1]))
    ranking.add(1, blending.smooth(logits))
    ranking.remove_small_regions(FocusMeasure().smallest)
    return ranking.decision_map, blending.mix(images, ranking)
