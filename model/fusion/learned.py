"""The strategy `learned`, which is ours: a small network that sees both photographs decides pixel by pixel.

The paper's network judges each photograph alone, and the strategy `refined` compares its judgements by a formula. Where
one of them stops being sharp is easier to see in both together, to the pixel. A network (`model/networks/comparer.py`)
sees two photographs with the focus network's view of each, and corrects the formula. Large photographs, whose blur is
large as well, are decided at reduced size first; then the two best sources of each pixel are compared at full size.

In a pair the network is overruled where it fails over a region, or draws edges that neither image shows
(`model/fusion/opinions.py`). In a stack the focus volume (`model/fusion/volume.py`) limits the network: it chooses
among the frames that are plausible at a place, and cannot bring in one that shows nothing sharp there.
"""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial

import cv2
import numpy as np

from data.imaging.composition import compose
from data.imaging.pixels import per_level, to_gray
from data.registration.frame_sequences import CACHE_BYTES
from data.registration.prepared import PreparedFrames
from data.runtime.parallel import in_order
from model.fusion import multiband
from model.fusion.averaging import NOISY, NoiseCurve, average
from model.fusion.blending import BoundaryBlending
from model.fusion.decision import MapDecision
from model.fusion.decision_size import decision_scale, reduce, reduced_frames, reduced_shape
from model.fusion.depth import find_depth
from model.fusion.evidence import FOCUS_DOWNSAMPLING, PairComparer, gather
from model.fusion.focus_measure import FocusMeasure, contrast
from model.fusion.full_size import compare_near_boundaries
from model.fusion.lights import BlownLights
from model.fusion.opinions import CERTAIN, find_misfits, overrule
from model.fusion.predictor import FocusPredictor, counter
from model.fusion.ranking import Ranking
from model.fusion.refined import RefinedStrategy
from model.fusion.volume import FocusVolume
from model.networks.engine import Engine

VOLUME_BYTES = 512_000_000
"""The focus volume of a stack is measured at half the size, a quarter and so on, until it needs no more memory."""

DOUBT = 2.0
"""Logit below which two sources that are both in focus count as equally sharp, for `prefer`."""

STACK_BLENDING = BoundaryBlending(smoothing=1.0)
"""Smooths the logits of stacks: with noise, some frame of many always looks the sharpest."""


def load(
    predictor: FocusPredictor, engine: Engine, prefer: str | None = None, average: str = "auto"
) -> "LearnedStrategy":
    """Builds the strategy."""
    return LearnedStrategy(predictor, PairComparer(engine.compare), prefer, average)


