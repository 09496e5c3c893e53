"""Frames prepared for fusion: aligned, cropped to their common part, and of equal brightness."""

from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import replace
from typing import Any, overload

import cv2
import numpy as np

from data.imaging.pixels import per_level
from data.registration.alignment import Alignment, measure_alignment
from data.registration.exposure import ExposureCorrection, measure_exposure
from data.registration.frame_sequences import CACHE_BYTES, ChosenFrames, HeldFrames
from data.registration.hot_pixels import HotPixels, find_hot_pixels
from data.registration.known_warps import KnownWarps
from data.registration.warping import common_part, coverage, warp_to_reference
from data.runtime.errors import InputError

ALIGN = ("auto", "none")
"""Whether frames are aligned: if they moved (the default), or never."""

CROP = ("auto", "common", "none")
"""What the result shows if frames moved: the part common to all frames, or the whole reference; by default the latter
of a pair, whose result is compared with its sources pixel by pixel, and the former of more frames."""

MATCH_EXPOSURE = ("auto", "none")
"""Whether brightness is matched to the reference: where it differs (the default), or never."""

CLIPPED = 250
"""Gray level from which a channel counts as clipped: JPEG and interpolation move 255."""

Observer = Callable[[str, int, int], None]
"""Progress callback (stage, done, total)."""


