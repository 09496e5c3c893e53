"""What metrics refuse, in whole sentences."""

import difflib
from collections.abc import Iterable

import numpy as np


class RefusedError(ValueError):
    """A name or an image that metrics cannot use; the message is a whole sentence."""


def require_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Refuses a name that is none of the known ones.

    Args:
        kind: What is named, as the message should call it.
        name: The name.
        known: What there is.

    Raises:
        RefusedError: `name` is not among them; the message offers the nearest and lists all.
    """
    known = list(known)
    if name not in known:
        nearest = difflib.get_close_matches(name, known, n=1)
        offer = f"did you mean {nearest[0]!r}? " if nearest else ""
        raise RefusedError(f"The {kind} {name!r} is unknown: {offer}Known: {', '.join(known)}.")


def require_equal_shapes(**images: np.ndarray) -> None:
    """Refuses images that cannot be compared pixel by pixel.

    Args:
        **images: Arrays by the name that the message should call them.

    Raises:
        RefusedError: Not all shapes are equal; the message holds every name and shape.
    """
    if len({image.shape for image in images.values()}) > 1:
        shapes = ", ".join(f"{name} {image.shape}" for name, image in images.items())
        raise RefusedError(f"The images must have equal shapes, but got {shapes}.")
