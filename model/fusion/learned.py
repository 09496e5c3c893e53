"""The strategy `learned`, which is ours: a small network that sees both photographs decides pixel by pixel.

The paper's network judges each photograph alone, and the strategy `refined` compares its judgements by a formula. Where
one of them stops being sharp is easier to see in both together, to the pixel. A network (`model/networks/comparer.py`)
sees two photographs and what is known of each, and corrects the formula. Large photographs, whose blur is large as
well, are decided at reduced size first; then the two best sources of each pixel are compared at full size.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from data.pixels import to_rgb
from data.registration.prepared import PreparedFrames
from model.bundled import BUNDLED_COMPARER
from model.fusion import multiband, tiling
from model.fusion.blending import BoundaryBlending
from model.fusion.depth import DepthTrace
from model.fusion.predictor import COARSE, FocusPredictor
from model.fusion.ranking import Evidence, Ranking
from model.fusion.refined import FocusMeasure, MapDecision, compose_each, contrast
from model.networks.comparer import COMPARER_STRIDE, compare, load_comparer

DECISION_PIXELS = 1_500_000
"""Photographs of more pixels are decided at the largest of the sizes 1/2, 1/4, ... that has no more."""

REACH = 16
"""Pixels from a decision boundary within which a decision at reduced size is made again at full size."""

TILE, OVERLAP = 1024, 64
"""Side of the tiles in which that is done, and how far they reach into each other, in pixels."""

CERTAIN = 30.0
"""Logit of what needs no network: a frame that shows nothing of a pixel never wins it."""

DOUBT = 2.0
"""Logit below which two sources that are both in focus count as equally sharp, for `prefer`."""

BANDS = 1
"""Levels of the blending of stacks; chosen on drawn stacks (docs/stacks.md)."""


def load(
    predictor: FocusPredictor,
    weights: Path | str,
    prefer: str | None = None,
    comparer: Path | str = BUNDLED_COMPARER,
) -> "LearnedStrategy":
    """Makes the strategy with the network of the file `comparer`; errors as `load_comparer`."""
    return LearnedStrategy(predictor, load_comparer(weights, comparer), prefer)


def gather(
    predictor: FocusPredictor, images: Sequence[np.ndarray], *, fine: bool = True
) -> Iterator[tuple[Evidence, np.ndarray]]:
    """Finds in turn what is known of each image.

    Args:
        predictor: Looks at each.
        images: (H, W, 3) RGB or (H, W) gray, uint8, uint16 or levels of 0..255.
        fine: Whether it looks at full resolution too. Without, the look at half of it, which takes a quarter of the
            products, stands for both.

    Yields:
        What is known, and the image's contrast, (H, W) float32.
    """
    measure = FocusMeasure()
    looks = predictor.two_scales(images) if fine else ((look, look) for look in predictor.logits(images, COARSE))
    for image, maps in zip(images, looks, strict=True):
        shown = contrast(image, measure.contrast_sigma)
        yield Evidence(to_rgb(image), np.stack(maps, -1), measure.combine(shown, *maps)[..., None]), shown


class PairComparer:
    """Compares two photographs pixel by pixel, compiled once for all sizes.

    Args:
        comparer: Made by `build_comparer`.
    """

    def __init__(self, comparer: keras.Model):
        signature = [tf.TensorSpec([2, None, None, channels]) for channels in (3, 2, 1)]
        self._compare = tf.function(
            lambda images, logits, scores: compare(comparer, images, logits, scores)[0, ..., 0],
            input_signature=signature,
        )

    def __call__(self, first: Evidence, second: Evidence) -> np.ndarray:
        """The logit of "the first is the blurred one", (H, W) float32."""
        height, width = first.rgb.shape[:2]
        pairs = zip(vars(first).values(), vars(second).values(), strict=True)
        return self._compare(*(tf.constant(_aligned(np.stack(pair))) for pair in pairs)).numpy()[:height, :width]


class LearnedStrategy:
    """Compares each source with the best of those before it, and mixes two at decision boundaries where that is unsure.

    Args:
        predictor: Looks at each source.
        comparer: Made by `build_comparer`, with weights.
        prefer: A name in `model.fusion.PREFERENCES`, for what one sees through; None takes the sharper.

    Attributes:
        compare: Compares two.
        bands: Levels of the blending of stacks; 0 cuts hard. As the next, it is switched off to measure what it does.
        keep_visible: Whether small regions of stacks stay where they show something.
    """

    def __init__(self, predictor: FocusPredictor, comparer: keras.Model, prefer: str | None = None):
        self._predictor, self._prefer = predictor, prefer
        self._blending = BoundaryBlending()
        self.compare = PairComparer(comparer)
        self.bands = BANDS
        self.keep_visible = True

    def decide(self, images: PreparedFrames) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        shape = images[0].shape[:2]
        ranking, trace, logits = self._rank(images, decision_scale(shape))
        leader = ranking.decision_map.copy()
        shown = trace.shown if len(images) > 2 and self.keep_visible else None
        ranking.remove_small_regions(FocusMeasure().smallest, shown)
        if leader.shape != shape:
            ranking = ranking.enlarge(shape)
            self._decide_again(images, ranking, logits)
        images.restrict(ranking.decision_map)
        if len(images) == 2 and not images.corrected:
            fused = self._blending.mix(images, ranking)
        else:
            fused = multiband.blend(images, ranking.decision_map, self.bands)
        depth = trace.depth_map(leader, ranking.decision_map, images.kept)
        return MapDecision(ranking.decision_map, fused, "learned", depth)

    def _rank(self, images, scale) -> tuple[Ranking, DepthTrace, list[np.ndarray]]:
        """The ranking at reduced size, and the logits of the sharpest and of its runner-up, (h, w, 2) float32."""
        ranking = None
        observe = self._predictor.counter("comparing", len(images))
        for first in range(0, len(images), 2):  # as many as the predictor looks at together
            pair = [_reduce(images[index], scale) for index in range(first, min(first + 2, len(images)))]
            for index, (evidence, shown) in enumerate(gather(self._predictor, pair, fine=scale == 1), start=first):
                score = evidence.score[..., 0]
                covered = _coverage(images, index, shown.shape)
                if ranking is None:
                    ranking, trace = Ranking(shown.shape), DepthTrace(score, shown)
                    best, second, known = evidence, evidence.logits.copy(), covered  # `best` is changed from here on
                else:
                    logits = self._blending.smooth(self.compare(best, evidence))
                    if self._prefer:
                        both = (np.abs(logits) < DOUBT) & (best.logits.sum(-1) < 0) & (evidence.logits.sum(-1) < 0)
                        logits[both] = DOUBT if self._prefer == "far" else -DOUBT
                    logits[~covered], logits[covered & ~known] = -CERTAIN, CERTAIN
                    wins, closer = ranking.add(index, logits)
                    trace.add(index, wins, ranking.decision_map, score, shown)
                    if scale < 1:  # who came second is asked again
                        np.copyto(second, best.logits, where=wins[..., None])
                        np.copyto(second, evidence.logits, where=closer[..., None])
                    if scale < 1 or index < len(images) - 1:
                        best.take(evidence, wins)
                    known = known | covered
                observe()
        return ranking, trace, [best.logits, second]

    def _decide_again(self, images, ranking, logits) -> None:
        """Compares the sharpest source and its runner-up at full size, near decision boundaries."""
        sources = compose_each(images, [ranking.decision_map, ranking.runner_up])
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * REACH + 1, 2 * REACH + 1))
        near = cv2.morphologyEx(ranking.decision_map, cv2.MORPH_GRADIENT, disc) > 0
        measure, scale = FocusMeasure(), logits[0].shape[0] / near.shape[0]

        def look(window):
            if not near[window].any():
                return np.zeros(near[window].shape, np.float32)
            pair = []
            for source, values in zip(sources, logits, strict=True):
                part, found = source[window], _enlarge(values, window, scale)
                score = measure.score(part, *np.moveaxis(found, -1, 0))
                pair.append(Evidence(to_rgb(part), found, score[..., None]))
            return self.compare(*pair)

        observe = self._predictor.counter("comparing at full size", tiling.count(near.shape, TILE, OVERLAP))
        again = self._blending.smooth(tiling.blend(near.shape, look, observe, TILE, OVERLAP))
        ranking.decide_again(again, near)


def decision_scale(shape: tuple[int, int]) -> float:
    """The scale at which photographs of a size, (H, W), are decided."""
    scale = 1.0
    while shape[0] * shape[1] * scale**2 > DECISION_PIXELS:
        scale /= 2
    return scale


def _coverage(images, index, shape):
    """Where an image shows something, (H, W) bool of a shape: everywhere, but at the borders of frames that moved."""
    covered = images.covered(index)
    if covered is None:
        return np.ones(shape, bool)
    return cv2.resize(covered.view(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_AREA) == 255


def _reduce(image, scale):
    if scale == 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA)


def _enlarge(values, window, scale):
    """A window of a map that was found at reduced size."""
    rows, columns = window
    # Pixel centers are half a pixel from the corner, so scaling moves them as well.
    offsets = [(span.start + 0.5) * scale - 0.5 for span in (columns, rows)]
    motion = np.float32([[scale, 0, offsets[0]], [0, scale, offsets[1]]])
    size = columns.stop - columns.start, rows.stop - rows.start
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, motion, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _aligned(values):
    """Mirrors the lower and right border to multiples of 4."""
    down, right = (-side % COMPARER_STRIDE for side in values.shape[1:3])
    if not down and not right:
        return values
    padded = [cv2.copyMakeBorder(value, 0, down, 0, right, cv2.BORDER_REFLECT) for value in values]
    return np.stack(padded).reshape(len(values), *padded[0].shape[:2], values.shape[-1])