class PreparedFrames(Sequence[np.ndarray]):
    """Aligned frames of equal brightness, as a sequence of arrays; read, warped and corrected when they are indexed.

    If nothing moved and the brightness is equal, they are the given frames, to the bit.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, of one shape and type, in the order of the stack.
        align: A name in `ALIGN`.
        crop: A name in `CROP`.
        match_exposure: A name in `MATCH_EXPOSURE`.
        reference: Index of the frame on which the others are laid, and whose brightness is kept; None: the middle one.
        warps: Warps that were measured before, instead of measuring; see `KnownWarps`.
        observe: Progress callback (stage, done, total).

    Attributes:
        alignment: The measured alignment; None with `align="none"`.
        corrections: The brightness correction of each given frame; None for frames that are not changed.
        frame_numbers: For each prepared frame its index among the given ones; frames that do not match are left out.
        unmatched: Numbers of frames whose brightness differs by more than could be corrected.
        hot_pixels: What stays in place while the scene moves; None if nothing moved.
        matched: False if no two frames match; then all of them are used as they were given.
        observe: As given, for the stages that follow.

    Raises:
        InputError: The frames have no part of the scene in common.
    """

    def __init__(
        self,
        frames: Sequence[np.ndarray],
        *,
        align: str = "auto",
        crop: str = "auto",
        match_exposure: str = "auto",
        reference: int | None = None,
        warps: KnownWarps | None = None,
        observe: Observer = lambda stage, done, total: None,
    ):
        self._frames, self.observe = HeldFrames(frames), observe
        self._cache: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self._latest: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}
        self.alignment: Alignment | None = None
        self.corrections: tuple[ExposureCorrection | None, ...] = (None,) * len(frames)
        self.frame_numbers, self.matched = tuple(range(len(frames))), True
        self.unmatched: tuple[int, ...] = ()
        self.hot_pixels: HotPixels | None = None
        self._reference = len(frames) // 2 if reference is None else reference
        if not 0 <= self._reference < len(frames):
            raise InputError(f"there is no frame {self._reference + 1} of {len(frames)} to be the reference.")
        self._warps: dict[int, np.ndarray] = {}  # by frame number; empty if nothing moved
        self._window = (slice(None), slice(None))
        crop = crop if crop != "auto" else "none" if len(frames) == 2 else "common"
        if warps is not None:
            self._take(warps, crop)
        elif align == "auto":
            self._align(crop, reference)
        if match_exposure == "auto" and self.matched:
            self._match_exposure()
        self._frames.let_go()

    @property
    def moved(self) -> bool:
        """Whether any frame is warped."""
        return bool(self._warps)

    @property
    def corrected(self) -> bool:
        """Whether the brightness of any frame is changed."""
        return any(correction is not None for correction in self.corrections)

    def __len__(self) -> int:
        return len(self.frame_numbers)

    @overload
    def __getitem__(self, index: int) -> np.ndarray: ...

    @overload
    def __getitem__(self, index: slice) -> list[np.ndarray]: ...

    def __getitem__(self, index: int | slice) -> np.ndarray | list[np.ndarray]:
        if isinstance(index, slice):
            return [self[one] for one in range(len(self))[index]]
        return self._prepare(range(len(self))[index])[0]

    def covered(self, index: int) -> np.ndarray | None:
        """Returns where a frame has content, (H, W) bool; None: everywhere."""
        whole = not self.moved or self._window[0].start is not None
        return None if whole else self._prepare(index)[1]

    def clipped(self, index: int) -> np.ndarray:
        """Returns where a channel of a frame is as bright as can be, before its brightness is matched; (H, W) bool."""
        image = self[index]
        limit = CLIPPED * per_level(image.dtype)
        if self.corrections[self.frame_numbers[index]] is None:
            channels = 1 if image.ndim == 2 else image.shape[2]
            return cv2.inRange(image, (0,) * channels, (limit - 1,) * channels) == 0
        clipped = image >= self._corrected(index, np.full_like(image, limit))
        return np.any(clipped, axis=-1) if image.ndim == 3 else clipped

    def assign_uncovered(self, decision_map: np.ndarray) -> None:
        """Assigns pixels that their source does not cover to the reference; changes `decision_map`, (H, W) uint8."""
        for index in range(len(self)):
            covered = self.covered(index)
            if covered is not None:
                decision_map[~covered & (decision_map == index)] = self.frame_numbers.index(self._reference)

    def part(self, numbers: Collection[int]) -> "PreparedFrames":
        """Returns the frames with some numbers, prepared as in the whole stack; if all of these were left out, the
        nearest frame."""
        chosen = tuple(number for number in self.frame_numbers if number in numbers)
        if not chosen:
            chosen = (min(self.frame_numbers, key=lambda number: min(abs(number - one) for one in numbers)),)
        part = copy(self)
        part.frame_numbers, part._cache, part._latest = chosen, {}, {}
        if part._reference not in chosen:
            part._reference = chosen[len(chosen) // 2]
        return part

    def describe(self) -> dict[str, Any]:
        """Returns what was done to the frames, as JSON values."""
        done: dict[str, Any] = {}
        if self._warps:
            rows, columns = self._window
            warps = [self._warps.get(number) for number in range(len(self._frames))]
            done["reference"] = self._reference
            done["warps"] = [None if warp is None else warp.tolist() for warp in warps]
            done["cut"] = None if rows.start is None else [rows.start, rows.stop, columns.start, columns.stop]
        if self.alignment is not None and self.alignment.left_out:
            done["left_out"] = {str(index): reason for index, reason in self.alignment.left_out.items()}
        if self.corrected:
            done["brightness"] = [
                None if one is None else {"gains": one.gains.tolist(), "field": one.field.tolist(), "tone": one.tone}
                for one in self.corrections
            ]
        return done

    def _take(self, known: KnownWarps, crop: str) -> None:
        """Lays the frames by warps that were measured on others, such as another light or channel of the scene."""
        if len(known.warps) != len(self._frames):
            raise InputError(f"the warps are of {len(known.warps)} frames, but there are {len(self._frames)}.")
        self._warps = {number: warp for number, warp in enumerate(known.warps) if warp is not None}
        self.frame_numbers, self._reference = tuple(self._warps), known.reference
        shape = self._frames[self._reference].shape
        if crop == "common":
            self._window = common_part(list(self._warps.values()), [shape] * len(self._warps), shape)
            self._refuse_empty_window()

    def _refuse_empty_window(self) -> None:
        if any(span.stop - span.start < 1 for span in self._window):
            raise InputError("the images have no part in common; --crop none shows the whole reference.")

    def _align(self, crop: str, reference: int | None) -> None:
        total = len(self._frames)
        self._frames.hold()
        found = measure_alignment(
            self._frames,
            reference=reference,
            observe=lambda index: self.observe("measuring motion", index + 1, total),
        )
        warps = {index: warp for index, warp in enumerate(found.warps) if warp is not None}
        if len(warps) < 2:  # of a pair, neither frame could be left out
            self.matched = False
            remark = "the images do not match each other; they are fused without alignment"
            found = replace(found, warps=(np.eye(3),) * total, moved=False, left_out={}, remarks=(remark,))
        else:
            self.frame_numbers = tuple(warps)
        self.alignment, self._reference = found, found.reference
        if found.moved:
            self._warps = warps
            self.hot_pixels = find_hot_pixels(ChosenFrames(self._frames, self.frame_numbers), list(warps.values()))
            if crop == "common":
                self._window = found.common
                self._refuse_empty_window()

    def _match_exposure(self) -> None:
        frames = (self._with_coverage(index) for index in range(len(self)))
        corrections = measure_exposure(frames, self.frame_numbers.index(self._reference))
        found = dict(zip(self.frame_numbers, corrections, strict=True))
        self.unmatched = tuple(number for number, one in found.items() if one is not None and not one.matched)
        found = {number: None if one is None or one.is_nothing else one for number, one in found.items()}
        self.corrections = tuple(found.get(number) for number in range(len(self._frames)))
        for cache in (self._cache, self._latest):
            for index, (image, covered) in cache.items():
                cache[index] = self._corrected(index, image), covered

    def _with_coverage(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        image, covered = self._prepare(index)
        self.observe("measuring brightness", index + 1, len(self))
        return image, np.ones(image.shape[:2], bool) if covered is None else covered

    def _prepare(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Returns a frame and where it has content; None: everywhere.

        The first frames stay in memory, as many as fit, and beyond them the last that was asked for: frames are looked
        at in order, several times, and a cache of the latest ones would never hold the next.
        """
        if index in self._cache:
            return self._cache[index]
        if index not in self._latest:
            self._latest = {index: self._make(index)}
            image = self._latest[index][0]
            if (1 + len(self._cache)) * image.nbytes <= CACHE_BYTES:
                self._cache |= self._latest
        return self._latest[index]

    def _make(self, index: int) -> tuple[np.ndarray, np.ndarray | None]:
        number = self.frame_numbers[index]
        image, covered = self._frames.take(number), None
        if self.hot_pixels:
            image = self.hot_pixels.remove(image)
        if self._warps:
            warp, shape = self._warps[number], image.shape
            if self._window[0].start is None:
                covered = coverage(image.shape, warp, shape)
                covered = None if covered.all() else covered
            image = warp_to_reference(image, warp, shape)[self._window]
        return self._corrected(index, np.ascontiguousarray(image)), covered

    def _corrected(self, index: int, image: np.ndarray) -> np.ndarray:
        correction = self.corrections[self.frame_numbers[index]]
        return image if correction is None else correction.apply(image)


class FramesByNumber:
    """Prepared frames by their number in the whole stack, where frames that were left out are counted.

    Args:
        images: The prepared frames.
    """

    def __init__(self, images: PreparedFrames):
        self._images = images

    def __getitem__(self, number: int) -> np.ndarray:
        if number not in self._images.frame_numbers:
            raise InputError(f"frame {number + 1} does not match the others; its pixels cannot be painted in.")
        return self._images[self._images.frame_numbers.index(number)]
