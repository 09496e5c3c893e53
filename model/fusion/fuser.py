"""Fusion as a function: arrays in, one array out."""

from importlib import import_module
from pathlib import Path
from typing import Protocol

import numpy as np

from data.errors import InputError
from data.pixels import check_images
from data.registration.prepared import Observer, PreparedFrames
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
    options = {"prefer": prefer} if prefer else {}
    needed = (comparer or BUNDLED_COMPARER) if strategy == "learned" else None
    running = load_engine(weights, needed, engine)
    predictor = FocusPredictor(running.focus, size=size, tiled=tiled, observe=observe)
    return Fuser(predictor, import_module(f"model.fusion.{strategy}").load(predictor, running, **options))


class Fuser:
    """Fuses the images of a scene.

    Attributes:
        predictor: Says where each image is out of focus.
        strategy: Decides by what the predictor says.
    """

    def __init__(self, predictor: FocusPredictor, strategy: Strategy):
        self.predictor = predictor
        self.strategy = strategy

    def __call__(self, *images: np.ndarray) -> np.ndarray:
        """Fuses the images of one scene.

        Args:
            images: Two or more, each focused elsewhere: (H, W, 3) RGB or (H, W) gray, uint8 or uint16, all of one shape
                and type; or one sequence of them, such as `data.registration.prepared.PreparedFrames`, which reads a
                frame when it is needed. The strategy `paper` takes two of at least 2x2 pixels.

        Returns:
            The fused image, of the same shape and type. Every pixel is that of one of the sources; only `learned` mixes
            them near decision boundaries.

        Raises:
            InputError: if they differ in shape or type, or cannot be used.
        """
        return self.decide(*images).fused

    def decide(self, *images: np.ndarray) -> PaperDecision | MapDecision:
        """As calling it, with what led to the result."""
        if len(images) == 1 and not isinstance(images[0], np.ndarray):
            (images,) = images
        if not 2 <= len(images) <= MOST_IMAGES:
            raise InputError(f"from 2 to {MOST_IMAGES} images can be fused, received {len(images)}.")
        if not isinstance(images, PreparedFrames):
            check_images(images)
            images = PreparedFrames(images, align="none", match_exposure="none")
        return self.strategy.decide(images)
