"""Runs the focus network on sources of any size: whole, at two scales, or in tiles."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import cv2
import numpy as np
from scipy.special import expit

from data.imaging.blocks import Window
from data.imaging.pixels import to_rgb
from data.registration.prepared import Observer
from model.fusion import tiling
from model.networks.stages import STRIDE

WHOLE_PIXELS = 4_000_000
"""Up to so many pixels each, sources go through the network whole, two by two; larger ones in tiles."""

COARSE = 0.5
"""Second scale: what is flat or doubtful at full size may be clear there."""


def ignore(stage: str, done: int, total: int) -> None:
    """Ignores progress."""


def counter(observe: Observer, stage: str, total: int) -> Callable[[], None]:
    """Returns a function that, called after each step of a stage, reports how many of `total` are done."""
    done = 0

    def step() -> None:
        nonlocal done
        done += 1
        observe(stage, done, total)

    return step


class FocusPredictor:
    """Runs the focus network; shared by all strategies.

    Args:
        focus: The network; see `model.networks.engine.Engine.focus`.
        size: None works at the images' own resolution; a number resizes them to size x size, as the paper does with
            224.
        tiled: Whether images are worked on in overlapping tiles; None does so above 4 megapixels. With `size` they
            never are.
    """

    def __init__(
        self,
        focus: Callable[[np.ndarray], np.ndarray],
        *,
        size: int | None = None,
        tiled: bool | None = None,
    ):
        self._focus = focus
        self._size = size
        self._tiled = tiled
        self._tile = (tiling.TILE, tiling.TILE), tiling.OVERLAP

    def logits(self, images: Sequence[np.ndarray], scale: float = 1.0, *, enlarge: bool = True) -> Iterator[np.ndarray]:
        """Predicts in turn where each image is out of focus, never in tiles.

        Args:
            images: (H, W, 3) RGB or (H, W) gray, uint8, uint16 or levels of 0..255, all of one shape.
            scale: Of the images while the network sees them.
            enlarge: Whether the result has the size of the images; False leaves it at `scale` of that.

        Returns:
            (H, W) float32 for each image, log(p / (1 - p)) of the probability that a pixel is out of focus.
        """
        return self._look(images, scale, shape=None if enlarge else _scaled(images[0].shape[:2], scale))

    def two_scales(self, images: Sequence[np.ndarray]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """`logits` at full and at half resolution, in turn."""
        return zip(self._look(images, 1.0), self._look(images, COARSE), strict=True)

    def unfocused(self, images: Sequence[np.ndarray], observe: Observer = ignore) -> np.ndarray:
        """Predicts the probability that a pixel is out of focus, (N, H, W) float32; large images in tiles."""
        return np.stack(list(self.maps(images, lambda parts: self._look(parts, 1.0, expit), observe)))

    def maps(
        self,
        images: Sequence[np.ndarray],
        compute: Callable[[Sequence[np.ndarray]], Iterator[np.ndarray]],
        observe: Observer = ignore,
    ) -> Iterator[np.ndarray]:
        """Yields a map of each image: of all at once where they are whole, else tile by tile.

        Args:
            images: As for `logits`.
            compute: Images -> the map of each, (H, W) float32.
            observe: Progress callback (stage, done, total).
        """
        if not self.in_tiles(images[0]):
            yield from compute(images)
            return
        step = counter(observe, "looking", len(images) * self.tiles(images[0]))
        for image in images:
            yield self.piecewise(image, partial(_of_window, image, compute), step)

    def piecewise(
        self, image: np.ndarray, compute: Callable[[Window], np.ndarray], step: Callable[[], None]
    ) -> np.ndarray:
        """Computes a map of the size of an image, in one piece or from tiles.

        Args:
            image: Decides by its size.
            compute: Window -> its map, (H, W) float32.
            step: Called after each tile; see `counter`.
        """
        if not self.in_tiles(image):
            return compute((slice(None), slice(None)))
        return tiling.blend(image.shape[:2], compute, step, *self._tile)

    def in_tiles(self, image: np.ndarray) -> bool:
        """Returns whether an image is worked on in tiles."""
        if self._size is not None:
            return False
        return image.shape[0] * image.shape[1] > WHOLE_PIXELS if self._tiled is None else self._tiled

    def tiles(self, image: np.ndarray) -> int:
        """Returns how many tiles an image is cut into."""
        return tiling.count(image.shape[:2], *self._tile)

    def set_tile(self, side: int, overlap: int) -> None:
        """Changes side and overlap of the tiles, in pixels; for measurements."""
        self._tile = (side, side), overlap

    def _look(
        self,
        images: Sequence[np.ndarray],
        scale: float,
        transform: Callable[[np.ndarray], np.ndarray] = lambda logits: logits,
        shape: tuple[int, int] | None = None,
    ) -> Iterator[np.ndarray]:
        """The logits of each image in turn, found at a scale, transformed and brought to a size, the image's without
        one; (H, W) float32."""
        height, width = shape or images[0].shape[:2]
        rows, columns = _scaled(images[0].shape[:2] if self._size is None else (self._size, self._size), scale)
        for first in range(0, len(images), 2):
            indices = range(first, min(first + 2, len(images)))
            inputs = np.stack([_prepare(images[index], rows, columns) for index in indices])
            for logits in self._focus(inputs):
                inside = transform(logits[:rows, :columns])
                if (rows, columns) != (height, width):
                    inside = cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR)
                yield inside


def _of_window(
    image: np.ndarray, compute: Callable[[Sequence[np.ndarray]], Iterator[np.ndarray]], window: Window
) -> np.ndarray:
    """Computes the map of a window of an image."""
    return next(compute((image[window],)))


def _scaled(shape: Sequence[int], scale: float) -> tuple[int, int]:
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def _prepare(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Brings an image to (H', W', 3) float32 RGB in [0, 255]: resized to rows x columns, then mirrored at the lower and
    right border to multiples of 32."""
    values = to_rgb(image)
    if values.shape[:2] != (rows, columns):
        values = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    down, right = (-side % STRIDE for side in (rows, columns))
    return cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REFLECT_101)
