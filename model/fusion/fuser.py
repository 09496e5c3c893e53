"""Fusion as a function of aligned images: arrays in, one array out."""

import dataclasses
import os
from collections.abc import Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from PIL import Image

from data.imaging.pixels import check_images
from data.io.image_io import read_image
from data.io.listing import MOST_FRAMES
from data.registration.prepared import Observer, PreparedFrames
from data.runtime.errors import InputError
from model.fusion.decision import MapDecision
from model.fusion.paper import PaperDecision
from model.fusion.predictor import FocusPredictor
from model.fusion.settings import TILES, FusionSettings
from model.networks.engine import choose_engine, load_engine

Photograph = np.ndarray | str | os.PathLike | Image.Image
"""An image as an array, (H, W, 3) RGB or (H, W) gray, uint8 or uint16; as a file; or as Pillow has it."""


class Strategy(Protocol):
    """Decides which source each pixel is taken from."""

    def decide(self, images: PreparedFrames) -> PaperDecision | MapDecision:
        """Fuses images of one shape and type, (H, W, 3) RGB or (H, W) gray, uint8 or uint16; two or more.

        Raises:
            InputError: if the strategy cannot fuse these.
        """
        ...


class Fuser:
    """Fuses the aligned images of a scene. Threads may share one; a copy for another process loads the weights there
    again.

    Args:
        predictor: Predicts where each image is out of focus.
        strategy: Decides by these predictions.
        settings: What `load_fuser` makes it again of, for a copy; None where it was made otherwise.
        observe: Progress callback (stage, done, total) for images that bring none.

    Attributes:
        predictor: As given.
        strategy: As given.
    """

    def __init__(
        self,
        predictor: FocusPredictor,
        strategy: Strategy,
        settings: FusionSettings | None = None,
        observe: Observer | None = None,
    ):
        self.predictor = predictor
        self.strategy = strategy
        self._settings = settings
        self._observe = observe

    def __reduce__(self) -> "tuple[partial[Fuser], tuple[()]]":
        if self._settings is None:
            raise TypeError("this fuser cannot be pickled: it was not made by load_fuser.")
        return partial(load_fuser, settings=self._settings), ()

    def __call__(self, *images: Photograph | Sequence[Photograph]) -> np.ndarray:
        """Fuses aligned images of one scene; `model.fuse` aligns them first.

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
        given = cast(Sequence[Photograph], images)
        if len(images) == 1 and not isinstance(images[0], Photograph):
            given = images[0]
        if not 2 <= len(given) <= MOST_FRAMES:
            raise InputError(f"from 2 to {MOST_FRAMES} images can be fused, received {len(given)}.")
        if isinstance(given, PreparedFrames):
            return self.strategy.decide(given)
        arrays = [as_array(image) for image in given]
        check_images(arrays)
        observe = self._observe or (lambda stage, done, total: None)
        return self.strategy.decide(PreparedFrames(arrays, align="none", match_exposure="none", observe=observe))


def load_fuser(
    weights: Path | str | None = None,
    *,
    settings: FusionSettings | None = None,
    observe: Observer | None = None,
    **options: Any,
) -> Fuser:
    """Loads weights and compiles the network, once for any number of images of any sizes.

    >>> fuser = load_fuser()
    >>> fused = fuser(near, far)

    Args:
        weights: A weights file; None takes that of the settings, which by default ships with the project.
        settings: How images are fused; alignment and brightness play no part here. None takes the defaults.
        observe: Progress callback (stage, done, total).
        options: Settings by name in place of those, such as `strategy="refined"`; see `FusionSettings`.

    Raises:
        InputError: if the weights cannot be used, the comparing network was trained beside others, a setting is none of
            its choices or does not go with another, or the engine or device cannot be used.
        TypeError: if there is no setting of a name.
    """
    options |= {} if weights is None else {"weights": Path(weights)}
    settings = dataclasses.replace(settings or FusionSettings(), **options)
    engine = choose_engine(settings.weights, settings.engine, settings.device)
    if engine == "tensorflow" and settings.device != "auto":
        from model import choose_device  # loads TensorFlow

        choose_device(settings.device)
    running = load_engine(settings.weights, settings.chosen_comparer, engine)
    predictor = FocusPredictor(running.focus, size=settings.size, tiled=TILES[settings.tile])
    load = import_module(f"model.fusion.{settings.chosen_strategy}").load
    own = {"prefer": settings.prefer, "average": settings.average} if settings.chosen_strategy == "learned" else {}
    strategy = load(predictor, running, **own)
    return Fuser(predictor, strategy, settings, observe)


def as_array(image: Photograph) -> np.ndarray:
    """Returns the pixels of a photograph.

    Raises:
        InputError: it is none, or its file cannot be read.
    """
    if isinstance(image, np.ndarray):
        return image
    if isinstance(image, str | os.PathLike):
        return read_image(image)
    if isinstance(image, Image.Image) and image.mode in ("RGB", "L"):
        return np.asarray(image)
    kind = f"a Pillow image of mode {image.mode}" if isinstance(image, Image.Image) else type(image).__name__
    raise InputError(f"an image is an array, a file or a Pillow image of mode RGB or L, received {kind}.")
