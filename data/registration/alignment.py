"""Alignment of a stack: motions between neighboring frames, solved jointly for the warps from the middle frame."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from data.imaging.pixels import per_level, to_gray
from data.registration.affine import corners_of, fit_affine, is_affine, rescale_warp, transform_points
from data.registration.differences import MISMATCH_SHARE, Difference, compare, find_composite
from data.registration.motion import NO_POINTS, Motion, find_motion_within, in_words, measure_motion
from data.registration.thin_motion import SMALLEST, find_thin_motion
from data.registration.warping import common_part
from data.runtime.errors import InputError
from data.runtime.parallel import in_order

MEASURED_SIDE = 1024
"""Pixels: motion is measured on frames averaged over whole pixels such that the longest side is about this."""

BRIDGED_PARTS = 2
"""How many of the following parts of the stack each part is compared with, across frames that match nothing."""

BRIDGING = ((0, 0), (1, 0), (0, 1), (1, 1), (2, 0), (0, 2))
"""Frames to skip before and behind a gap, in turn, until two frames are found whose motion can be measured."""

TREND = 0.5
"""Two neighboring motions that differ by less than this share of theirs are a trend, as with breathing; a link between
them that cannot be measured is assumed to follow it."""

NOTICED_MOTION = 0.5
"""Pixels at a corner: frames that moved less are not warped."""

CERTAINTY = 3.0
"""Standard deviations by which a motion must exceed `NOTICED_MOTION`."""

LEAST_UNCERTAINTY = 0.01
"""Pixels: the same frame twice moves by nothing, and all links must weigh alike to within what can be computed."""

UNMEASURED_UNCERTAINTY = 1e4
"""Pixels: uncertainty assumed between two frames whose motion could not be measured; any other link counts more."""

MOVES = "something moves"
"""Beginning of a remark on motion within the scene."""

LINEAR_ROUNDS = 4
"""How often projective motions are replaced by affine ones near the solution."""


@dataclass(frozen=True)
class Alignment:
    """The warps from the reference frame of a stack to all frames.

    Attributes:
        reference: Index of the reference: the middle one of the frames that match and whose motion could be measured.
        warps: (3, 3) float64 for each frame, (x, y, 1) of the reference to the frame's own; None: left out.
        moved: Whether any frame moved; if not, all warps are the identity.
        left_out: Maps the index of each frame that does not match the others to the reason, one clause.
        common: Rows and columns of the reference that all frames but those left out cover.
        remarks: Further remarks for the user, one clause each; frames are numbered from 1.
    """

    reference: int
    warps: tuple[np.ndarray | None, ...]
    moved: bool
    left_out: dict[int, str]
    common: tuple[slice, slice]
    remarks: tuple[str, ...]


def measure_alignment(
    frames: Sequence[np.ndarray], *, reference: int | None = None, observe: Callable[[int], None] | None = None
) -> Alignment:
    """Measures the motion between the frames of a stack.

    Each frame is read once, in order; only small gray views stay in memory.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, in the order of the stack; they may differ in size.
        reference: Index of the frame that stays as it is; None takes the middle one.
        observe: Called with the index of each frame once it is measured.

    Raises:
        InputError: The reference that is asked for does not match the other frames.
    """
    views: list[np.ndarray] = []
    shapes: list[tuple[int, ...]] = []
    links: dict[tuple[int, int], _Link] = {}
    factor = 1

    def read_views() -> Iterator[int]:
        nonlocal factor
        for index in range(len(frames)):
            frame = frames[index]
            if index == 0:
                factor = max(1, round(max(frame.shape[:2]) / MEASURED_SIDE))
            shapes.append(frame.shape[:2])
            views.append(_reduce(frame, factor))
            del frame
            yield index

    def link(index: int) -> "_Link | None":
        return _link(views, index - 1, index) if index else None

    for index, found in enumerate(in_order(link, read_views())):
        if found is not None:
            links[index - 1, index] = found
        if observe is not None:
            observe(index)
    parts = _parts(views, links)
    used = max(parts, key=lambda part: (len(part), -abs(np.median(part) - (len(views) - 1) / 2)))
    if reference is not None and reference not in used:
        raise InputError(f"frame {reference + 1} does not match the others and cannot be the reference.")
    matching = {pair: link for pair, link in links.items() if link.matches and set(pair) <= set(used)}
    measured = [index for index in used if any(link.motion for pair, link in matching.items() if index in pair)]
    middle = measured or used
    reference = middle[len(middle) // 2] if reference is None else reference
    corners = corners_of(views[reference].shape)
    reduced = _solve(used, reference, _with_trend(matching, corners), corners)
    moved = _is_moved(used, reference, matching, reduced, corners, factor)
    warps = {index: rescale_warp(warp, factor) if moved else np.eye(3) for index, warp in reduced.items()}
    common = common_part([warps[index] for index in used], [shapes[index] for index in used], shapes[reference])
    left_out = {index: _reason(index, links) for index in range(len(views)) if index not in warps}
    all_warps = tuple(warps.get(index) for index in range(len(views)))
    remarks = _remarks(matching, views)
    alike = [index for index in used if shapes[index] == shapes[reference]]
    composite = find_composite([views[index] for index in alike])
    if composite is not None:
        sentence = "is sharp nearly everywhere; if it is a composite of the others, leave it out"
        remarks.append(f"frame {alike[composite] + 1} {sentence}")
    elif min(views[reference].shape) >= SMALLEST and not any(remark.startswith(MOVES) for remark in remarks):
        neighbors = [(one, other) for one, other in pairwise(used) if (one, other) in matching]
        relative = ((views[i], views[j], reduced[j] @ np.linalg.inv(reduced[i])) for i, j in neighbors)
        place = find_thin_motion(relative)
        if place is not None:
            remarks.append(f"{MOVES} that is thin, from frame to frame, {in_words(*place)}")
    return Alignment(reference, all_warps, moved, left_out, common, tuple(remarks))


@dataclass(frozen=True)
class _Link:
    """The comparison of two frames: `motion` is None if it could not be measured; they may match nonetheless."""

    motion: Motion | None
    difference: Difference

    @property
    def matches(self) -> bool:
        return self.difference.share < MISMATCH_SHARE

    @property
    def warp(self) -> np.ndarray:
        return np.eye(3) if self.motion is None else self.motion.warp

    @property
    def uncertainty(self) -> float:
        return UNMEASURED_UNCERTAINTY if self.motion is None else max(LEAST_UNCERTAINTY, self.motion.uncertainty)


def _reduce(frame: np.ndarray, factor: int) -> np.ndarray:
    """Averages over `factor` by `factor` pixels, without the remainder at the far border; gray, float32, 0..255."""
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
    """Groups frames into parts linked by matches, after comparing the ends of consecutive parts with each other.

    New comparisons are added to `links`.
    """
    parts = _connected(len(views), links)
    for number, part in enumerate(parts):
        for other in parts[number + 1 : number + 1 + BRIDGED_PARTS]:
            for before, behind in BRIDGING:
                if before < len(part) and behind < len(other) and part[-1 - before] < other[behind]:
                    pair = (part[-1 - before], other[behind])
                    if pair not in links:
                        links[pair] = _link(views, *pair)
                    if links[pair].matches:
                        break
    for first, second in [pair for pair, link in links.items() if link.matches and link.motion is None]:
        for before, behind in BRIDGING[1:]:
            pair = (first - before, second + behind)
            if pair[0] >= 0 and pair[1] < len(views) and pair not in links:
                link = _link(views, *pair)
                if link.motion is not None and link.matches:
                    links[pair] = link
                    break
    return _connected(len(views), links)


def _with_trend(links: dict[tuple[int, int], _Link], corners: np.ndarray) -> dict[tuple[int, int], _Link]:
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
                    filled[first, second] = _Link(motion, link.difference)
                    break
    return filled


def _connected(count: int, links: dict[tuple[int, int], _Link]) -> list[list[int]]:
    groups = list(range(count))  # each frame's group, named by its first frame
    for (one, other), link in links.items():
        if link.matches:
            first, second = sorted((groups[one], groups[other]))
            groups = [first if group == second else group for group in groups]
    return [[frame for frame in range(count) if groups[frame] == group] for group in sorted(set(groups))]


def _solve(
    used: list[int], reference: int, links: dict[tuple[int, int], _Link], corners: np.ndarray
) -> dict[int, np.ndarray]:
    """Solves for the warps from the reference that fit all links best, by least squares.

    The unknowns are the positions of the reference's corners in each frame: a motion between two frames relates them
    linearly, but for a projective one, which is replaced by its slope at the positions of the round before.
    """
    others = [index for index in used if index != reference]
    if all(is_affine(link.warp) for link in links.values()):
        positions = _solve_points(others, reference, links, corners, {})
        warps = {index: fit_affine(corners, found) for index, found in positions.items()}
        return {reference: np.eye(3)} | warps
    near: dict[int, np.ndarray] = {index: np.tile(corners.mean(0), (4, 1)) for index in used} | {reference: corners}
    for _ in range(LINEAR_ROUNDS):
        each = [
            _solve_points(
                others, reference, links, corners[one : one + 1], {index: at[one] for index, at in near.items()}
            )
            for one in range(len(corners))
        ]
        near |= {index: np.concatenate([found[index] for found in each]) for index in others}
    sources = corners.astype(np.float32)
    return {reference: np.eye(3)} | {
        index: cv2.getPerspectiveTransform(sources, near[index].astype(np.float32)) for index in others
    }


def _solve_points(
    others: list[int],
    reference: int,
    links: dict[tuple[int, int], _Link],
    points: np.ndarray,
    near: dict[int, np.ndarray],
) -> dict[int, np.ndarray]:
    """Solves for the positions of points of the reference, (N, 2), in each frame; `near` has a position in each frame
    near which projective motions are taken for affine ones."""
    place = {index: 2 * number for number, index in enumerate(others)}
    rows, values = np.zeros((2 * len(links), 2 * len(place))), np.zeros((2 * len(links), len(points)))
    for number, ((first, second), link) in enumerate(links.items()):
        row, weight = slice(2 * number, 2 * number + 2), 1 / link.uncertainty
        slope, shift = _linear(link.warp, near.get(first))
        values[row] = weight * shift[:, None]
        for index, factor in ((first, -slope), (second, np.eye(2))):
            if index == reference:
                values[row] -= weight * factor @ points.T
            else:
                rows[row, place[index] : place[index] + 2] = weight * factor
    solution = np.linalg.lstsq(rows, values, rcond=None)[0]
    return {index: solution[first : first + 2].T for index, first in place.items()}


def _linear(warp: np.ndarray, point: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Returns the matrix, (2, 2), and the shift, (2,), of the affine motion that a warp is near a point."""
    if point is None or is_affine(warp):
        return warp[:2, :2], warp[:2, 2]
    nearness = warp[2, :2] @ point + warp[2, 2]
    moved = (warp[:2, :2] @ point + warp[:2, 2]) / nearness
    slope = (warp[:2, :2] - np.outer(moved, warp[2, :2])) / nearness
    return slope, moved - slope @ point


