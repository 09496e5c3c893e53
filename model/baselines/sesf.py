"""SESF: the spatial frequency of learned features decides; the map is cleaned and softened at edges.

Source: Ma et al., "SESF-Fuse: an unsupervised deep model for multi-focus image fusion", Neural Computing and
Applications 33, 2021. The encoder is rebuilt here; its weights are the authors' published file
lp+lssim_se_sf_net_times30.pkl.
"""

from pathlib import Path

import cv2
import numpy as np

from metrics.color import to_gray
from model.baselines.channels import Method, check, from_levels, to_levels
from model.baselines.guided import box_mean, guided_filter
from model.baselines.torch_import.torch_file import read_tensors
from model.baselines.torch_import.torch_layers import assign

MEAN, DEVIATION = 0.4500517361627943, 0.26465333914691797
"""Of the gray values in [0, 1] that the authors trained on."""

BLOCKS = ("features", "conv_encode_1", "conv_encode_2", "conv_encode_3")
ATTENTION = ("se_f", "se_1", "se_2", "se_3")
CHANNELS = 16
WINDOW = 11
DISC = 5
SMALLEST = 0.01
RADIUS, EPSILON = 4, 0.1
"""Side of the window of spatial frequency, radius of the morphology, share of the image below which a region is
removed, and the guided filter's window and variance (of gray levels 0..255)."""


def load(path: Path) -> Method:
    """Makes the method from the authors' file.

    Raises:
        InputError: if the file is not that of this network.
    """
    network = build()
    tensors = read_tensors(path)
    for block, attention in zip(BLOCKS, ATTENTION, strict=True):
        assign(path, tensors, network.get_layer(block), f"{block}.0")
        assign(path, tensors, network.get_layer(f"{block}_bn"), f"{block}.2")
        for number in (0, 2):
            assign(path, tensors, network.get_layer(f"{attention}_{number}"), f"{attention}.fc.{number}")

    def fuse(near: np.ndarray, far: np.ndarray) -> np.ndarray:
        check(near, far)
        one, other = to_levels(near), to_levels(far)
        active = [_activity(network, image) for image in (one, other)]
        decision = clean(active[0] > active[1]).astype(np.float64)
        hard = np.where(_like(decision, one) > 0, one, other)
        share = _like(_soften(hard, decision), one)
        return from_levels(share * one + (1 - share) * other, near.dtype)

    return fuse


def build():
    """The encoder: (1, H, W, 1) float32 to (1, H, W, 64)."""
    import keras
    from keras import layers

    image = keras.Input((None, None, 1))
    x, known = image, []
    for block, attention in zip(BLOCKS, ATTENTION, strict=True):
        x = layers.Conv2D(CHANNELS, 3, padding="same", activation="relu", name=block)(x)
        x = layers.BatchNormalization(epsilon=1e-5, name=f"{block}_bn")(x)
        gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
        gate = layers.Dense(CHANNELS // 8, "relu", use_bias=False, name=f"{attention}_0")(gate)
        gate = layers.Dense(CHANNELS, "sigmoid", use_bias=False, name=f"{attention}_2")(gate)
        known.append(layers.Multiply()([x, gate]))
        x = known[0] if len(known) == 1 else layers.Concatenate()(list(known))
    return keras.Model(image, x, name="sesf")


def _activity(network, levels):
    """The spatial frequency of the features around each pixel, (H, W) float32."""
    gray = ((to_gray(levels) / 255 - MEAN) / DEVIATION).astype(np.float32)
    features = np.asarray(network(gray[None, ..., None], training=False))[0]
    shifted = np.pad(features, ((1, 0), (1, 0), (0, 0)))  # what lies beyond the border is 0
    frequency = ((features - shifted[1:, :-1]) ** 2 + (features - shifted[:-1, 1:]) ** 2).sum(-1)
    return cv2.boxFilter(frequency, -1, (WINDOW, WINDOW), normalize=False, borderType=cv2.BORDER_CONSTANT)


def clean(decision: np.ndarray) -> np.ndarray:
    """Opens and closes a decision by a disc and removes small regions of both kinds; (H, W) bool in and out."""
    y, x = np.mgrid[-DISC : DISC + 1, -DISC : DISC + 1]
    disc = (x * x + y * y <= DISC * DISC).astype(np.uint8)
    opened = cv2.morphologyEx(decision.view(np.uint8), cv2.MORPH_OPEN, disc)
    closed = cv2.morphologyEx(_without_small(opened), cv2.MORPH_CLOSE, disc)
    return _without_small(1 - closed) == 0


def _without_small(regions):
    """(H, W) uint8 of 0 and 1, without the connected regions of 1 that are small."""
    _, numbers, statistics, _ = cv2.connectedComponentsWithStats(regions, connectivity=4)
    stays = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST * regions.size
    stays[0] = False  # the rest
    return stays[numbers].astype(np.uint8)


def _soften(guide, share):
    """A guided filter with each channel of the guide by itself, their corrections added up as the authors do."""
    channels = np.moveaxis(guide[..., None] if guide.ndim == 2 else guide, -1, 0)
    smooth = box_mean(box_mean(share, RADIUS), RADIUS)
    return smooth + sum(guided_filter(channel, share, RADIUS, EPSILON) - smooth for channel in channels)


def _like(plane, image):
    return plane if image.ndim == 2 else plane[..., None]