class LearnedStrategy:
    """Compares each source with the best of those before it, and mixes two at decision boundaries where that is unsure.

    Args:
        predictor: Runs the focus network.
        compare: Runs the comparing network.
        prefer: A name in `model.fusion.PREFERENCES`: which of two sources is taken where both are sharp, as in things
            that one sees through; None takes the sharper.
        average: A name in `AVERAGE`: whether frames of a noisy stack that show the same are averaged.

    Attributes:
        compare, average: As given.
        keep_visible: Whether small regions of stacks stay where they show something. Like the next three, it is
            switched off to measure its effect.
        use_volume: Whether the focus volume limits the network.
        find_lights: Whether blown lights are looked for.
        overrule: Whether the network is overruled where it fails in a pair; see `model/fusion/opinions.py`.
    """

    def __init__(
        self, predictor: FocusPredictor, compare: PairComparer, prefer: str | None = None, average: str = "auto"
    ):
        self._predictor, self._prefer, self.average = predictor, prefer, average
        self.compare = compare
        self.keep_visible = self.use_volume = self.find_lights = self.overrule = True

    def decide(self, images: PreparedFrames) -> MapDecision:
        """Fuses two images or more; see `model.fusion.fuser.Strategy`."""
        if len(images) > 2:
            return self._decide_stack(images)
        frames = reduced_frames(images, decision_scale(images[0].shape[:2]))
        ranking = self._rank(images, frames)
        if self.overrule:
            self._mend(images, frames, ranking)
        images.assign_uncovered(ranking.decision_map)
        if images.corrected:
            everywhere = np.ones(ranking.decision_map.shape, bool)
            fused = multiband.blend(images, ranking.decision_map, everywhere)
        else:
            fused = BoundaryBlending().mix(images, ranking)
        depth = partial(find_depth, fused, ranking.decision_map, images.frame_numbers)
        return MapDecision(ranking.decision_map, fused, "learned", depth)

    def _mend(self, images: PreparedFrames, frames: Sequence[np.ndarray], ranking: Ranking) -> None:
        """Exchanges the choice in regions of a pair that do not lie on each other; see `find_misfits`."""
        grays = [np.minimum(to_gray(frame) / np.float32(per_level(frame.dtype)), 255) for frame in frames]
        shape, whole = grays[0].shape[::-1], ranking.decision_map.shape[::-1]
        decided = cv2.resize(ranking.decision_map, shape, interpolation=cv2.INTER_NEAREST)

        def refined() -> np.ndarray:
            decision_map = RefinedStrategy(self._predictor).decide(images).decision_map
            return cv2.resize(decision_map, shape, interpolation=cv2.INTER_NEAREST)

        misfits = find_misfits(grays, decided, refined).view(np.uint8)
        ranking.exchange(cv2.resize(misfits, whole, interpolation=cv2.INTER_NEAREST).view(bool))

    def _decide_stack(self, images: PreparedFrames) -> MapDecision:
        frames, volume, lights, noise = self._survey(images)
        ranking = self._rank(images, frames, volume if self.use_volume else None)
        decision_map = ranking.decision_map
        if self.use_volume:
            volume.correct(decision_map)
        if self.find_lights:
            lights.assign(decision_map)
        images.assign_uncovered(decision_map)
        noisy = noise.noise >= NOISY
        fused = multiband.blend(images, decision_map, lights.region(), choose=not noisy)
        if self.average == "auto" and noisy:
            fused = average(images, fused, noise)
        depth = partial(find_depth, fused, decision_map, images.frame_numbers, volume)
        return MapDecision(decision_map, fused, "learned", depth)

    def _survey(self, images: PreparedFrames) -> tuple[Sequence[np.ndarray], FocusVolume, BlownLights, NoiseCurve]:
        """Looks at each frame once: returns the frames at the size of the decision, the volume, lights and noise."""
        shape = images[0].shape[:2]
        scale = decision_scale(shape)
        smaller: list[np.ndarray] | None = (
            [] if scale < 1 and len(images) * images[0].nbytes * scale**2 < CACHE_BYTES else None
        )
        while len(images) * 2 * shape[0] * shape[1] * scale**2 > VOLUME_BYTES:
            scale /= 2
        volume, lights, noise = FocusVolume(len(images), reduced_shape(shape, scale)), BlownLights(shape), NoiseCurve()
        step = counter(images.observe, "measuring sharpness", len(images))
        for index, image in enumerate(images):
            level = np.float32(per_level(image.dtype))
            gray, small = to_gray(image) / level, reduce(image, scale)
            clipped, covered = images.clipped(index), _coverage(images, index, volume.sharpest.shape)
            looks: list[Callable[[], None]] = [
                partial(lights.add, gray, clipped),
                partial(noise.add, gray),
                partial(volume.add, small / level, covered),
            ]
            list(in_order(lambda look: look(), looks))
            if smaller is not None:
                smaller.append(reduce(image, decision_scale(shape)))
            step()
        frames = reduced_frames(images, decision_scale(shape)) if smaller is None else smaller
        return frames, volume.finish(lights.compact()), lights, noise

    def _rank(self, images: PreparedFrames, frames: Sequence[np.ndarray], volume: FocusVolume | None = None) -> Ranking:
        """Ranks the images: at reduced size first, if they are large.

        Args:
            images: The images.
            frames: The same at the size of the decision.
            volume: Of a stack.
        """
        shape = images[0].shape[:2]
        ranking, logits = self._rank_reduced(images, frames, volume)
        shown = None
        if len(images) > 2 and self.keep_visible:
            sigma = FocusMeasure().contrast_sigma
            shown = compose((contrast(frame, sigma) for frame in frames), ranking.decision_map)
        ranking.remove_small_regions(FocusMeasure().smallest, shown)
        if ranking.decision_map.shape != shape:
            ranking = ranking.enlarge(shape)
            again, near = compare_near_boundaries(images, ranking, logits, self.compare)
            ranking.decide_again(_blending(images).smooth(again), near)
        return ranking

    def _rank_reduced(
        self, images: PreparedFrames, frames: Sequence[np.ndarray], volume: FocusVolume | None
    ) -> tuple[Ranking, list[np.ndarray]]:
        """Ranks frames at the size of the decision.

        Returns:
            The ranking, and the logits of "out of focus" of the sharpest source and of its runner-up, (h, w) float32 at
            a quarter of that size.
        """
        shape = frames[0].shape[:2]
        ranking, reduced = Ranking(shape, len(images)), shape != images[0].shape[:2]
        step, focus = counter(images.observe, "comparing", len(images)), []
        for first in range(0, len(frames), 2):  # the predictor takes two at once
            pair = [frames[index] for index in range(first, min(first + 2, len(frames)))]
            for index, evidence in enumerate(gather(self._predictor, pair), start=first):
                able = _coverage(images, index, shape)
                if volume is not None:
                    able &= volume.plausible(index, shape)
                if len(images) == 2:
                    focus.append(_whole(evidence.focus, shape))
                if index == 0:
                    best, known = evidence, able  # `best` changes from here on
                    second = deepcopy(evidence) if reduced else evidence
                else:
                    logits = _blending(images).smooth(self.compare(best, evidence, shape))
                    if focus and self.overrule:
                        overrule(logits, frames, focus, (known, able))
                    if self._prefer:
                        unfocused = _whole(np.maximum(best.focus, evidence.focus), shape)
                        both = (unfocused < 0) & (np.abs(logits) < DOUBT)
                        logits[both] = DOUBT if self._prefer == "far" else -DOUBT
                    logits[~able], logits[able & ~known] = -CERTAIN, CERTAIN
                    wins, closer = ranking.add(index, logits)
                    if reduced:  # the runner-up is compared again at full size
                        second.take(best, wins)
                        second.take(evidence, closer)
                    if reduced or index < len(frames) - 1:
                        best.take(evidence, wins)
                    known = known | able
                step()
        return ranking, [best.focus, second.focus]


def _blending(images: Sequence[np.ndarray]) -> BoundaryBlending:
    return BoundaryBlending() if len(images) == 2 else STACK_BLENDING


def _coverage(images: PreparedFrames, index: int, shape: tuple[int, int]) -> np.ndarray:
    """Returns where an image shows something, (H, W) bool: everywhere but at the borders of frames that moved."""
    covered = images.covered(index)
    if covered is None:
        return np.ones(shape, bool)
    return cv2.resize(covered.view(np.uint8) * 255, shape[::-1], interpolation=cv2.INTER_AREA) == 255


def _whole(values: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Enlarges a map by `FOCUS_DOWNSAMPLING` and cuts it to (H, W)."""
    larger = cv2.resize(values, None, fx=FOCUS_DOWNSAMPLING, fy=FOCUS_DOWNSAMPLING, interpolation=cv2.INTER_LINEAR)
    return larger[: shape[0], : shape[1]]
