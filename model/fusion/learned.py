"""The strategy `learned`, which is ours: a small network that sees both photographs decides pixel by pixel.

The paper's network judges each photograph alone, and the strategy `refined` compares its judgements by a formula. Where
one of them stops being sharp is easier to see in both together, to the pixel. A network (`model/networks/comparer.py`)
sees two photographs with the focus network's view of each, and corrects the formula. Large photographs, whose blur is
large as well, are decided at reduced size first; then the two best sources of each pixel are compared at full size.
"""

from collections.abc import Sequence
from copy import deepcopy
from functools import partial

import cv2
import numpy as np

from data.imaging.blocks import Window
from data.imaging.boundaries import near_boundaries
from data.imaging.composition import compose_each
from data.registration.prepared import PreparedFrames
from model.fusion import multiband, tiling
from model.fusion.blending import BoundaryBlending
from model.fusion.decision import MapDecision
from model.fusion.depth import DepthTrace, depth_of_two
from model.fusion.evidence import FOCUS_DOWNSAMPLING, Evidence, PairComparer, gather
from model.fusion.focus_measure import FocusMeasure, contrast
from model.fusion.predictor import FocusPredictor, counter
from model.fusion.ranking import Ranking
from model.networks.engine import Engine

DECISION_PIXELS = 1_500_000
"""Larger photographs are decided at the largest of the sizes 1/2, 1/4, ... that has no more pixels than this."""

REACH = 16
"""Pixels from a decision boundary within which a decision at reduced size is made again at full size."""

TILE, OVERLAP = 1024, 64
"""Side and overlap, in pixels, of the tiles in which that is done."""

CERTAIN = 30.0
"""Logit where no network is needed: a frame that does not show a pixel never wins it."""

DOUBT = 2.0
"""Logit below which two sources that are both in focus count as equally sharp, for `prefer`."""

STACK_BLENDING = BoundaryBlending(smoothing=1.0)
"""Smooths the logits of stacks: with noise, some frame of many always looks the sharpest."""


def load(predictor: FocusPredictor, engine: Engine, prefer: str | None = None) -> "LearnedStrategy":
    """Builds the strategy."""
    return LearnedStrategy(predictor, PairComparer(engine.compare), prefer)


class LearnedStrategy:
    """Compares each source with the best of those before it, and mixes two at decision boundaries where that is unsure.

    Args:
        predictor: Runs the focus network.
        compare: Runs the comparing network.
        prefer: A name in `model.fusion.PREFERENCES`: which of two sources is taken where both are sharp, as in things
            that one sees through; None takes the sharper.

    Attributes:
        compare: As given.
        bands: Levels of the blending of stacks; 0 cuts hard. Like the next, it is switched off to measure its effect.
        keep_visible: Whether small regions of stacks stay where they show something.
    """

    def __init__(self, predictor: FocusPredictor, compare: PairComparer, prefer: str | None = None):
        self._predictor, self._prefer = predictor, prefer
        self.compare = compare
        self.bands = multiband.BANDS
        self.keep_visible = True

    def decide(self, images: PreparedFrames) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        shape = images[0].shape[:2]
        ranking, trace, logits = self._rank(images, decision_scale(shape))
        leader = ranking.decision_map.copy()
        shown = trace.shown if trace and self.keep_visible else None
        ranking.remove_small_regions(FocusMeasure().smallest, shown)
        if leader.shape != shape:
            ranking = ranking.enlarge(shape)
            self._decide_again(images, ranking, logits)
        images.assign_uncovered(ranking.decision_map)
        if len(images) == 2 and not images.corrected:
            fused = _blending(images).mix(images, ranking)
        else:
            fused = multiband.blend(images, ranking.decision_map, self.bands)
        decided = ranking.decision_map, images.frame_numbers
        find_depth = partial(trace.depth_map, leader, *decided) if trace else partial(depth_of_two, fused, *decided)
        return MapDecision(ranking.decision_map, fused, "learned", find_depth)

    def _rank(self, images: PreparedFrames, scale: float) -> tuple[Ranking, DepthTrace | None, list[np.ndarray]]:
        """Ranks the images at reduced size.

        Returns:
            The ranking; of more than two images the scores that the depth map is made of; and the logits of "out of
            focus" of the sharpest source and of its runner-up, (h, w) float32 at a quarter of that size.
        """
        shape = _reduced(images[0].shape, scale)
        ranking, trace = Ranking(shape), None
        step = counter(images.observe, "comparing", len(images))
        for first in range(0, len(images), 2):  # the predictor takes two at once
            pair = [_reduce(images[index], scale) for index in range(first, min(first + 2, len(images)))]
            for index, evidence in enumerate(gather(self._predictor, pair), start=first):
                scored = _scored(pair[index - first], evidence.focus) if len(images) > 2 else None
                covered = _coverage(images, index, shape)
                if index == 0:
                    trace = DepthTrace(*scored) if scored else None
                    best, known = evidence, covered  # `best` changes from here on
                    second = deepcopy(evidence) if scale < 1 else evidence
                else:
                    logits = _blending(images).smooth(self.compare(best, evidence, shape))
                    if self._prefer:
                        unfocused = _whole(np.maximum(best.focus, evidence.focus), shape)
                        both = (unfocused < 0) & (np.abs(logits) < DOUBT)
                        logits[both] = DOUBT if self._prefer == "far" else -DOUBT
                    logits[~covered], logits[covered & ~known] = -CERTAIN, CERTAIN
                    wins, closer = ranking.add(index, logits)
                    if trace and scored:
                        trace.add(index, wins, ranking.decision_map, *scored)
                    if scale < 1:  # the runner-up is compared again at full size
                        second.take(best, wins)
                        second.take(evidence, closer)
                    if scale < 1 or index < len(images) - 1:
                        best.take(evidence, wins)
                    known = known | covered
                step()
        return ranking, trace, [best.focus, second.focus]

    def _decide_again(self, images: PreparedFrames, ranking: Ranking, logits: Sequence[np.ndarray]) -> None:
        """Compares the sharpest source and its runner-up at full size, near decision boundaries."""
        sources = compose_each(images, [ranking.decision_map, ranking.runner_up])
        near = near_boundaries(ranking.decision_map, REACH)
        scale = decision_scale(near.shape) / FOCUS_DOWNSAMPLING

        def look(window: Window) -> np.ndarray:
            shape = near[window].shape
            if not near[window].any():
                return np.zeros(shape, np.float32)
            first, second = (
                Evidence.of(source[window], _focus_window(values, window, scale))
                for source, values in zip(sources, logits, strict=True)
            )
            return self.compare(first, second, shape)

        step = counter(images.observe, "comparing at full size", tiling.count(near.shape, TILE, OVERLAP))
        again = _blending(images).smooth(tiling.blend(near.shape, look, step, TILE, OVERLAP))
        ranking.decide_again(again, near)


