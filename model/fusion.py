"""Fusion as a function: two arrays in, one array out."""

from pathlib import Path

import cv2
import keras
import numpy as np
import tensorflow as tf

from data.errors import InputError
from model.decision import PaperDecision, decide
from model.inference import make_predictor
from model.stages import ALIGNMENT
from model.weights import load_network

BUNDLED_WEIGHTS = Path(__file__).parent / "bundled" / "compact.weights.h5"

MINIMUM_SIDE = 32
"""Shortest side of an image to fuse, in pixels: below it a single step of the coarsest maps would cover the image."""

BATCH_PIXELS = 4_000_000
"""Up to so many pixels each, both sources go through the network in one batch; larger ones one after the other, to
halve the memory."""


def load_fuser(weights: Path | str = BUNDLED_WEIGHTS, *, size: int | None = None) -> "Fuser":
    """Loads weights and compiles the network, once for any number of images of any sizes.

    >>> fuser = load_fuser()
    >>> fused = fuser(near, far)

    Args:
        weights: A weights file with its sidecar; the default is the one that ships with the project.
        size: None works at the images' own resolution; a number resizes them to size x size for the maps, as the paper
            does with 224.

    Raises:
        InputError: if the weights cannot be used.
    """
    return Fuser(load_network(weights), size=size)


class Fuser:
    """Fuses pairs of images with one network.

    Args:
        network: Made by `build_network`, with weights.
        size: As for `load_fuser`.
    """

    def __init__(self, network: keras.Model, *, size: int | None = None):
        if size is not None and size < MINIMUM_SIDE:
            raise InputError(f"the size must be at least {MINIMUM_SIDE}, received {size}.")
        self._predict = make_predictor(network)
        self._size = size

    def __call__(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Fuses two images of one scene by the paper's strategy.

        Args:
            near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, at least 32 pixels a side.
            far: The same scene, focused elsewhere; the same shape and type.

        Returns:
            The fused image, of the same shape and type; every pixel is that of one of the sources.

        Raises:
            InputError: if the two differ in shape or type, or cannot be used.
        """
        return self.decide(near, far).fused

    def decide(self, near: np.ndarray, far: np.ndarray) -> PaperDecision:
        """As calling it, with the maps, both candidates and their Q_ABF."""
        near_map, far_map = self.unfocused(near, far) > 0.5
        return decide(near, far, near_map, far_map)

    def unfocused(self, near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Predicts where each of two images is out of focus.

        Args:
            near: As for a call.
            far: As for a call.

        Returns:
            (2, H, W) float32, the probability that the pixel of `near` and of `far` is out of focus.
        """
        _check(near, far)
        inputs = [self._prepare(image) for image in (near, far)]
        if near.shape[0] * near.shape[1] <= BATCH_PIXELS:
            maps = self._predict(tf.constant(np.stack(inputs))).numpy()
        else:
            maps = np.concatenate([self._predict(tf.constant(image[None])).numpy() for image in inputs])
        height, width = near.shape[:2]
        if self._size is None:
            return maps[:, :height, :width]
        maps = maps[:, : self._size, : self._size]
        return np.stack([cv2.resize(one, (width, height), interpolation=cv2.INTER_LINEAR) for one in maps])

    def _prepare(self, image: np.ndarray) -> np.ndarray:
        """Brings an image to (H', W', 3) float32 RGB in [0, 255], mirrored at the lower and right border to multiples
        of 32."""
        values = image.astype(np.float32)
        if image.dtype == np.uint16:
            values /= 257
        if values.ndim == 2:
            values = np.repeat(values[..., None], 3, axis=2)
        if self._size is not None:
            values = cv2.resize(values, (self._size, self._size), interpolation=cv2.INTER_AREA)
        down, right = (-side % ALIGNMENT for side in values.shape[:2])
        return cv2.copyMakeBorder(values, 0, down, 0, right, cv2.BORDER_REFLECT_101)


def _check(near, far):
    for image in (near, far):
        if image.dtype not in (np.uint8, np.uint16):
            raise InputError(f"images must be uint8 or uint16, received {image.dtype}.")
        if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
            raise InputError(f"images must be (H, W, 3) RGB or (H, W) gray, received the shape {image.shape}.")
    if near.shape != far.shape or near.dtype != far.dtype:
        raise InputError(f"both images must be of one size and kind: one is {_kind(near)}, the other {_kind(far)}.")
    if min(near.shape[:2]) < MINIMUM_SIDE:
        raise InputError(f"images must be at least {MINIMUM_SIDE} pixels high and wide, received {_kind(near)}.")


def _kind(image):
    return f"{image.shape[1]}x{image.shape[0]} {'gray' if image.ndim == 2 else 'RGB'} {image.dtype}"
