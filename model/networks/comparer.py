"""The network of the strategy `learned`, which is ours: it sees two photographs and what the paper's network says of
each.

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

FINEST = 16
"""Channels at their full size."""

PRIOR = 0.7
"""What the logarithm of the contrasts' ratio, at its two finest scales, adds to the logit: a speck or a hair, sharp in
one photograph alone, is seen even where the network never saw the like."""

NOISE = 4.0
"""Added to the contrast, in squared gray levels: noise of about a gray level counts for nothing."""


def build_comparer(input_size: tuple[int | None, int | None] = (None, None)) -> keras.Model:
    """Builds the network: a U-Net that does most at half the size and less, 19,700 products a pixel of the pair.

    Args:
        input_size: Height and width, each a multiple of 16, or None for any.

    Returns:
        A functional model. Inputs: "photographs", (N, H, W, 6) float32, RGB in [0, 255] of the first and of the second,
        H and W multiples of 16; and "focus", (N, H/4, W/4, 2) float32, the logits of "out of focus" that the paper's
        network gives each at a quarter of the size. Output: (N, H, W, 1), how much the first seems the blurred one, a
        logit; it begins as what the contrasts alone say.
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
    # At full size, where a boundary lies to the pixel is seen beside the photographs themselves.
    features = ops.concatenate([shown, _enlarge(features, FINEST - shown.shape[-1], "enlarge0")], -1)
    features = _conv(features, FINEST, "up0")
    for name in ("finer1", "finer2"):
        features = layers.Add()([features, _conv(features, FINEST, name)])
    logit = layers.Conv2D(1, 3, padding="same", kernel_initializer="zeros", name="logit")(features)
    prior = ops.sum(ratios[..., :2], -1, keepdims=True) * -PRIOR
    outputs = layers.Add()([logit, _enlarge_map(prior, "enlarge_prior")])
    return keras.Model([photographs, focus], outputs, name="comparer")


# Layers are named, because Keras would number those of a second network on, and a checkpoint knows them by name.
def _conv(features: keras.KerasTensor, width: int, name: str, strides: int = 1, size: int = 3) -> keras.KerasTensor:
    options = {"padding": "same", "activation": "relu", "kernel_initializer": "he_normal"}
    return layers.Conv2D(width, size, strides=strides, name=name, **options)(features)


def _enlarge(features: keras.KerasTensor, width: int, name: str) -> keras.KerasTensor:
    return layers.Conv2DTranspose(width, 2, strides=2, kernel_initializer="he_normal", name=name)(features)


def _enlarge_map(values: keras.KerasTensor, name: str) -> keras.KerasTensor:
    return ops.average_pool(layers.UpSampling2D(2, name=name)(values), 3, 1, "same")


def contrast_ratio(gray: keras.KerasTensor) -> keras.KerasTensor:
    """How much sharper one of two photographs is, however strong their texture.

    Args:
        gray: (N, H, W, 2), both in gray levels.

    Returns:
        (N, H/2, W/2, 3): half of the logarithm of the first one's contrast over that of the second, in windows of 2, 6
        and 22 pixels.
    """
    along_x = gray - ops.concatenate([gray[:, :, 1:], gray[:, :, -1:]], 2)
    along_y = gray - ops.concatenate([gray[:, 1:], gray[:, -1:]], 1)
    squared = ops.average_pool(ops.square(along_x) + ops.square(along_y), 2)
    ratios = []
    for window in (1, 3, 11):
        squared = ops.average_pool(squared, window, 1, "same")
        logarithm = ops.log(squared + NOISE)
        ratios.append((logarithm[..., :1] - logarithm[..., 1:]) / 2)
    return ops.concatenate(ratios, -1)


def load_comparer(weights: Path | str, path: Path | str = BUNDLED_COMPARER) -> keras.Model:
    """Loads the network that was trained beside the weights that judge each photograph.

    Args:
        weights: The file of those weights.
        path: The network's own file; its sidecar lies beside it.

    Raises:
        InputError: if a file is missing or damaged, or was trained beside other weights.
    """
    check_beside(path, weights)
    comparer = build_comparer()
    load_checked(comparer, path, "is not the network of the strategy `learned`")
    return comparer
