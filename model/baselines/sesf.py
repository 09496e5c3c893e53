"""SESF: the spatial frequency of learned features decides; the map is cleaned and softened at edges.

Source: Ma et al., "SESF-Fuse: an unsupervised deep model for multi-focus image fusion", Neural Computing and
Applications 33, 2021. The encoder is rebuilt here; its weights are the authors' published file
lp+lssim_se_sf_net_times30.pkl.
"""

from pathlib import Path

import cv2
import numpy as np

from data.datasets.torch_file import read_tensors
from metrics.color import to_gray
from model.baselines.channels import Method, mix, on_levels
from model.baselines.guided import box_mean, guided_filter
from model.baselines.torch_layers import assign

MEAN = 0.4500517361627943
"""Of the gray values in [0, 1] that the authors trained on."""

DEVIATION = 0.26465333914691797
"""Of the same values."""

BLOCKS = {"features": "se_f", "conv_encode_1": "se_1", "conv_encode_2": "se_2", "conv_encode_3": "se_3"}
"""The authors' names of the encoder's blocks, and of the attention after each."""

CHANNELS = 16
"""That each block adds to the features."""

DISC = 5
"""Radius of the disc that opens and closes the decision, in pixels."""

RADIUS = 4
"""Of the guided filter's windows, in pixels."""


def load(path: Path) -> Method:
    """Makes the method from the authors' file.

    Args:
        path: lp+lssim_se_sf_net_times30.pkl.

    Raises:
        InputError: if the file is not that of this network.
    """
    network = build()
    tensors = read_tensors(path)
    for block, attention in BLOCKS.items():
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


def build():
    """The encoder: (1, H, W, 1) float32 to (1, H, W, 64)."""
    import keras
    from keras import layers

    image = keras.Input((None, None, 1))
    x, known = image, []
    for block, attention in BLOCKS.items():
        x = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name=block)(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=f"{block}_bn")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Dense(CHANNELS // 8, "relu", use_bias=False, name=f"{attention}_0")(gate)
        gate = layers.Dense(CHANNELS, "sigmoid", use_bias=False, name=f"{attention}_2")(gate)
        known.append(layers.Multiply()([x, gate]))
        x = known[0] if len(known) == 1 else layers.Concatenate()(list(known))
    return keras.Model(image, x, name="sesf")


def _activity(network, levels):
    """The spatial frequency of the features in 11x11 pixels around each, (H, W) float32."""
    gray = ((to_gray(levels) / 255 - MEAN) / DEVIATION).astype(np.float32)
    features = np.asarray(network(gray[None, ..., None], training=False))[0]
    shifted = np.pad(features, ((1, 0), (1, 0), (0, 0)))  # what lies beyond the border is 0
    frequency = ((features - shifted[1:, :-1]) ** 2 + (features - shifted[:-1, 1:]) ** 2).sum(-1)
    return cv2.boxFilter(frequency, -1, (11, 11), normalize=False, borderType=cv2.BORDER_CONSTANT)


def clean(decision: np.ndarray) -> np.ndarray:
    """Opens and closes a decision by a disc and removes small regions of both kinds; (H, W) bool in and out."""
    y, x = np.mgrid[-DISC : DISC + 1, -DISC : DISC + 1]
    disc = (x * x + y * y <= DISC * DISC).astype(np.uint8)
    opened = cv2.morphologyEx(decision.view(np.uint8), cv2.MORPH_OPEN, disc)
    closed = cv2.morphologyEx(_without_small(opened), cv2.MORPH_CLOSE, disc)
    return _without_small(1 - closed) == 0


def _without_small(regions):
    """(H, W) uint8 of 0 and 1, without the connected regions of 1 below 1 % of the image."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(regions, connectivity=4)
    stays = statistics[:, cv2.CC_STAT_AREA] >= 0.01 * regions.size
    stays[0] = False  # the rest
    return stays[numbers].astype(np.uint8)


def _soften(guide, weight):
    """A guided filter with each channel of the guide by itself, their corrections added up as the authors do."""
    smooth = box_mean(box_mean(weight, RADIUS), RADIUS)
    channels = np.moveaxis(np.atleast_3d(guide), -1, 0)
    return smooth + sum(guided_filter(channel, weight, RADIUS, epsilon=0.1) - smooth for channel in channels)
