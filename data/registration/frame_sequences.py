"""Frames as they are given: some of them, or the first ones kept in memory."""

from collections.abc import Sequence

import numpy as np

CACHE_BYTES = 384_000_000
"""Memory for prepared frames: small stacks are read once, frames of large ones again when they are needed."""


class HeldFrames(Sequence[np.ndarray]):
    """Frames as they are given, of which the first stay in memory until they are prepared: alignment and brightness
    look at the same ones.

    Args:
        frames: The frames.
    """

    def __init__(self, frames: Sequence[np.ndarray]):
        self._frames = frames
        self._first: dict[int, np.ndarray] = {}
        self._holds = False

    def __len__(self) -> int:
        return len(self._frames)

    def __getitem__(self, number: int) -> np.ndarray:  # type: ignore[override]
        if number in self._first:
            return self._first[number]
        frame = self._frames[number]
        if self._holds and (1 + len(self._first)) * frame.nbytes <= CACHE_BYTES:
            self._first[number] = frame
        return frame

    def hold(self) -> None:
        """Keeps the first frames that are asked for from now on, as many as fit."""
        self._holds = True

    def let_go(self) -> None:
        """Keeps none any more."""
        self._first, self._holds = {}, False

    def take(self, number: int) -> np.ndarray:
        """Returns a frame and keeps it no longer."""
        frame = self._first.pop(number, None)
        return self._frames[number] if frame is None else frame


class ChosenFrames(Sequence[np.ndarray]):
    """Some of the frames of a stack, by their numbers."""

    def __init__(self, frames: Sequence[np.ndarray], numbers: Sequence[int]):
        self._frames, self._numbers = frames, numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        return self._frames[self._numbers[index]]
