"""Fusion as a function: arrays in, one array out."""

import os
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from data.imaging.pixels import check_images
from data.io.image_io import read_image
from data.registration.prepared import Observer, PreparedFrames
from data.runtime.errors import InputError
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, default_strategy
from model.fusion import PREFERENCES, STRATEGIES
from model.fusion.paper import PaperDecision
from model.fusion.predictor import FocusPredictor
from model.fusion.refined import MapDecision
from model.networks.engine import load_engine

MOST_IMAGES = 255
"""Most images of a scene: a decision map has 8 bits."""


class Strategy(Protocol):
    """Decides which source each pixel is taken from."""

    def decide(self, images: PreparedFrames) -> PaperDecision | MapDecision:
        """Fuses images of one shape and type, (H, W, 3) RGB or (H, W) gray, uint8 or uint16; two or more.

        Raises:
            InputError: if the strategy cannot fuse these.
        """


def load_fuser(
    weights: Path | str = BUNDLED_WEIGHTS,
    *,
    strategy: str | None = None,
    comparer: Path | str | None = None,
    size: int | None = None,
    tiled: bool | None = None,
    prefer: str | None = None,
    engine: str = "auto",
    observe: Observer | None = None,
) -> "Fuser":
    """Loads weights and compiles the network, once for any number of images of any sizes.

    >>> fuser = load_fuser()
    >>> fused = fuser(near, far)

    Args:
        weights: A weights file with its sidecar; the default is the one that ships with the project.
        strategy: A name in `STRATEGIES`; None takes `learned` with the bundled weights or a `comparer`, and `refined`
            with other weights.
        comparer: The file of the comparing network of `learned`, trained beside `weights`; None takes the bundled one.
        size: None works at the images' own resolution; a number resizes them to size x size for the maps, as the paper
            does with 224.
        tiled: Whether images are worked on in overlapping tiles, which bounds the memory; None does so above 4
            megapixels. With `size` they never are.
        prefer: A name in `PREFERENCES`: which of two sources that are both sharp `learned` takes; None takes the
            sharper.
        engine: A name in `model.networks.engine.ENGINES`: what runs the networks.
        observe: Told of the progress: what is done at the moment, the steps done of it, and their number.

    Raises:
        InputError: if the weights cannot be used, the comparing network was trained beside others, the strategy is
            unknown or has no use for an argument, the size is too small, or the engine cannot be used.
    """
    strategy = strategy or default_strategy(weights, comparer)
    if strategy not in STRATEGIES:
        raise InputError(f"the strategy must be one of {', '.join(STRATEGIES)}, received {strategy!r}.")
    if prefer not in (None, *PREFERENCES):
        raise InputError(f"prefer must be one of {', '.join(PREFERENCES)}, or None, received {prefer!r}.")
    for name, value in (("prefer", prefer), ("comparer", comparer)):
        if value and strategy != "learned":
            raise InputError(f"{name} is for the strategy learned, not for {strategy}.")
    made_with = {"weights": weights, "strategy": strategy, "comparer": comparer, "size": size, "tiled": tiled}
    made_with |= {"prefer": prefer, "engine": engine}
    options = {"prefer": prefer} if prefer else {}
    needed = (comparer or BUNDLED_COMPARER) if strategy == "learned" else None
    running = load_engine(weights, needed, engine)
    predictor = FocusPredictor(running.focus, size=size, tiled=tiled, observe=observe)
    return Fuser(predictor, import_module(f"model.fusion.{strategy}").load(predictor, running, **options), made_with)


Photograph = np.ndarray | str | os.PathLike | Image.Image
"""An image as an array, (H, W, 3) RGB or (H, W) gray, uint8 or uint16; as a file; or as Pillow has it."""


class Fuser:
    """Fuses the images of a scene. Threads may share one; a copy for another process loads the weights there again.

    Args:
        predictor: Says where each image is out of focus.
        strategy: Decides by what the predictor says.
        made_with: The arguments of `load_fuser` that make it again, for a copy; None where there are none.

    Attributes:
        predictor: As given.
        strategy: As given.
    """

    def __init__(self, predictor: FocusPredictor, strategy: Strategy, made_with: dict[str, Any] | None = None):
        self.predictor = predictor
        self.strategy = strategy
        self._made_with = made_with

    def __reduce__(self):
        if self._made_with is None:
            raise TypeError("this fuser cannot be pickled: it was not made by load_fuser.")
        return _load_again, (self._made_with,)

    def __call__(self, *images: Photograph | Sequence[Photograph]) -> np.ndarray:
        """Fuses the images of one scene, which lie on each other; `PreparedFrames` lays them so.

        Args:
            images: Two or more, each focused elsewhere, all of one shape and type: arrays, files, or Pillow's images;
                or one sequence of them, such as `data.registration.prepared.PreparedFrames`, which reads a frame when
                it is needed. The strategy `paper` takes two of at least 2x2 pixels.

        Returns:
            The fused image, of the same shape and type. Every pixel is that of one of the sources; only `learned` mixes
            them near decision boundaries.

        Raises:
            InputError: if they differ in shape or type, or cannot be used.
        """
        return self.decide(*images).fused

    def decide(self, *images: Photograph | Sequence[Photograph]) -> PaperDecision | MapDecision:
        """As calling it, with what led to the result."""
        if len(images) == 1 and not isinstance(images[0], Photograph):
            (images,) = images
        if not 2 <= len(images) <= MOST_IMAGES:
            raise InputError(f"from 2 to {MOST_IMAGES} images can be fused, received {len(images)}.")
        if not isinstance(images, PreparedFrames):
            images = [_as_array(image) for image in images]
            check_images(images)
            images = PreparedFrames(images, align="none", match_exposure="none")
        return self.strategy.decide(images)


def _as_array(image):
    if isinstance(image, np.ndarray):
        return image
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image) and image.mode in ("RGB", "L"):
        return np.asarray(image)
    kind = f"a Pillow image of mode {image.mode}" if isinstance(image, Image.Image) else type(image).__name__
    raise InputError(f"an image is an array, a file or a Pillow image of mode RGB or L, received {kind}.")


def _load_again(made_with):
    return load_fuser(**made_with)
