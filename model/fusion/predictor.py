"""Where each source is out of focus: the paper's network, looked through at any size, at two scales, in tiles."""

from collections.abc import Callable, Iterator, Sequence

import cv2
import numpy as np
from scipy.special import expit

from data.imaging.blocks import Window
from data.imaging.pixels import to_rgb
from data.registration.prepared import Observer
from data.runtime.errors import InputError
from model.fusion import tiling
from model.networks.stages import STRIDE

SMALLEST_SIZE = 32
"""Least `size`: below it a single step of the coarsest maps would cover the image."""

WHOLE_PIXELS = 4_000_000
"""Up to so many pixels each, sources go through the network whole, two by two; larger ones in tiles."""

COARSE = 0.5
"""Scale of the second look: what is flat or doubtful at full size may be plain there."""


class FocusPredictor:
    """Looks at images with one network; all strategies see through it.

    Args:
        focus: Says where images are out of focus; see `model.networks.engine.Engine.focus`.
        size: None works at the images' own resolution; a number resizes them to size x size, as the paper does with
            224.
        tiled: Whether images are worked on in overlapping tiles; None does so above 4 megapixels. With `size` they
            never are.
        observe: Told of the progress.

    Raises:
        InputError: if `size` is too small.
    """

    def __init__(
        self,
        focus: Callable[[np.ndarray], np.ndarray],
        *,
        size: int | None = None,
        tiled: bool | None = None,
        observe: Observer | None = None,
    ):
        if size is not None and size < SMALLEST_SIZE:
            raise InputError(f"the size must be at least {SMALLEST_SIZE}, received {size}.")
        self._focus = focus
        self._size = size
        self._tiled = tiled
        self._observe = observe
        self._tile = tiling.TILE, tiling.OVERLAP

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

    def unfocused(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """The probability that a pixel of each image is out of focus, (N, H, W) float32; large images in tiles."""
        return np.stack(list(self.maps(images, lambda parts: self._look(parts, 1.0, expit))))

    def maps(
        self, images: Sequence[np.ndarray], compute: Callable[[Sequence[np.ndarray]], Iterator[np.ndarray]]
    ) -> Iterator[np.ndarray]:
        """A map of each image in turn: of all at once where they are whole, else tile by tile.

        Args:
            images: As for `logits`.
            compute: Images -> the map of each, (H, W) float32.
        """
        if not self.in_tiles(images[0]):
            yield from compute(images)
            return
        observe = self.counter("looking", len(images) * self.tiles(images[0]))
        for image in images:
            yield self.piecewise(image, lambda window, image=image: next(compute((image[window],))), observe)

    def piecewise(
        self, image: np.ndarray, compute: Callable[[Window], np.ndarray], observe: Callable[[], None]
    ) -> np.ndarray:
        """A map of the size of an image, in one piece or from tiles.

        Args:
            image: Decides by its size.
            compute: Window -> its map, (H, W) float32.
            observe: Called after each tile; see `counter`.
        """
        if not self.in_tiles(image):
            return compute((slice(None), slice(None)))
        return tiling.blend(image.shape[:2], compute, observe, *self._tile)

    def counter(self, stage: str, total: int) -> Callable[[], None]:
        """A function that, called after each step of a stage, tells the observer how many of `total` are done."""
        done = 0

        def observe():
            nonlocal done
            done += 1
            if self._observe:
                self._observe(stage, done, total)

        return observe

    def in_tiles(self, image: np.ndarray) -> bool:
        """Whether an image is worked on in tiles."""
        if self._size is not None:
            return False
        return image.shape[0] * image.shape[1] > WHOLE_PIXELS if self._tiled is None else self._tiled

    def tiles(self, image: np.ndarray) -> int:
        """How many tiles an image is cut into."""
        return tiling.count(image.shape[:2], *self._tile)

    def set_tile(self, side: int, overlap: int) -> None:
        """Changes the side of tiles and how far they reach into each other, in pixels; for measurements."""
        self._tile = side, overlap

    def _look(self, images, scale, transform=lambda logits: logits, shape=None):
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


def _scaled(shape, scale):
    return tuple(max(1, round(side * scale)) for side in shape)


def _prepare(image, rows, columns):
    """Brings an image to (H', W', 3) float32 RGB in [0, 255]: resized to rows x columns, then mirrored at the lower and
    right border to multiples of 32."""
    values = to_rgb(image)
    if values.shape[:2] != (rows, columns):
        values = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    down, right = (-side % STRIDE for side in (rows, columns))
    return cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REFLECT_101)