def _is_moved(
    used: list[int],
    reference: int,
    links: dict[tuple[int, int], _Link],
    warps: dict[int, np.ndarray],
    corners: np.ndarray,
    factor: int,
) -> bool:
    """Returns whether the corners of any frame moved by more than `NOTICED_MOTION`, with `CERTAINTY`."""
    variance = {reference: 0.0}
    outwards = sorted(used, key=lambda index: abs(index - reference))
    for index in outwards[1:]:
        nearer = [
            variance[other] + link.uncertainty**2
            for pair, link in links.items()
            for other in pair
            if index in pair and other != index and other in variance
        ]
        variance[index] = min(nearer, default=np.inf)
        motion = np.hypot(*(transform_points(warps[index], corners) - corners).T).max()
        if factor * (motion - CERTAINTY * np.sqrt(variance[index])) > NOTICED_MOTION:
            return True
    return False


OTHER_SCENE = "shows another scene"
"""Why a frame is left out that matches others which are left out."""


def _reason(index: int, links: dict[tuple[int, int], _Link]) -> str:
    """Says why a frame is left out."""
    if any(link.matches for pair, link in links.items() if index in pair):
        return OTHER_SCENE
    (first, second), link = min(
        ((pair, link) for pair, link in links.items() if index in pair), key=lambda item: item[1].difference.share
    )
    other = second if index == first else first
    return f"{link.difference.share:.0%} of it differs from frame {other + 1}"


def _remarks(links: dict[tuple[int, int], _Link], views: list[np.ndarray]) -> list[str]:
    remarks = []
    for (first, second), link in links.items():
        if second - first > 1:
            continue
        pair = f"frames {first + 1} and {second + 1}"
        if link.motion is None:
            remarks.append(f"could not measure the motion between {pair}; assuming none")
            continue
        place = find_motion_within(link.motion, views[first].shape)
        if place is not None:
            remarks.append(f"{MOVES} between {pair} {place}")
    return remarks
