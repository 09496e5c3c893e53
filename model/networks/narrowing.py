"""Choice of some of VGG-19's channels, from which narrow networks can start.

Sources: Xu et al., "Initializing models with larger ones", ICLR 2024 (weight selection, here `uniform`); Luo et al.,
"ThiNet", ICCV 2017 (channels that reconstruct the others, here `qr`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import scipy.linalg
import tensorflow as tf

from data.runtime.errors import InputError
from model.networks.network import VGG_MEAN_BGR

Convolutions = dict[str, tuple[np.ndarray, np.ndarray]]
"""Kernel (height, width, in, out) and bias (out,) of each convolution by name, in order, float32."""

SAMPLES = 100
"""Number of activations that are sampled from each photograph in each layer."""

CROP_SIZE = 224
"""Side of the center crops that activations are measured on, as VGG-19 was trained."""


def narrow(
    weights: Convolutions, widths: Mapping[str, int], channels: str, photographs: Sequence[np.ndarray] = ()
) -> tuple[Convolutions, dict[str, tuple[int, ...]]]:
    """Keeps some output channels of each convolution, and the corresponding inputs of the next one.

    Args:
        weights: VGG-19's convolutions, in order.
        widths: Number of channels to keep of each.
        channels: A name in `CHANNELS`.
        photographs: Photographs for the choice `qr`, (H, W, 3) uint8 RGB.

    Returns:
        The narrower convolutions, and the channels that were kept of each.

    Raises:
        InputError: The choice `qr` without photographs.
    """
    return CHANNELS[channels](weights, widths, photographs)


def _choose_uniform(
    weights: Convolutions, widths: Mapping[str, int], photographs: Sequence[np.ndarray]
) -> tuple[Convolutions, dict[str, tuple[int, ...]]]:
    """Keeps channels at equal distances, such as every eighth."""
    narrowed, kept = {}, {}
    before = np.arange(next(iter(weights.values()))[0].shape[2])
    for name, (kernel, bias) in weights.items():
        chosen = np.arange(widths[name]) * bias.size // widths[name]
        narrowed[name] = (kernel[:, :, before][..., chosen], bias[chosen])
        kept[name] = tuple(map(int, chosen))
        before = chosen
    return narrowed, kept


def _choose_by_qr(
    weights: Convolutions, widths: Mapping[str, int], photographs: Sequence[np.ndarray]
) -> tuple[Convolutions, dict[str, tuple[int, ...]]]:
    """Keeps the channels that a pivoted QR decomposition of the activations selects first. A least-squares fit of the
    other channels by these is folded into the next convolution."""
    if not photographs:
        raise InputError("the choice of channels qr needs photographs.")
    narrowed, kept = {}, {}
    channels = next(iter(weights.values()))[0].shape[2]
    known, constant = np.eye(channels), np.zeros(channels)  # fit of each input channel by the kept ones
    for name, activations in _activations(weights, photographs):
        kernel, bias = weights[name]
        _, _, order = scipy.linalg.qr(activations - activations.mean(axis=0), mode="economic", pivoting=True)
        chosen = np.sort(order[: widths[name]])
        folded = np.einsum("kc,hwco->hwko", known, kernel)[..., chosen]
        shift = np.einsum("c,hwco->o", constant, kernel)
        narrowed[name] = (folded.astype(np.float32), (bias + shift)[chosen].astype(np.float32))
        kept[name] = tuple(map(int, chosen))
        predictors = np.column_stack([activations[:, chosen], np.ones(len(activations))])
        solution = np.linalg.lstsq(predictors, activations, rcond=None)[0]
        known, constant = solution[:-1], solution[-1]
    return narrowed, kept


def _activations(weights: Convolutions, photographs: Sequence[np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the name of each convolution with its activations at random positions, (samples, channels)."""
    rng = np.random.default_rng(0)
    features = [_prepare(photograph) for photograph in photographs]
    block = ""
    for name, (kernel, bias) in weights.items():
        if block and name.partition("_")[0] != block:
            features = [tf.nn.max_pool2d(one, 2, 2, "VALID") for one in features]
        block = name.partition("_")[0]
        features = [tf.nn.relu(tf.nn.conv2d(one, kernel, 1, "SAME") + bias) for one in features]
        samples = []
        for one in features:
            pixels = one.numpy().reshape(-1, bias.size)
            samples.append(pixels[rng.integers(len(pixels), size=SAMPLES)])
        yield name, np.concatenate(samples).astype(np.float64)


def _prepare(photograph: np.ndarray) -> tf.Tensor:
    """Returns the center of a photograph as VGG-19's input, (1, H, W, 3) BGR."""
    top, left = (max(0, (side - CROP_SIZE) // 2) for side in photograph.shape[:2])
    center = photograph[top : top + CROP_SIZE, left : left + CROP_SIZE, ::-1].astype(np.float32)
    return tf.constant((center - np.array(VGG_MEAN_BGR, np.float32))[None])


CHANNELS: dict[
    str,
    Callable[[Convolutions, Mapping[str, int], Sequence[np.ndarray]], tuple[Convolutions, dict[str, tuple[int, ...]]]],
] = {"uniform": _choose_uniform, "qr": _choose_by_qr}
"""Choices of channels by their names in `train.py --transfer-channels`."""