def _blending(images: Sequence[np.ndarray]) -> BoundaryBlending:
    return BoundaryBlending() if len(images) == 2 else STACK_BLENDING


def decision_scale(shape: tuple[int, int]) -> float:
    """Returns the scale at which photographs of a size, (H, W), are decided."""
    scale = 1.0
    while shape[0] * shape[1] * scale**2 > DECISION_PIXELS:
        scale /= 2
    return scale


def _coverage(images: PreparedFrames, index: int, shape: tuple[int, int]) -> np.ndarray:
    """Returns where an image shows something, (H, W) bool: everywhere but at the borders of frames that moved."""
    covered = images.covered(index)
    if covered is None:
        return np.ones(shape, bool)
    return cv2.resize(covered.view(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_AREA) == 255


def _reduce(image: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return image
    return cv2.resize(image, _reduced(image.shape, scale)[::-1], interpolation=cv2.INTER_AREA)


def _reduced(shape: Sequence[int], scale: float) -> tuple[int, int]:
    """Returns height and width at a scale."""
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _scored(image: np.ndarray, focus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the score of a photograph by the strategy `refined`, and its contrast; each (H, W) float32."""
    measure = FocusMeasure()
    shown = contrast(image, measure.contrast_sigma)
    logits = _whole(focus, shown.shape)
    return measure.combine(shown, logits, logits), shown


def _whole(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Enlarges a map by `FOCUS_DOWNSAMPLING` and cuts it to (H, W)."""
    larger = cv2.resize(values, None, fx=FOCUS_DOWNSAMPLING, fy=FOCUS_DOWNSAMPLING, interpolation=cv2.INTER_LINEAR)
    return larger[: shape[0], : shape[1]]


def _focus_window(values: np.ndarray, window: Window, scale: float) -> np.ndarray:
    """Resamples a window of a map, made at a scale of the photograph, to 1/`FOCUS_DOWNSAMPLING` of its size."""
    rows, columns = window
    # Pixel centers are half a pixel from the corner, so scaling moves them as well.
    offsets = [(span.start + FOCUS_DOWNSAMPLING / 2) * scale - 0.5 for span in (columns, rows)]
    motion = np.array(
        [[FOCUS_DOWNSAMPLING * scale, 0, offsets[0]], [0, FOCUS_DOWNSAMPLING * scale, offsets[1]]], np.float32
    )
    size = [-(-(span.stop - span.start) // FOCUS_DOWNSAMPLING) for span in (columns, rows)]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, motion, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
