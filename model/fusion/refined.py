"""From the maps of two or more sources to one image: the strategy `refined`, which is ours.

The paper judges each photograph alone and decides between two whole candidates. Here each pixel of each source gets a
score (`model/fusion/focus_measure.py`), and the source with the lowest is taken.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from data.imaging.boundaries import align_boundaries
from data.imaging.composition import compose
from data.registration.prepared import Observer, PreparedFrames
from model.fusion.decision import MapDecision
from model.fusion.focus_measure import FocusMeasure
from model.fusion.predictor import FocusPredictor, ignore
from model.networks.engine import Engine


def load(predictor: FocusPredictor, engine: Engine) -> "RefinedStrategy":
    """Builds the strategy."""
    return RefinedStrategy(predictor)


class RefinedStrategy:
    """Takes each pixel from the source with the lowest score, and moves the decision boundaries between two.

    Args:
        predictor: Runs the focus network.
        measure: Scores its logits; None takes the default constants.
    """

    def __init__(self, predictor: FocusPredictor, measure: FocusMeasure | None = None):
        self._predictor = predictor
        self._measure = measure or FocusMeasure()

    def scores(self, images: Sequence[np.ndarray], observe: Observer = ignore) -> Iterator[np.ndarray]:
        """Scores each image in turn: the lower, the sharper; (H, W) float32."""
        return self._predictor.maps(images, self._score, observe)

    def decide(self, images: PreparedFrames) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        decision_map = self._measure.decide(images, self._known_scores(images))
        if len(images) == 2 and min(decision_map.shape) > 1:
            decision_map = align_boundaries(images, decision_map)
        images.assign_uncovered(decision_map)
        return MapDecision(decision_map, compose(images, decision_map))

    def _known_scores(self, images: PreparedFrames) -> Iterator[np.ndarray]:
        """Yields the scores, infinite where an image shows nothing."""
        for index, score in enumerate(self.scores(images, images.observe)):
            covered = images.covered(index)
            yield score if covered is None else np.where(covered, score, np.float32(np.inf))

    def _score(self, images: Sequence[np.ndarray]) -> Iterator[np.ndarray]:
        looks = zip(images, self._predictor.two_scales(images), strict=True)
        return (self._measure.score(image, *both) for image, both in looks)
