"""The one pipeline from photographs to a result, behind the command line, the page, HTTP and Python."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data.imaging.composition import index_type
from data.imaging.full_range import FullRange, shift_back, unused_bits
from data.imaging.pixels import check_images
from data.io.frames import Frames
from data.io.listing import Stack, find_scene
from data.io.metadata import Metadata
from data.registration.dust import DustMap, WithoutDust
from data.registration.known_warps import KnownWarps
from data.registration.prepared import FramesByNumber, Observer, PreparedFrames
from data.runtime.errors import InputError
from model.fusion.decision import MapDecision
from model.fusion.depth import DepthMap
from model.fusion.fuser import Fuser, Photograph, as_array, load_fuser
from model.fusion.paper import PaperDecision
from model.fusion.remarks import remarks_on
from model.fusion.retouch import Paints, Stroke, retouch
from model.fusion.settings import FusionSettings

Method = Callable[..., np.ndarray]
"""A method of others: the images of a scene -> the fused image."""

LOADED = 4
"""Fusers that stay loaded, of the last settings that were used."""


@dataclass(frozen=True)
class PreparedStack:
    """A stack that is aligned and of one brightness.

    Attributes:
        images: The frames that are fused.
        noticed: What aligning them showed, one sentence each.
        files: Their files; None where they were arrays.
        shift: Bits by which their values were shifted to use the full range; see `data.imaging.full_range`.
    """

    images: PreparedFrames
    noticed: tuple[str, ...]
    files: Frames | None = None
    shift: int = 0

    def as_given(self, image: np.ndarray) -> np.ndarray:
        """Brings an image of the prepared frames' range back to that of the given ones."""
        return shift_back(image, self.shift)

    @property
    def metadata(self) -> Metadata | None:
        """What a file of the result takes over; None where the frames were arrays."""
        return self.files.metadata if self.files else None

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the frames, one sentence each; more may come while frames are read."""
        return (*self.noticed, *(self.files.remarks if self.files else ()))


@dataclass(frozen=True)
class Result:
    """A fused stack and what led to it.

    Attributes:
        fused: The fused image in the range of the prepared frames, (H, W, 3) RGB or (H, W) gray.
        stack: What was fused.
        method: "proposed", or the name of a method of others.
        decision: What the strategy decided; None for methods of others.
    """

    fused: np.ndarray
    stack: PreparedStack
    method: str = "proposed"
    decision: PaperDecision | MapDecision | None = None

    @property
    def image(self) -> np.ndarray:
        """The fused image, of the given frames' type and range, (H, W, 3) RGB or (H, W) gray."""
        return self.stack.as_given(self.fused)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know: frames that were left out, motion that could not be measured, and so on."""
        return self.stack.remarks

    @property
    def decision_map(self) -> np.ndarray | None:
        """The number of the frame that each pixel is taken from, (H, W) uint8, of more than 256 frames uint16; None
        where the method has none."""
        return self.decision.decision_map if isinstance(self.decision, MapDecision) else None

    @property
    def depth(self) -> np.ndarray | None:
        """The sharpest frame of each pixel, (H, W) float32, finer than whole frames; of the strategy `learned`."""
        return self._depth_map.frames if self._depth_map else None

    @property
    def confidence(self) -> np.ndarray | None:
        """How sure the depth is, (H, W) float32 in [0, 1]; of the strategy `learned`."""
        return self._depth_map.confidence if self._depth_map else None

    @cached_property
    def _depth_map(self) -> DepthMap | None:
        return self.decision.depth if isinstance(self.decision, MapDecision) else None

    def describe(self) -> dict[str, Any]:
        """Returns what was done, as JSON values."""
        summary = self.decision.summary() if self.decision else {"method": self.method}
        return {**summary, **self.stack.images.describe(), "remarks": list(self.remarks)}


def fuse(
    stack: Stack | str | os.PathLike[str] | Sequence[Photograph],
    settings: FusionSettings | None = None,
    observe: Observer | None = None,
    names: Sequence[str] | None = None,
) -> Result:
    """Fuses a stack: aligns it, matches its brightness, decides and composes.

    >>> result = fuse(["A.jpg", "B.jpg"])
    >>> result.image, result.remarks

    Args:
        stack: A folder of frames; or the frames in order, two or more, as files, arrays, (H, W, 3) RGB or (H, W) gray,
            uint8 or uint16, or Pillow's images.
        settings: How; None takes the defaults.
        observe: Progress callback (stage, done, total). An exception that it raises ends the fusion.
        names: What remarks call the frames; None takes their files' names.

    Raises:
        InputError: the frames cannot be read, aligned or fused.
    """
    settings = settings or FusionSettings()
    prepared = prepare(stack, settings, observe, names)
    if observe:
        observe("loading the network", 0, 1)
    return decide(prepared, loaded_fuser(settings))


def prepare(
    stack: Stack | str | os.PathLike[str] | Sequence[Photograph],
    settings: FusionSettings,
    observe: Observer | None = None,
    names: Sequence[str] | None = None,
) -> PreparedStack:
    """Aligns a stack and matches its brightness; arguments and errors as `fuse`."""
    given, known = _open(stack, settings)
    frames = WithoutDust(given, DustMap.read(settings.dust)) if settings.dust else given
    shift = unused_bits(frames)
    images = PreparedFrames(
        FullRange(frames, shift) if shift else frames,
        align=settings.align,
        crop=settings.chosen_crop,
        match_exposure=settings.match_exposure,
        reference=None if settings.reference is None else settings.reference - 1,
        warps=KnownWarps.read(settings.warps) if settings.warps else None,
        observe=observe or (lambda stage, done, total: None),
    )
    noticed = remarks_on(images, names or known, settings.strict)
    return PreparedStack(images, noticed, given if isinstance(given, Frames) else None, shift)


def decide(
    stack: PreparedStack,
    fuser: Fuser | Method,
    *,
    method: str = "proposed",
    strokes: Sequence[Stroke] = (),
    second: FusionSettings | None = None,
) -> Result:
    """Fuses a stack that is prepared.

    Args:
        stack: As `prepare` returns it.
        fuser: As `load_fuser` returns it, or a method of others.
        method: The name of the latter.
        strokes: Painted over the result.
        second: How the same frames are fused once more, for strokes that paint with that.

    Raises:
        InputError: it cannot be fused so, or a stroke paints with a frame that was left out.
    """
    decision = None
    if isinstance(fuser, Fuser):
        decision = _number_by_stack(fuser.decide(stack.images), stack.images.frame_numbers)
        image = decision.fused
    else:
        image = fuser(*stack.images)
    if strokes:
        other = loaded_fuser(second).decide(stack.images).fused if second else None
        image = retouch(Paints(FramesByNumber(stack.images), image, other), strokes)
    return Result(image, stack, method, decision)


def loaded_fuser(settings: FusionSettings) -> Fuser:
    """Returns the fuser for settings; the last few stay loaded. Errors as `load_fuser`."""
    default = FusionSettings()
    unseen = ("alpha", "dust", "align", "crop", "reference", "warps", "strict", "match_exposure")
    files = [path for path in (settings.weights, settings.chosen_comparer) if path and path.is_file()]
    stamps = tuple((path.stat().st_mtime_ns, path.stat().st_size) for path in files)
    return _loaded(replace(settings, **{name: getattr(default, name) for name in unseen}), stamps)


@lru_cache(LOADED)
def _loaded(settings: FusionSettings, stamps: tuple[tuple[int, int], ...]) -> Fuser:
    """Loads a fuser; `stamps` tell weights files that were written again from those that were loaded."""
    return load_fuser(settings=settings)


def _open(
    stack: Stack | str | os.PathLike[str] | Sequence[Photograph], settings: FusionSettings
) -> tuple[Sequence[np.ndarray], list[str]]:
    """Returns the frames and their names for messages."""
    if isinstance(stack, str | os.PathLike):
        listing = find_scene(Path(stack))
        if listing.problems:
            raise InputError(listing.problems[0])
        (stack,) = listing.stacks
    elif not isinstance(stack, Stack):
        photographs = list(stack)
        if len(photographs) < 2:
            raise InputError(f"two images or more are needed, received {len(photographs)}.")
        files = [Path(one) for one in photographs if isinstance(one, str | os.PathLike)]
        if len(files) < len(photographs):
            images = [as_array(one) for one in photographs]
            check_images(images)
            return images, [f"image {number}" for number in range(1, len(images) + 1)]
        stack = Stack("stack", tuple(files))
    return Frames(stack, settings.alpha), [path.name for path in stack.images]


def _number_by_stack(decision: PaperDecision | MapDecision, kept: Sequence[int]) -> PaperDecision | MapDecision:
    """Numbers the sources of a decision map as the whole stack does, left-out frames included."""
    if isinstance(decision, PaperDecision) or list(kept) == list(range(len(kept))):
        return decision
    return replace(decision, decision_map=np.array(kept, index_type(max(kept) + 1))[decision.decision_map])
