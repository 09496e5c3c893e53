"""Alignment of a stack: motions between neighbors, chained outwards from the frame in the middle."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from scipy.sparse.csgraph import connected_components

from data.imaging.pixels import per_level, to_gray
from data.registration.affine import apply, corners_of, rescale, through
from data.registration.differences import Difference, compare
from data.registration.laying import common_part
from data.registration.motion import Motion, find_motion_within, measure_motion

MEASURED_SIDE = 1024
"""Pixels: frames are measured averaged over squares of whole pixels, so that the longest side comes near to this."""

BRIDGED = 2
"""A part of the stack is compared with so many of the parts after it: what fits nowhere between them is bridged."""

NOTICED_MOTION = 0.5
"""Pixels at a corner: frames that lie closer on each other are not touched."""

CERTAINTY = 3.0
"""Standard deviations by which a motion has to be larger than `NOTICED_MOTION`."""

UNMEASURED = 1e4
"""Pixels: the uncertainty of two frames of which nothing could be tracked; any other link counts more."""


@dataclass(frozen=True)
class Alignment:
    """How the frames of a stack lie on one of them.

    Attributes:
        reference: Index of the frame the others are laid on: the middle one of those that fit.
        warps: (3, 3) float64 for each frame, reference (x, y, 1) to the frame's own; None: left out.
        moved: Whether any frame moved; if not, all warps are the identity.
        left_out: Index of each frame that fits nowhere, and why, one clause.
        common: Rows and columns of the reference that all frames cover but those left out.
        remarks: What else was noticed, one clause each; frames are numbered from 1.
    """

    reference: int
    warps: tuple[np.ndarray | None, ...]
    moved: bool
    left_out: dict[int, str]
    common: tuple[slice, slice]
    remarks: tuple[str, ...]


def measure_alignment(frames: Sequence[np.ndarray], *, observe: Callable[[int], None] | None = None) -> Alignment:
    """Measures how the frames of a stack lie on the one in the middle.

    Each frame is read once, in order, and none is kept but as a small gray picture.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, in the order of the stack; they may differ in size.
        observe: Called with the index of each frame once it is measured.
    """
    views, shapes, links = [], [], {}
    factor = 1
    for index in range(len(frames)):
        frame = frames[index]
        if index == 0:
            factor = max(1, round(max(frame.shape[:2]) / MEASURED_SIDE))
        shapes.append(frame.shape[:2])
        views.append(_reduce(frame, factor))
        del frame
        if index > 0:
            links[index - 1, index] = _link(views, index - 1, index)
        if observe is not None:
            observe(index)
    parts = _parts(views, links)
    kept = max(parts, key=lambda part: (len(part), -abs(np.median(part) - (len(views) - 1) / 2)))
    reference = kept[len(kept) // 2]
    used = {pair: link for pair, link in links.items() if link.fits and set(pair) <= set(kept)}
    corners = corners_of(views[reference].shape)
    small = _solve(kept, reference, used, corners)
    moved = _is_moved(kept, reference, used, small, corners, factor)
    warps = {index: rescale(warp, factor) if moved else np.eye(3) for index, warp in small.items()}
    common = common_part([warps[index] for index in kept], [shapes[index] for index in kept], shapes[reference])
    left_out = {index: _why(index, links) for index in range(len(views)) if index not in warps}
    every = tuple(warps.get(index) for index in range(len(views)))
    return Alignment(reference, every, moved, left_out, common, tuple(_remarks(used, views)))


@dataclass(frozen=True)
class _Link:
    """Two frames compared: `motion` is None where nothing could be tracked, and they may fit nonetheless."""

    motion: Motion | None
    difference: Difference

    @property
    def fits(self) -> bool:
        return self.difference.share < Difference.LARGEST

    @property
    def warp(self) -> np.ndarray:
        return np.eye(3) if self.motion is None else self.motion.warp

    @property
    def uncertainty(self) -> float:
        return UNMEASURED if self.motion is None else self.motion.uncertainty


def _reduce(frame: np.ndarray, factor: int) -> np.ndarray:
    """(h, w) float32 gray, 0..255: averages over `factor` by `factor` pixels; what is left at the far border is cut."""
    height, width = (max(1, side // factor) for side in frame.shape[:2])
    whole = frame[: height * factor, : width * factor]
    if factor > 1:
        whole = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return to_gray(whole) / np.float32(per_level(frame.dtype))


def _link(views: list[np.ndarray], first: int, second: int) -> _Link:
    motion = measure_motion(views[first], views[second])
    warp = np.eye(3) if motion is None else motion.warp
    return _Link(motion, compare(views[first], views[second], warp))


def _parts(views: list[np.ndarray], links: dict[tuple[int, int], _Link]) -> list[list[int]]:
    """The frames in parts that hang together; parts next to each other are compared once more, over what lies between.

    What is compared is added to `links`.
    """
    parts = _connected(len(views), links)
    for number, part in enumerate(parts):
        for other in parts[number + 1 : number + 1 + BRIDGED]:
            pair = (part[-1], other[0])
            if pair[0] < pair[1] and pair not in links:
                links[pair] = _link(views, *pair)
    return _connected(len(views), links)


def _connected(count: int, links: dict[tuple[int, int], _Link]) -> list[list[int]]:
    graph = np.zeros((count, count), bool)
    for pair, link in links.items():
        graph[pair] = link.fits
    number, labels = connected_components(graph, directed=False)
    return [np.flatnonzero(labels == label).tolist() for label in range(number)]


def _solve(
    kept: list[int], reference: int, links: dict[tuple[int, int], _Link], corners: np.ndarray
) -> dict[int, np.ndarray]:
    """The warps from the reference that fit all links best, by least squares.

    Unknown is where each frame shows the corners of the reference: a motion takes those of one frame to those of
    another, which is linear.
    """
    place = {index: 2 * number for number, index in enumerate(index for index in kept if index != reference)}
    rows, values = np.zeros((2 * len(links), 2 * len(place))), np.zeros((2 * len(links), len(corners)))
    for number, ((first, second), link) in enumerate(links.items()):
        row, weight = slice(2 * number, 2 * number + 2), 1 / link.uncertainty
        values[row] = weight * link.warp[:2, 2:]
        for index, factor in ((first, -link.warp[:2, :2]), (second, np.eye(2))):
            if index == reference:
                values[row] -= weight * factor @ corners.T
            else:
                rows[row, place[index] : place[index] + 2] = weight * factor
    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    shown = {index: solution[first : first + 2].T for index, first in place.items()}
    return {reference: np.eye(3)} | {index: through(corners, there) for index, there in shown.items()}


def _is_moved(
    kept: list[int],
    reference: int,
    links: dict[tuple[int, int], _Link],
    warps: dict[int, np.ndarray],
    small: np.ndarray,
    factor: int,
) -> bool:
    """Whether a frame's corners moved by more than is allowed and certain."""
    variance = {reference: 0.0}
    outwards = sorted(kept, key=lambda index: abs(index - reference))
    for index in outwards[1:]:
        nearer = [
            variance[other] + link.uncertainty**2
            for pair, link in links.items()
            for other in pair
            if index in pair and other != index and other in variance
        ]
        variance[index] = min(nearer, default=np.inf)
        motion = np.hypot(*(apply(warps[index], small) - small).T).max()
        if factor * (motion - CERTAINTY * np.sqrt(variance[index])) > NOTICED_MOTION:
            return True
    return False


def _why(index: int, links: dict[tuple[int, int], _Link]) -> str:
    """Why a frame is left out."""
    (first, second), link = min(
        ((pair, link) for pair, link in links.items() if index in pair), key=lambda item: item[1].difference.share
    )
    other = second if index == first else first
    return f"{link.difference.share:.0%} of it shows something else than frame {other + 1}"


def _remarks(links: dict[tuple[int, int], _Link], views: list[np.ndarray]) -> list[str]:
    remarks = []
    for (first, second), link in links.items():
        if second - first > 1:
            continue
        pair = f"frames {first + 1} and {second + 1}"
        if link.motion is None:
            remarks.append(f"nothing tells how {pair} lie on each other; they are taken to be unmoved")
            continue
        place = find_motion_within(link.motion, views[first].shape)
        if place is not None:
            remarks.append(f"something moves between {pair} {place}")
    return remarks
