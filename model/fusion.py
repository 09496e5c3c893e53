"""Fusion as a function: arrays in, one array out."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf
from scipy.special import expit

from data.errors import InputError
from model.bundled import BUNDLED_WEIGHTS
from model.decision import PaperDecision, decide
from model.inference import make_predictor
from model.refinement import RefinedDecision, Refinement, compose
from model.stages import ALIGNMENT
from model.weights import load_network

MINIMUM_SIDE = 32
"""Shortest side of an image to fuse, in pixels: below it a single step of the coarsest maps would cover the image."""

MOST_IMAGES = 255
"""Labels are 8-bit numbers."""

COARSE = 0.5
"""Scale of the second look that the strategy `refined` takes: what is flat or doubtful there may be plain here."""

BATCH_PIXELS = 4_000_000
"""Up to so many pixels each, sources go through the network two by two; larger ones one by one, to halve the memory."""

STRATEGIES = ("refined", "paper")
"""`refined` (ours, the default) compares the sources at each pixel; `paper` is the paper's logic, for two sources."""


def load_fuser(
    weights: Path | str = BUNDLED_WEIGHTS, *, strategy: str = STRATEGIES[0], size: int | None = None
) -> "Fuser":
    """Loads weights and compiles the network, once for any number of images of any sizes.

    >>> fuser = load_fuser()
    >>> fused = fuser(near, far)

    Args:
        weights: A weights file with its sidecar; the default is the one that ships with the project.
        strategy: A name in `STRATEGIES`.
        size: None works at the images' own resolution; a number resizes them to size x size for the maps, as the paper
            does with 224.

    Raises:
        InputError: if the weights cannot be used.
    """
    return Fuser(load_network(weights), strategy=strategy, size=size)


class Fuser:
    """Fuses the images of a scene with one network.

    Args:
        network: Made by `build_network`, with weights.
        strategy: As for `load_fuser`.
        size: As for `load_fuser`.
    """

    def __init__(self, network: keras.Model, *, strategy: str = STRATEGIES[0], size: int | None = None):
        if strategy not in STRATEGIES:
            raise InputError(f"the strategy must be one of {', '.join(STRATEGIES)}, received {strategy!r}.")
        if size is not None and size < MINIMUM_SIDE:
            raise InputError(f"the size must be at least {MINIMUM_SIDE}, received {size}.")
        self._predict = make_predictor(network)
        self._size = size
        self._strategy = strategy
        self._refinement = Refinement()

    def __call__(self, *images: np.ndarray) -> np.ndarray:
        """Fuses the images of one scene.

        Args:
            images: Two or more, each focused elsewhere: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, all of one shape
                and type, at least 32 pixels a side. The strategy `paper` takes two.

        Returns:
            The fused image, of the same shape and type; every pixel is that of one of the sources.

        Raises:
            InputError: if they differ in shape or type, or cannot be used.
        """
        return self.decide(*images).fused

    def decide(self, *images: np.ndarray) -> PaperDecision | RefinedDecision:
        """As calling it, with what led to the result."""
        if self._strategy == "paper":
            if len(images) != 2:
                raise InputError(f"the paper's strategy fuses two images, received {len(images)}.")
            near_map, far_map = self.unfocused(*images) > 0.5
            return decide(*images, near_map, far_map)
        labels = self._refinement.labels(self.scores(*images))
        return RefinedDecision(labels, compose(images, labels))

    def scores(self, *images: np.ndarray) -> Iterator[np.ndarray]:
        """Scores each image by the strategy `refined`, in turn: the lower, the sharper; (H, W) float32."""
        maps = zip(images, self.logits(*images), self.logits(*images, scale=COARSE), strict=True)
        return (self._refinement.score(image, fine, coarse) for image, fine, coarse in maps)

    def unfocused(self, *images: np.ndarray) -> np.ndarray:
        """Predicts where each image is out of focus.

        Args:
            images: As for a call.

        Returns:
            (N, H, W) float32, the probability that a pixel of each image is out of focus.
        """
        return np.stack(list(self._maps(images, 1.0, expit)))

    def logits(self, *images: np.ndarray, scale: float = 1.0) -> Iterator[np.ndarray]:
        """As `unfocused`, in turn, as logits log(p / (1 - p)).

        Args:
            images: As for a call.
            scale: Of the images while the network sees them.

        Returns:
            (H, W) float32 for each image.
        """
        return self._maps(images, scale, lambda logits: logits)

    def _maps(self, images, scale, transform):
        """The network's map of each image in turn, (H, W) float32, transformed and brought to the image's size."""
        _check(images)
        height, width = images[0].shape[:2]
        rows, columns = (height, width) if self._size is None else (self._size, self._size)
        rows, columns = round(rows * scale), round(columns * scale)
        together = 2 if rows * columns <= BATCH_PIXELS else 1
        for first in range(0, len(images), together):
            inputs = np.stack([_prepare(image, rows, columns) for image in images[first : first + together]])
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
    if min(first.shape[:2]) < MINIMUM_SIDE:
        raise InputError(f"images must be at least {MINIMUM_SIDE} pixels high and wide, received {_kind(first)}.")


def _kind(image):
    return f"{image.shape[1]}x{image.shape[0]} {'gray' if image.ndim == 2 else 'RGB'} {image.dtype}"
