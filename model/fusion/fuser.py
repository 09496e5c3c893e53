"""Fusion as a function: arrays in, one array out."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from data.errors import InputError
from model.bundled import BUNDLED_WEIGHTS, default_strategy
from model.fusion import tiling
from model.fusion.blending import Ranking, Seam
from model.fusion.boundaries import align_outlines
from model.fusion.paper import PaperDecision, decide
from model.fusion.refined import RefinedDecision, Refinement, compose
from model.networks.comparer import COARSE, Comparison, load_comparer
from model.networks.inference import make_predictor
from model.networks.stages import ALIGNMENT
from model.networks.weights import load_network

SMALLEST_SIZE = 32
"""Least `size`: below it a single step of the coarsest maps would cover the image."""

MOST_IMAGES = 255
"""Labels are 8-bit numbers."""

WHOLE_PIXELS = 4_000_000
"""Up to so many pixels each, sources go through the network whole, two by two; larger ones in tiles."""

STRATEGIES = ("learned", "refined", "paper")
"""`learned` (ours, the default with the bundled weights) lets a small network compare the sources; `refined` (ours, the
default with others) compares them by a formula; `paper` is the paper's logic, for two sources."""


Observer = Callable[[int, int], None]
"""Told of the tiles done and of their number."""


def load_fuser(
    weights: Path | str = BUNDLED_WEIGHTS,
    *,
    strategy: str | None = None,
    size: int | None = None,
    tiled: bool | None = None,
    observe: Observer | None = None,
) -> "Fuser":
    """Loads weights and compiles the network, once for any number of images of any sizes.

    >>> fuser = load_fuser()
    >>> fused = fuser(near, far)

    Args:
        weights: A weights file with its sidecar; the default is the one that ships with the project.
        strategy: A name in `STRATEGIES`; None takes `learned` with the bundled weights and `refined` with others.
        size: None works at the images' own resolution; a number resizes them to size x size for the maps, as the paper
            does with 224.
        tiled: Whether images are worked on in overlapping tiles, which bounds the memory; None does so above 4
            megapixels. With `size` they never are.
        observe: Called with the tiles done and their number, after each tile.

    Raises:
        InputError: if the weights cannot be used.
    """
    strategy = strategy or default_strategy(weights)
    network = load_network(weights)
    comparer = load_comparer(weights) if strategy == "learned" else None
    return Fuser(network, comparer, strategy=strategy, size=size, tiled=tiled, observe=observe)


