"""Images composed of sources by a decision map."""

from collections.abc import Iterable, Sequence

import numpy as np

from data.imaging.pixels import copy_pixels


def index_type(count: int) -> type[np.uint8] | type[np.uint16]:
    """Returns the type of a decision map of so many sources."""
    return np.uint8 if count <= 256 else np.uint16


def compose(images: Iterable[np.ndarray], decision_map: np.ndarray) -> np.ndarray:
    """Takes each pixel from the source that the decision map names.

    Args:
        images: Sources, (H, W) or (H, W, 3), all of one shape and type.
        decision_map: (H, W) uint8, uint16 or, of two sources, bool; the index of a source at each pixel.

    Returns:
        The composed image, of the sources' shape and type.
    """
    return compose_each(images, [decision_map])[0]


def compose_each(images: Iterable[np.ndarray], decision_maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Composes an image by each decision map, as `compose` does; each source is read once."""
    composed: list[np.ndarray] = []
    for index, image in enumerate(images):
        composed = composed or [image.copy(order="C") for _ in decision_maps]
        for one, decision_map in zip(composed, decision_maps, strict=True):
            copy_pixels(one, image, decision_map == index)
    return composed
