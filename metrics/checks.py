"""Checks of names and images, which metrics refuse with whole sentences."""

import difflib
from collections.abc import Iterable, Sequence

import numpy as np


class RefusedError(ValueError):
    """Raised for a name or an image that metrics cannot use; the message is a whole sentence."""


def require_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Raises an error if a name is unknown.

    Args:
        kind: What the name stands for, for the message.
        name: Name to check.
        known: All known names.

    Raises:
        RefusedError: `name` is unknown; the message offers the nearest known name and lists all.
    """
    known = list(known)
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        offer = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise RefusedError(f"The {kind} {name!r} is unknown: {offer}Known: {', '.join(known)}.")


def require_equal_shapes(**images: np.ndarray) -> None:
    """Raises an error if images cannot be compared pixel by pixel.

    Args:
        **images: Arrays by their name in the message.

    Raises:
        RefusedError: The shapes differ; the message lists every name and shape.
    """
    if len({image.shape for image in images.values()}) > 1:
        shapes = ", ".join(f"{name} {image.shape}" for name, image in images.items())
        raise RefusedError(f"The images must have equal shapes, but got {shapes}.")


def require_equal_sources(sources: Sequence[np.ndarray]) -> None:
    """Raises an error if sources cannot be compared pixel by pixel.

    Raises:
        RefusedError: There are fewer than two, or their shapes differ.
    """
    if len(sources) < 2:
        raise RefusedError(f"A fused image has at least two sources, but got {len(sources)}.")
    require_equal_shapes(**{f"source {number}": source for number, source in enumerate(sources, start=1)})


def require_comparable(sources: Sequence[np.ndarray], fused: np.ndarray) -> None:
    """Raises an error if a fused image cannot be compared with its sources pixel by pixel.

    Raises:
        RefusedError: There are fewer than two sources, or shapes differ.
    """
    require_equal_sources(sources)
    require_equal_shapes(source=sources[0], fused=fused)
