"""Links of a stack: which frames match each other, and how each moved against another."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from data.registration.affine import transform_points
from data.registration.differences import MISMATCH_SHARE, Difference, compare
from data.registration.motion import NO_POINTS, Motion, measure_motion

BRIDGED_PARTS = 2
"""How many of the following parts of the stack each part is compared with, across frames that match nothing."""

BRIDGING = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
"""Frames to skip before and behind a gap, in turn, until two frames are found whose motion can be measured."""

TREND = 0.5
"""Two neighboring motions that differ by less than this share of theirs are a trend, as with breathing; a link between
them that cannot be measured is assumed to follow it."""

LEAST_UNCERTAINTY = 0.01
"""Pixels: the same frame twice moves by nothing, and all links must weigh alike to within what can be computed."""

UNMEASURED_UNCERTAINTY = 1e4
"""Pixels: uncertainty assumed between two frames whose motion could not be measured; any other link counts more."""


@dataclass(frozen=True)
class Link:
    """The comparison of two frames.

    Attributes:
        motion: From the first to the second; None if it could not be measured: they may match nonetheless.
        difference: What differs if one is laid on the other.
    """

    motion: Motion | None
    difference: Difference

    @property
    def matches(self) -> bool:
        """Whether both show the same scene."""
        return self.difference.share < MISMATCH_SHARE

    @property
    def warp(self) -> np.ndarray:
        """(3, 3) float64, (x, y, 1) of the first view to those of the second; the identity if not measured."""
        return np.eye(3) if self.motion is None else self.motion.warp

    @property
    def uncertainty(self) -> float:
        """Standard deviation of the motion, in pixels of a view."""
        return UNMEASURED_UNCERTAINTY if self.motion is None else max(LEAST_UNCERTAINTY, self.motion.uncertainty)


Links = dict[tuple[int, int], Link]
"""Links by the indices of their two frames, the smaller one first."""


def link_frames(views: Sequence[np.ndarray], first: int, second: int) -> Link:
    """Compares two of the views of a stack, (H, W) float32 gray each."""
    motion = measure_motion(views[first], views[second])
    warp = np.eye(3) if motion is None else motion.warp
    return Link(motion, compare(views[first], views[second], warp))


def find_parts(views: Sequence[np.ndarray], links: Links) -> list[list[int]]:
    """Groups frames into parts linked by matches, after comparing the ends of consecutive parts with each other.

    Args:
        views: (H, W) float32 gray each, in the order of the stack.
        links: Between neighbors; new comparisons are added.

    Returns:
        The indices of each part, in order.
    """
    parts = _connected(len(views), links)
    for number, part in enumerate(parts):
        for other in parts[number + 1 : number + 1 + BRIDGED_PARTS]:
            for before, behind in BRIDGING:
                if before < len(part) and behind < len(other) and part[-1 - before] < other[behind]:
                    pair = (part[-1 - before], other[behind])
                    if pair not in links:
                        links[pair] = link_frames(views, *pair)
                    if links[pair].matches:
                        break
    for first, second in [pair for pair, link in links.items() if link.matches and link.motion is None]:
        for before, behind in BRIDGING[1:]:
            pair = (first - before, second + behind)
            if pair[0] >= 0 and pair[1] < len(views) and pair not in links:
                link = link_frames(views, *pair)
                if link.motion is not None and link.matches:
                    links[pair] = link
                    break
    return _connected(len(views), links)


def follow_trend(links: Links, corners: np.ndarray) -> Links:
    """Gives links between neighbors that could not be measured the motion of their neighbors, where that is a trend."""
    measured = {first: link.warp for (first, second), link in links.items() if link.motion and second == first + 1}
    filled = dict(links)
    for (first, second), link in links.items():
        if link.motion is not None or second != first + 1:
            continue
        before = sorted((one for one in measured if one < first), reverse=True)[:2]
        behind = sorted(one for one in measured if one > first)[:2]
        for one, other in ((before[:1], behind[:1]), (before[:1], before[1:]), (behind[:1], behind[1:])):
            if one and other:
                warps = measured[one[0]], measured[other[0]]
                shifts = [transform_points(warp, corners) - corners for warp in warps]
                if np.abs(shifts[0] - shifts[1]).max() < TREND * min(np.abs(shift).max() for shift in shifts):
                    motion = Motion((warps[0] + warps[1]) / 2, UNMEASURED_UNCERTAINTY, NO_POINTS, NO_POINTS)
                    filled[first, second] = Link(motion, link.difference)
                    break
    return filled


def _connected(count: int, links: Links) -> list[list[int]]:
    groups = list(range(count))  # each frame's group, named by its first frame
    for (one, other), link in links.items():
        if link.matches:
            first, second = sorted((groups[one], groups[other]))
            groups = [first if group == second else group for group in groups]
    return [[frame for frame in range(count) if groups[frame] == group] for group in sorted(set(groups))]
