"""Where the comparing network fails: other judges of a pair contradict it over a whole region.

Near the boundaries of things the network is the best judge we have, and others are misled there by blur that spreads
over its surroundings. But it can be wrong about a whole region that looks like nothing it was trained on, which the
focus volume and the formula of the strategy `refined` see. Where both contradict it in a region that is wider than any
error of theirs at a boundary, it is not trusted around there: the majority of the three counts.

Where the images do not lie on each other, as with parallax, a thing has its edges at two places, and the network may
take both. Then the result has edges that neither image shows.
"""

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from data.imaging.composition import compose
from data.imaging.pixels import per_level, to_gray
from metrics.frames import BORDER, FrameFaults
from model.fusion.focus_measure import FocusMeasure, contrast, remove_small_regions
from model.fusion.volume import FocusVolume

WIDE_REGION = 12
"""Pixels: radius of a disc that fits into a region where the network fails; chosen on real and rendered pairs."""

CERTAIN = 30.0
"""Logit where no network is needed: a frame that does not show a pixel never wins it."""

SURROUNDINGS = 200
"""Pixels around such a region within which the majority counts."""

INVENTED = 5.0
"""Edges of the result that neither image shows, per mille of all, from which the images do not lie on each other. Where
they do, real pairs have 1.3 at most, held-out scenes 4."""

MAJORITY = 10.0
"""Standard deviation in pixels of the Gaussian by which the decision of the surroundings is found there."""

BESIDE = 3
"""Pixels around a region in which its invented edges lie."""


def overrule(
    logits: np.ndarray,
    images: Sequence[np.ndarray],
    focus: Sequence[np.ndarray],
    covered: Sequence[np.ndarray | None] = (None, None),
) -> None:
    """Exchanges the network's choice in a pair where it fails.

    Args:
        logits: (H, W) float32, the comparing network's, of "the first is the blurred one"; changed in place.
        images: The two images, (H, W, 3) RGB or (H, W) gray, uint8, uint16 or levels of 0..255.
        focus: For each, (H, W) float32, the logit of "out of focus".
        covered: For each, (H, W) bool, where it shows something; None: everywhere.
    """
    measure = FocusMeasure()
    chosen = remove_small_regions((logits > 0).view(np.uint8), measure.smallest)
    contradicted = (_sharper_by_volume(images, covered) != chosen) & (_sharper_by_formula(images, focus) != chosen)
    side = 2 * WIDE_REGION + 1
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    regions = cv2.morphologyEx(contradicted.view(np.uint8), cv2.MORPH_OPEN, disc)
    if regions.any():
        failed = contradicted & (cv2.distanceTransform(1 - regions, cv2.DIST_L2, 3) <= SURROUNDINGS)
        logits[failed] = np.where(chosen[failed], -CERTAIN, CERTAIN)


def find_misfits(grays: Sequence[np.ndarray], decision_map: np.ndarray, other: Callable[[], np.ndarray]) -> np.ndarray:
    """Finds the regions in which a decision draws edges that neither image of a pair shows, and another one fewer: that
    of another judge, or the majority of the surroundings, whichever draws the fewest.

    Args:
        grays: The two images, (H, W) float32 gray levels in 0..255.
        decision_map: (H, W) uint8, the index of the image of each pixel.
        other: Makes the other judge's decision map; called only where the images do not lie on each other.

    Returns:
        (H, W) bool.
    """
    nowhere = np.zeros(decision_map.shape, bool)
    if min(nowhere.shape) <= 2 * BORDER:
        return nowhere
    faults, fused = FrameFaults(grays), compose(grays, decision_map)
    if faults.invented(fused) <= INVENTED:
        return nowhere
    smooth = cv2.GaussianBlur(decision_map.astype(np.float32), (0, 0), MAJORITY) > 0.5
    candidates = [other(), smooth.view(np.uint8)]
    best = min(candidates, key=lambda one: faults.invented(compose(grays, one)))
    instead = compose(grays, best)
    if faults.invented(instead) > faults.invented(fused) / 2:
        return nowhere
    _, regions = cv2.connectedComponents((decision_map != best).view(np.uint8))
    side = 2 * BESIDE + 1
    around = cv2.dilate(regions.astype(np.float32), np.ones((side, side), np.uint8)).astype(int)
    fewer = np.bincount(around.ravel(), (faults.invented_at(fused) - faults.invented_at(instead)).ravel()) > 0
    fewer[0] = False  # where both decide alike
    return fewer[regions]


def _sharper_by_volume(images: Sequence[np.ndarray], covered: Sequence[np.ndarray | None]) -> np.ndarray:
    """Returns which image has the higher evidence of a focus volume, (H, W) uint8."""
    volume = FocusVolume(2, images[0].shape[:2])
    for image, where in zip(images, covered, strict=True):
        volume.add(to_gray(image) / np.float32(per_level(image.dtype)), where)
    first, second = volume.finish().evidence
    return (second > first).view(np.uint8)


def _sharper_by_formula(images: Sequence[np.ndarray], focus: Sequence[np.ndarray]) -> np.ndarray:
    """Returns which image has the lower score of the strategy `refined`, (H, W) uint8."""
    measure = FocusMeasure()
    scores = (
        measure.combine(contrast(image, measure.contrast_sigma), logits, logits)
        for image, logits in zip(images, focus, strict=True)
    )
    return measure.decide(images, scores)
