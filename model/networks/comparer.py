"""The comparing network of the strategy `learned`, which is ours: it sees two photographs and the logits of both from
the paper's network.

`model/fusion/learned.py` decides by it, and `python -m model.training.train_comparer` trains it.
"""

from pathlib import Path

import keras
from keras import layers, ops

from model.bundled import BUNDLED_COMPARER
from model.networks.sidecar import check_beside
from model.networks.weights import load_checked

WIDTHS = (32, 48, 64, 96)
"""Channels at 1/2, 1/4, 1/8 and 1/16 of the photographs' size."""

FULL_SIZE_WIDTH = 16
"""Channels at full size."""

PRIOR = 0.7
"""Factor of the log contrast ratio, at its two finest scales, that is added to the logit: fine detail that is sharp in
one photograph counts even if it is unlike the training data."""

CONTRAST_NOISE = 4.0
"""Added to the contrast, in squared gray levels: noise of about one gray level has no influence."""


def build_comparer(input_size: tuple[int | None, int | None] = (None, None)) -> keras.Model:
    """Builds the network: a U-Net, mostly at half the size and less, 19,700 multiplications per pixel of the pair.

    Args:
        input_size: Height and width, each a multiple of 16, or None for any.

    Returns:
        A functional model. Inputs: "photographs", (N, H, W, 6) float32, RGB in [0, 255] of the first and of the second,
        H and W multiples of 16; and "focus", (N, H/4, W/4, 2) float32, the logits of "out of focus" that the paper's
        network gives to each at a quarter of the size. Output: (N, H, W, 1), the logit of "the first is blurred";
        before training, it follows from the contrasts alone.
    """
    photographs = keras.Input((*input_size, 6), name="photographs")
    focus = keras.Input((*(side and side // 4 for side in input_size), 2), name="focus")
    first, second = photographs[..., :3], photographs[..., 3:]
    gray = ops.concatenate([ops.mean(image, -1, keepdims=True) for image in (first, second)], -1)
    difference = (first - second) / 16
    parts = [(gray - 128) / 64, difference, ops.abs(ops.mean(difference, -1, keepdims=True))]
    shown = ops.concatenate(parts, -1)
    stem = _conv(shown, WIDTHS[0], "stem", strides=2, size=5)
    ratios = contrast_ratio(gray)
    judged = _enlarge_map(ops.clip(focus / 8, -3, 3), "enlarge_focus")
    known = [stem, judged, ratios[..., 1:]]
    features = _conv(ops.concatenate(known, -1), WIDTHS[0], "down1")
    skips = [features]
    for number, width in enumerate(WIDTHS[1:], start=2):
        features = _conv(_conv(features, width, f"reduce{number}", strides=2), width, f"down{number}")
        skips.append(features)
    for number, width in zip((3, 2, 1), WIDTHS[-2::-1], strict=True):
        enlarged = _enlarge(features, width, f"enlarge{number}")
        features = _conv(layers.Add()([skips[number - 1], enlarged]), width, f"up{number}")
    # The photographs at full size locate boundaries to the pixel.
    features = ops.concatenate([shown, _enlarge(features, FULL_SIZE_WIDTH - shown.shape[-1], "enlarge0")], -1)
    features = _conv(features, FULL_SIZE_WIDTH, "up0")
    for name in ("finer1", "finer2"):
        features = layers.Add()([features, _conv(features, FULL_SIZE_WIDTH, name)])
    logit = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="logit")(features)
    prior = ops.sum(ratios[..., :2], -1, keepdims=True) * -PRIOR
    outputs = layers.Add()([logit, _enlarge_map(prior, "enlarge_prior")])
    return keras.Model([photographs, focus], outputs, name="comparer")


# Layers are named, because Keras would number those of a second network on, and checkpoints store them by name.
def _conv(features: keras.KerasTensor, width: int, name: str, strides: int = 1, size: int = 3) -> keras.KerasTensor:
    options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    return layers.Conv2D(width, size, strides=strides, name=name, **options)(features)


def _enlarge(features: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    return layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal", name=name)(features)


def _enlarge_map(values: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return ops.average_pool(layers.UpSampling2D(2, name=name)(values), 3, 1, "same")


def contrast_ratio(gray: keras.KerasTensor) -> keras.KerasTensor:
    """Computes how much sharper one of two photographs is, independently of the strength of their texture.

    Args:
        gray: (N, H, W, 2), both photographs in gray levels.

    Returns:
        (N, H/2, W/2, 3): half of the logarithm of the ratio of the first one's contrast to the second one's, in windows
        of 2, 6 and 22 pixels.
    """
    along_x = gray - ops.concatenate([gray[:, :, 1:], gray[:, :, -1:]], 2)
    along_y = gray - ops.concatenate([gray[:, 1:], gray[:, -1:]], 1)
    squared = ops.average_pool(ops.square(along_x) + ops.square(along_y), 2)
    ratios = []
    for window in (1, 3, 11):
        squared = ops.average_pool(squared, window, 1, "same")
        logarithm = ops.log(squared + CONTRAST_NOISE)
        ratios.append((logarithm[..., :1] - logarithm[..., 1:]) / 2)
    return ops.concatenate(ratios, -1)


def load_comparer(weights: Path | str, path: Path | str = BUNDLED_COMPARER) -> keras.Model:
    """Loads the comparing network that was trained for certain weights of the paper's network.

    Args:
        weights: The weights file of the paper's network.
        path: The weights file of the comparing network; its sidecar lies beside it.

    Raises:
        InputError: A file is missing or damaged, or the network was trained for other weights.
    """
    check_beside(path, weights)
    comparer = build_comparer()
    load_checked(comparer, path, "is not the network of the strategy `learned`")
    return comparer
