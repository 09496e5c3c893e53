"""Alignment of a stack: motions between neighboring frames, solved jointly for the warps from the middle frame."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np

from data.imaging.pixels import per_level, to_gray
from data.registration.affine import corners_of, rescale_warp, transform_points
from data.registration.differences import find_composite
from data.registration.joint_motion import solve_jointly
from data.registration.links import Link, Links, find_parts, follow_trend, link_frames
from data.registration.scene_motion import find_motion_within, in_words
from data.registration.thin_motion import SMALLEST, find_thin_motion
from data.registration.warping import common_part
from data.runtime.errors import InputError
from data.runtime.parallel import in_order

MEASURED_SIDE = 1024
"""Pixels: motion is measured on frames averaged over whole pixels such that the longest side is about this."""

NOTICED_MOTION = 0.5
"""Pixels at a corner: frames that moved less are not warped."""

CERTAINTY = 3.0
"""Standard deviations by which a motion must exceed `NOTICED_MOTION`."""

MOVES = "something moves"
"""Beginning of a remark on motion within the scene."""


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
    links: Links = {}
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

    def link(index: int) -> Link | None:
        return link_frames(views, index - 1, index) if index else None

    for index, found in enumerate(in_order(link, read_views())):
        if found is not None:
            links[index - 1, index] = found
        if observe is not None:
            observe(index)
    parts = find_parts(views, links)
    used = max(parts, key=lambda part: (len(part), -abs(np.median(part) - (len(views) - 1) / 2)))
    if reference is not None and reference not in used:
        raise InputError(f"frame {reference + 1} does not match the others and cannot be the reference.")
    matching = {pair: link for pair, link in links.items() if link.matches and set(pair) <= set(used)}
    measured = [index for index in used if any(link.motion for pair, link in matching.items() if index in pair)]
    middle = measured or used
    reference = middle[len(middle) // 2] if reference is None else reference
    corners = corners_of(views[reference].shape)
    reduced = solve_jointly(used, reference, follow_trend(matching, corners), corners)
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


def _reduce(frame: np.ndarray, factor: int) -> np.ndarray:
    """Averages over `factor` by `factor` pixels, without the remainder at the far border; gray, float32, 0..255."""
    height, width = (max(1, side // factor) for side in frame.shape[:2])
    whole = frame[: height * factor, : width * factor]
    if factor > 1:
        whole = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
    return to_gray(whole) / np.float32(per_level(frame.dtype))


def _is_moved(
    used: list[int],
    reference: int,
    links: Links,
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


def _reason(index: int, links: Links) -> str:
    """Says why a frame is left out."""
    if any(link.matches for pair, link in links.items() if index in pair):
        return OTHER_SCENE
    (first, second), link = min(
        ((pair, link) for pair, link in links.items() if index in pair), key=lambda item: item[1].difference.share
    )
    other = second if index == first else first
    return f"{link.difference.share:.0%} of it differs from frame {other + 1}"


def _remarks(links: Links, views: list[np.ndarray]) -> list[str]:
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
