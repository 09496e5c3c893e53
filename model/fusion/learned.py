"""The strategy `learned`, which is ours: a small network that sees both photographs decides pixel by pixel.

The paper's network judges each photograph alone, and the strategy `refined` compares its judgements by a formula. Where
one of them stops being sharp is easier to see in both together, to the pixel. A network (`model/networks/comparer.py`)
sees two photographs and what is known of each, and corrects the formula.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from data.pixels import to_rgb
from model.fusion.blending import BoundaryBlending, Ranking
from model.fusion.predictor import FocusPredictor
from model.fusion.refined import FocusMeasure, MapDecision
from model.networks.comparer import COMPARER_STRIDE, compare, load_comparer


def load(predictor: FocusPredictor, weights: Path | str) -> "LearnedStrategy":
    """Makes the strategy; errors as `load_comparer`."""
    return LearnedStrategy(predictor, load_comparer(weights))


class PairComparer:
    """Compares two photographs pixel by pixel, compiled once for all sizes.

    Args:
        predictor: Looks at each.
        comparer: Made by `build_comparer`.
    """

    def __init__(self, predictor: FocusPredictor, comparer: keras.Model):
        self._predictor = predictor
        signature = [tf.TensorSpec([2, None, None, channels]) for channels in (3, 2, 1)]
        self._compare = tf.function(
            lambda images, logits, scores: compare(comparer, images, logits, scores)[0, ..., 0],
            input_signature=signature,
        )

    def __call__(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """The logit of "the first is the blurred one", (H, W) float32; never in tiles."""
        height, width = first.shape[:2]
        inputs = [_aligned(values) for values in self.evidence(first, second)]
        return self._compare(*map(tf.constant, inputs)).numpy()[:height, :width]

    def evidence(self, *images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What `compare` sees of images: (N, H, W, 3), (N, H, W, 2) and (N, H, W, 1) float32."""
        maps = list(self._predictor.two_scales(images))
        scores = [FocusMeasure().score(image, *both) for image, both in zip(images, maps, strict=True)]
        return (
            np.stack([to_rgb(image) for image in images]),
            np.stack([np.stack(both, -1) for both in maps]),
            np.stack(scores)[..., None],
        )


class LearnedStrategy:
    """Compares each source with the best of those before it, and mixes two at decision boundaries where that is unsure.

    Args:
        predictor: Looks at each source.
        comparer: Made by `build_comparer`, with weights.
    """

    def __init__(self, predictor: FocusPredictor, comparer: keras.Model):
        self._predictor = predictor
        self._blending = BoundaryBlending()
        self.compare = PairComparer(predictor, comparer)

    def decide(self, images: Sequence[np.ndarray]) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        ranking = self._rank(images)
        ranking.remove_small_regions(FocusMeasure().smallest)  # when what ranking needed is free again
        return MapDecision(ranking.decision_map, self._blending.mix(images, ranking), "learned")

    def _rank(self, images):
        ranking, best = Ranking(images[0].shape[:2]), images[0].copy()
        observe = self._predictor.counter((len(images) - 1) * self._predictor.tiles(images[0]))
        for index, image in enumerate(images[1:], start=1):
            blurred = self._predictor.piecewise(
                image, lambda window, image=image: self.compare(best[window], image[window]), observe
            )
            wins = ranking.add(index, self._blending.smooth(blurred))
            best[wins] = image[wins]
        return ranking


def _aligned(values):
    """Mirrors the lower and right border to multiples of 4."""
    down, right = (-side % COMPARER_STRIDE for side in values.shape[1:3])
    if not down and not right:
        return values
    padded = [cv2.copyMakeBorder(value, 0, down, 0, right, cv2.BORDER_REFLECT) for value in values]
    return np.stack(padded).reshape(len(values), *padded[0].shape[:2], values.shape[-1])
