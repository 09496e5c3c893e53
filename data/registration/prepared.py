"""The frames of a stack as they are fused: laid on each other, cut to what all show, of one brightness."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from data.registration.alignment import Alignment, measure_alignment
from data.registration.exposure import ExposureCorrection, measure_exposure
from data.registration.laying import lay
from data.runtime.errors import InputError

ALIGN = ("auto", "none")
"""Whether frames are laid on each other: where they moved (the default), or never."""

CROP = ("common", "none")
"""What of the reference is kept where frames moved: what all frames show (the default), or all of it."""

MATCH_EXPOSURE = ("auto", "none")
"""Whether frames are given the brightness of the reference: where it differs (the default), or never."""

KEPT_BYTES = 256_000_000
"""Prepared frames that stay in memory: small stacks are read once, large ones frame by frame as they are needed."""

Observer = Callable[[str, int, int], None]
"""Told of what is done at the moment, of the steps done of it, and of their number."""


class PreparedFrames(Sequence[np.ndarray]):
    """Frames laid on each other, as a sequence of arrays; read, moved and corrected as they are needed.

    Where nothing moved and the brightness is equal, they are the frames that were given, to the bit.

    Args:
        frames: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, of one shape and type, in the order of the stack.
        align: A name in `ALIGN`.
        crop: A name in `CROP`.
        match_exposure: A name in `MATCH_EXPOSURE`.
        observe: Told of the progress.

    Attributes:
        alignment: How the frames lie on each other; None where that was not measured.
        corrections: Of the brightness of each frame; None where it stays.
        kept: Indices of the frames that are here; others fit nowhere.
        fits: False where no two frames fit on each other; then all are here as they were given.

    Raises:
        InputError: No part of the scene is in all frames.
    """

    def __init__(
        self,
        frames: Sequence[np.ndarray],
        *,
        align: str = "auto",
        crop: str = "common",
        match_exposure: str = "auto",
        observe: Observer = lambda stage, done, total: None,
    ):
        self._frames, self._observe = frames, observe
        self._cache: OrderedDict[int, tuple[np.ndarray, np.ndarray | None]] = OrderedDict()
        self.alignment: Alignment | None = None
        self.corrections: tuple[ExposureCorrection | None, ...] = (None,) * len(frames)
        self.kept, self.fits = tuple(range(len(frames))), True
        self._window = (slice(None), slice(None))
        if align == "auto":
            self._align(crop)
        if match_exposure == "auto" and self.fits:
            self._match_exposure()

    @property
    def moved(self) -> bool:
        """Whether any frame is moved."""
        return self.alignment is not None and self.alignment.moved

    @property
    def corrected(self) -> bool:
        """Whether the brightness of any frame is changed."""
        return any(correction is not None for correction in self.corrections)

    def __len__(self) -> int:
        return len(self.kept)

    def __getitem__(self, index: int) -> np.ndarray:
        return self._prepare(range(len(self))[index])[0]

    def covered(self, index: int) -> np.ndarray | None:
        """Where a frame shows something, (H, W) bool; None: everywhere."""
        whole = not self.moved or self._window[0].start is not None
        return None if whole else self._prepare(index)[1]

    def restrict(self, decision_map: np.ndarray) -> None:
        """Gives what a frame does not show to the reference, which shows all; `decision_map` is (H, W) uint8."""
        for index in range(len(self)):
            covered = self.covered(index)
            if covered is not None:
                decision_map[~covered & (decision_map == index)] = self.kept.index(self.alignment.reference)

    def describe(self) -> dict[str, Any]:
        """What was done to the frames, as JSON values."""
        done: dict[str, Any] = {}
        if self.moved:
            rows, columns = self._window
            done["reference"] = self.alignment.reference
            done["warps"] = [None if warp is None else warp.tolist() for warp in self.alignment.warps]
            done["cut"] = None if rows.start is None else [rows.start, rows.stop, columns.start, columns.stop]
        if self.alignment is not None and self.alignment.left_out:
            done["left_out"] = {str(index): reason for index, reason in self.alignment.left_out.items()}
        if self.corrected:
            done["brightness"] = [
                None if one is None else {"gains": one.gains.tolist(), "field": one.field.tolist(), "tone": one.tone}
                for one in self.corrections
            ]
        return done

    def _align(self, crop):
        total = len(self._frames)
        self.alignment = measure_alignment(
            self._frames, observe=lambda index: self._observe("measuring motion", index + 1, total)
        )
        self.kept = tuple(index for index, warp in enumerate(self.alignment.warps) if warp is not None)
        if len(self.kept) < 2:
            self._keep_all()
        if self.moved and crop == "common":
            self._window = self.alignment.common
            if any(span.stop - span.start < 1 for span in self._window):
                raise InputError("the images share no part of the scene; --crop none keeps all that one of them shows.")

    def _keep_all(self):
        """Takes the frames as they are where no two of them fit: of a pair, none could be left out."""
        total = len(self._frames)
        self.fits, self.kept = False, tuple(range(total))
        remark = "the images do not fit on each other, and are fused as they are"
        self.alignment = replace(
            self.alignment, warps=(np.eye(3),) * total, moved=False, left_out={}, remarks=(remark,)
        )

    def _match_exposure(self):
        reference = self.alignment.reference if self.alignment is not None else len(self._frames) // 2
        found = measure_exposure((self._look(index) for index in range(len(self))), self.kept.index(reference))
        self.corrections = tuple(
            found[self.kept.index(index)] if index in self.kept else None for index in range(len(self._frames))
        )
        if self.corrected:
            self._cache.clear()

    def _look(self, index):
        """A frame and where it shows something, for measuring brightness."""
        image, covered = self._prepare(index)
        self._observe("measuring brightness", index + 1, len(self))
        return image, np.ones(image.shape[:2], bool) if covered is None else covered

    def _prepare(self, index):
        if index not in self._cache:
            image, covered = self._frames[self.kept[index]], None
            if self.moved:
                image, covered = lay(image, self.alignment.warps[self.kept[index]], image.shape)
                image, covered = image[self._window], covered[self._window]
                covered = None if covered.all() else covered
            correction = self.corrections[self.kept[index]]
            if correction is not None:
                image = correction.apply(image)
            while self._cache and (1 + len(self._cache)) * image.nbytes > KEPT_BYTES:
                self._cache.popitem(last=False)
            self._cache[index] = np.ascontiguousarray(image), covered
        self._cache.move_to_end(index)
        return self._cache[index]


class ByNumber:
    """Prepared frames by their numbers in the whole stack, frames that were left out included.

    Args:
        images: The frames.
    """

    def __init__(self, images: PreparedFrames):
        self._images = images

    def __getitem__(self, number: int) -> np.ndarray:
        if number not in self._images.kept:
            raise InputError(f"frame {number + 1} was left out, since it fits nowhere, and cannot be painted with.")
        return self._images[self._images.kept.index(number)]
