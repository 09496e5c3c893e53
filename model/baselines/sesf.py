"""SESF: a decision map by the spatial frequency of learned features, cleaned and softened at edges.

Source: Ma et al., "SESF-Fuse: an unsupervised deep model for multi-focus image fusion", Neural Computing and
Applications 33, 2021. The encoder is rebuilt here; its weights are the authors' published file
lp+lssim_se_sf_net_times30.pkl.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from data.datasets.torch_file import read_tensors
from metrics.color import to_gray
from model.baselines.channels import Method, mix, on_levels
from model.baselines.guided import box_mean, guided_filter
from model.baselines.torch_layers import assign

if TYPE_CHECKING:  # loads TensorFlow, which other methods do not need
    import keras

MEAN = 0.4500517361627943
"""Mean of the gray values in [0, 1] of the authors' training data."""

DEVIATION = 0.26465333914691797
"""Standard deviation of these values."""

ATTENTION = {"features": "se_f", "conv_encode_1": "se_1", "conv_encode_2": "se_2", "conv_encode_3": "se_3"}
"""The authors' names of the encoder's blocks, and of the attention after each block."""

CHANNELS = 16
"""Channels that each block adds to the features."""

DISC_RADIUS = 5
"""Pixels: radius of the disc for opening and closing the decision map."""

FILTER_RADIUS = 4
"""Pixels: radius of the guided filter's windows."""


def load(path: Path) -> Method:
    """Makes the method from the authors' file.

    Args:
        path: lp+lssim_se_sf_net_times30.pkl.

    Raises:
        InputError: The file is not that of this network.
    """
    network = build()
    tensors = read_tensors(path)
    for block, attention in ATTENTION.items():
        assign(path, tensors, network.get_layer(block), f"{block}.0")
        assign(path, tensors, network.get_layer(f"{block}_bn"), f"{block}.2")
        for number in (0, 2):
            assign(path, tensors, network.get_layer(f"{attention}_{number}"), f"{attention}.fc.{number}")

    @on_levels
    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        """Fuses two images by the spatial frequency of the network's features of their gray values.

        Args:
            near: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
            far: The same shape and type.
        """
        activity = [_activity(network, image) for image in (near, far)]
        decision = clean(activity[0] > activity[1]).astype(np.float64)
        return mix(near, far, _soften(mix(near, far, decision), decision))

    return fuse


def build() -> "keras.Model":
    """Builds the encoder: (1, H, W, 1) float32 to (1, H, W, 64)."""
    import keras
    from keras import layers

    image = keras.Input((None, None, 1))
    x, known = image, []
    for block, attention in ATTENTION.items():
        x = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name=block)(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=f"{block}_bn")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Dense(CHANNELS // 8, "relu", use_bias=False, name=f"{attention}_0")(gate)
        gate = layers.Dense(CHANNELS, "sigmoid", use_bias=False, name=f"{attention}_2")(gate)
        known.append(layers.Multiply()([x, gate]))
        x = known[0] if len(known) == 1 else layers.Concatenate()(list(known))
    return keras.Model(image, x, name="sesf")


def _activity(network: "keras.Model", levels: np.ndarray) -> np.ndarray:
    """Computes the spatial frequency of the features in 11x11 pixels around each pixel, (H, W) float32."""
    gray = ((to_gray(levels) / 255 - MEAN) / DEVIATION).astype(np.float32)
    features = np.asarray(network(gray[None, ..., None], training=False))[0]
    shifted = np.pad(features, ((1, 0), (1, 0), (0, 0)))  # 0 beyond the border
    frequency = ((features - shifted[1:, :-1]) ** 2 + (features - shifted[:-1, 1:]) ** 2).sum(-1)
    return cv2.boxFilter(frequency, -1, (11, 11), normalize=False, borderType=cv2.BORDER_CONSTANT)


def clean(decision: np.ndarray) -> np.ndarray:
    """Opens and closes a decision map by a disc and removes small regions of either value; (H, W) bool in and out."""
    y, x = np.mgrid[-DISC_RADIUS : DISC_RADIUS + 1, -DISC_RADIUS : DISC_RADIUS + 1]
    disc = (x * x + y * y <= DISC_RADIUS * DISC_RADIUS).astype(np.uint8)
    opened = cv2.morphologyEx(decision.view(np.uint8), cv2.MORPH_OPEN, disc)
    closed = cv2.morphologyEx(_without_small(opened), cv2.MORPH_CLOSE, disc)
    return _without_small(1 - closed) == 0


def _without_small(regions: np.ndarray) -> np.ndarray:
    """Removes connected regions of 1 that cover less than 1 % of the image; (H, W) uint8 of 0 and 1 in and out."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(regions, connectivity=4)
    large = statistics[:, cv2.CC_STAT_AREA] >= 0.01 * regions.size
    large[0] = False  # the background
    return large[numbers].astype(np.uint8)


def _soften(guide: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Applies a guided filter with each channel of the guide separately, and adds their corrections, as the authors
    do."""
    smooth = box_mean(box_mean(weight, FILTER_RADIUS), FILTER_RADIUS)
    channels = np.moveaxis(np.atleast_3d(guide), -1, 0)
    return smooth + sum(guided_filter(channel, weight, FILTER_RADIUS, epsilon=0.1) - smooth for channel in channels)
