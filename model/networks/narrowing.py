"""Choosing an eighth of VGG-19's channels, or another part, so that narrow networks can start from it.

Sources: Xu et al., "Initializing models with larger ones", ICLR 2024 (weight selection, here `uniform`); Luo et al.,
"ThiNet", ICCV 2017 (channels that reconstruct the others, here `qr`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import scipy.linalg
import tensorflow as tf

from data.runtime.errors import InputError

Convolutions = dict[str, tuple[np.ndarray, np.ndarray]]
"""By name, in order: kernel (height, width, in, out) and bias (out,) of each convolution, float32."""

BGR_MEANS = (103.939, 116.779, 123.68)
"""What VGG-19 expects to be subtracted from blue, green and red in 0..255."""

SAMPLES = 100
"""Places of a photograph whose activations are looked at, in each layer."""

SIDE = 224
"""Side of the centers of photographs that activations are measured on: what VGG-19 was trained with."""


def narrow(
    weights: Convolutions, widths: Mapping[str, int], channels: str, photographs: Sequence[np.ndarray] = ()
) -> tuple[Convolutions, dict[str, tuple[int, ...]]]:
    """Keeps so many output channels of each convolution, and of the next one the inputs that belong to them.

    Args:
        weights: VGG-19's convolutions, in order.
        widths: How many channels of each are kept.
        channels: A name in `CHANNELS`.
        photographs: (H, W, 3) uint8 RGB; for the choice `qr`.

    Returns:
        The narrower convolutions, and of each the channels that were kept.

    Raises:
        InputError: The choice `qr` without photographs.
    """
    return CHANNELS[channels](weights, widths, photographs)


def _choose_uniform(
    weights: Convolutions, widths: Mapping[str, int], photographs: Sequence[np.ndarray]
) -> tuple[Convolutions, dict[str, tuple[int, ...]]]:
    """Every eighth channel where an eighth is kept."""
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
    """The channels that a pivoted QR decomposition of the activations takes first; what a least-squares fit says of the
    others is folded into the next convolution."""
    if not photographs:
        raise InputError("the choice of channels qr needs photographs.")
    narrowed, kept = {}, {}
    channels = next(iter(weights.values()))[0].shape[2]
    known, constant = np.eye(channels), np.zeros(channels)  # each input channel by those that are kept
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
    """Yields the name of each convolution with its activations at random places, (samples, channels)."""
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
    """The center of a photograph as VGG-19 takes it, (1, H, W, 3) BGR."""
    top, left = (max(0, (side - SIDE) // 2) for side in photograph.shape[:2])
    center = photograph[top : top + SIDE, left : left + SIDE, ::-1].astype(np.float32)
    return tf.constant((center - np.array(BGR_MEANS, np.float32))[None])


CHANNELS: dict[
    str,
    Callable[[Convolutions, Mapping[str, int], Sequence[np.ndarray]], tuple[Convolutions, dict[str, tuple[int, ...]]]],
] = {"uniform": _choose_uniform, "qr": _choose_by_qr}
"""How channels are chosen, by the name that `train.py --transfer-channels` takes."""