class Fuser:
    """Fuses the images of a scene with one network.

    Args:
        network: Made by `build_network`, with weights.
        comparer: Made by `build_comparer`, with weights; the strategy `learned` needs it.
        strategy: A name in `STRATEGIES`.
        size: As for `load_fuser`.
        tiled: As for `load_fuser`.
        observe: As for `load_fuser`.

    Attributes:
        strategy: As given.
    """

    def __init__(
        self,
        network: keras.Model,
        comparer: keras.Model | None = None,
        *,
        strategy: str = "refined",
        size: int | None = None,
        tiled: bool | None = None,
        observe: Observer | None = None,
    ):
        if strategy not in STRATEGIES:
            raise InputError(f"the strategy must be one of {', '.join(STRATEGIES)}, received {strategy!r}.")
        if size is not None and size < SMALLEST_SIZE:
            raise InputError(f"the size must be at least {SMALLEST_SIZE}, received {size}.")
        self._predict = make_predictor(network)
        self._size = size
        self.strategy = strategy
        self._tiled = tiled
        self._observe = observe
        self._tile = tiling.TILE, tiling.OVERLAP
        self._refinement = Refinement()
        if strategy == "learned":
            if comparer is None:
                raise InputError("the strategy `learned` needs a comparer.")
            self._seam = Seam()
            self._comparison = Comparison(comparer, self.logits)

    def __call__(self, *images: np.ndarray) -> np.ndarray:
        """Fuses the images of one scene.

        Args:
            images: Two or more, each focused elsewhere: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, all of one shape
                and type. The strategy `paper` takes two of at least 2x2 pixels.

        Returns:
            The fused image, of the same shape and type. Every pixel is that of one of the sources; only `learned` mixes
            two where it is in doubt at an outline.

        Raises:
            InputError: if they differ in shape or type, or cannot be used.
        """
        return self.decide(*images).fused

    def decide(self, *images: np.ndarray) -> PaperDecision | RefinedDecision:
        """As calling it, with what led to the result."""
        if self.strategy == "paper":
            if len(images) != 2:
                raise InputError(f"the paper's strategy fuses two images, received {len(images)}.")
            if min(images[0].shape[:2]) < 2:
                raise InputError(f"the paper's strategy needs at least 2x2 pixels, received {_kind(images[0])}.")
            near_map, far_map = self.unfocused(*images) > 0.5
            return decide(*images, near_map, far_map)
        if self.strategy == "learned":
            ranking = self._rank(images)
            ranking.remove_islands(self._refinement.smallest)  # when what ranking needed is free again
            return RefinedDecision(ranking.labels, self._seam.mix(images, ranking), "learned")
        labels = self._refinement.labels(self.scores(*images))
        if len(images) == 2 and min(labels.shape) > 1:
            labels = align_outlines(images, labels)
        return RefinedDecision(labels, compose(images, labels))

    def set_tile(self, side: int, overlap: int) -> None:
        """Changes the side of tiles and how far they reach into each other, in pixels; for measurements."""
        self._tile = side, overlap

    def tiles(self, image: np.ndarray) -> int:
        """How many tiles an image is cut into."""
        return tiling.count(image.shape[:2], *self._tile)

    def scores(self, *images: np.ndarray) -> Iterator[np.ndarray]:
        """Scores each image by the strategy `refined`, in turn: the lower, the sharper; (H, W) float32."""
        _check(images)
        if self._in_tiles(images[0]):
            return self._by_tiles(images, lambda part: next(self._score((part,))))
        return self._score(images)

    def unfocused(self, *images: np.ndarray) -> np.ndarray:
        """Predicts where each image is out of focus.

        Args:
            images: As for a call.

        Returns:
            (N, H, W) float32, the probability that a pixel of each image is out of focus.
        """
        _check(images)
        if self._in_tiles(images[0]):
            return np.stack(list(self._by_tiles(images, lambda part: next(self._maps((part,), 1.0, expit)))))
        return np.stack(list(self._maps(images, 1.0, expit)))

    def logits(self, *images: np.ndarray, scale: float = 1.0) -> Iterator[np.ndarray]:
        """As `unfocused`, in turn and never in tiles, as logits log(p / (1 - p)).

        Args:
            images: As for a call.
            scale: Of the images while the network sees them.

        Returns:
            (H, W) float32 for each image.
        """
        _check(images)
        return self._maps(images, scale)

    def compare(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Compares two images as the strategy `learned` does, never in tiles.

        Returns:
            (H, W) float32, the logit of "the first is the blurred one".
        """
        _check((first, second))
        return self._comparison(first, second)

    def _rank(self, images):
        """Compares each image with the best of those before it."""
        _check(images)
        ranking, best = Ranking(images[0].shape[:2]), images[0].copy()
        observe = self._counter((len(images) - 1) * self.tiles(images[0]))
        for index, image in enumerate(images[1:], start=1):
            if self._in_tiles(image):
                blurred = tiling.blend(
                    image.shape[:2],
                    lambda part, image=image: self._comparison(best[part], image[part]),
                    observe,
                    *self._tile,
                )
            else:
                blurred = self._comparison(best, image)
            wins = ranking.challenge(index, self._seam.smooth(blurred))
            best[wins] = image[wins]
        return ranking

    def _counter(self, total):
        """A function that, called after each tile, tells the observer how many of `total` are done."""
        done = 0

        def observe():
            nonlocal done
            done += 1
            if self._observe:
                self._observe(done, total)

        return observe

    def _in_tiles(self, image):
        if self._size is not None:
            return False
        return image.shape[0] * image.shape[1] > WHOLE_PIXELS if self._tiled is None else self._tiled

    def _by_tiles(self, images, compute):
        """The map of each image in turn, from what `compute` makes of its parts."""
        shape = images[0].shape[:2]
        observe = self._counter(len(images) * self.tiles(images[0]))
        for image in images:
            yield tiling.blend(shape, lambda window, image=image: compute(image[window]), observe, *self._tile)

    def _score(self, images):
        maps = zip(images, self._maps(images, 1.0), self._maps(images, COARSE), strict=True)
        return (self._refinement.score(image, fine, coarse) for image, fine, coarse in maps)

    def _maps(self, images, scale, transform=lambda logits: logits):
        """The logits of each image in turn, found at a scale, transformed and brought back to the image's size; (H, W)
        float32."""
        height, width = images[0].shape[:2]
        rows, columns = (height, width) if self._size is None else (self._size, self._size)
        rows, columns = max(1, round(rows * scale)), max(1, round(columns * scale))
        for first in range(0, len(images), 2):
            inputs = np.stack([_prepare(image, rows, columns) for image in images[first : first + 2]])
            for logits in self._predict(tf.constant(inputs)).numpy():
                inside = transform(logits[:rows, :columns])
                if (rows, columns) != (height, width):
                    inside = cv2.resize(inside, (width, height), interpolation=cv2.INTER_LINEAR)
                yield inside


def _prepare(image, rows, columns):
    """Brings an image to (H', W', 3) float32 RGB in [0, 255]: resized to rows x columns, then mirrored at the lower and
    right border to multiples of 32."""
    values = image.astype(np.float32)
    if image.dtype == np.uint16:
        values /= 257
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    if values.shape[:2] != (rows, columns):
        values = cv2.resize(values, (columns, rows), interpolation=cv2.INTER_AREA)
    down, right = (-side % ALIGNMENT for side in (rows, columns))
    return cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REFLECT_101)


def _check(images):
    if not 2 <= len(images) <= MOST_IMAGES:
        raise InputError(f"from 2 to {MOST_IMAGES} images can be fused, received {len(images)}.")
    first = images[0]
    for image in images:
        if image.dtype not in (np.uint8, np.uint16):
            raise InputError(f"images must be uint8 or uint16, received {image.dtype}.")
        if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise InputError(f"images must be (H, W, 3) RGB or (H, W) gray, received the shape {image.shape}.")
        if image.shape != first.shape or image.dtype != first.dtype:
            raise InputError(f"all images must be of one size and kind: one is {_kind(first)}, another {_kind(image)}.")


def _kind(image):
    return f"{image.shape[1]}x{image.shape[0]} {'gray' if image.ndim == 2 else 'RGB'} {image.dtype}"
