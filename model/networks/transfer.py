"""Transfer of VGG-19's ImageNet convolutions into the encoders, by layer name.

Source: Simonyan & Zisserman, "Very deep convolutional networks for large-scale image recognition", ICLR 2015, as
published in `keras.applications`; Wang, Jin et al., JIFS 2022 move all 16 convolutions.
"""

from dataclasses import dataclass
from pathlib import Path

import h5py
import keras

from data.download import VGG19_MD5
from data.errors import InputError
from data.io.files import file_digest
from model.networks.h5_file import check_h5, h5_errors
from model.networks.stages import ENCODERS

IMAGENET = "imagenet"
"""The source that Keras fetches and caches."""


@dataclass(frozen=True)
class TransferredLayer:
    """One copied convolution: VGG-19's name, ours, and the kernel's shape (height, width, in, out)."""

    source: str
    target: str
    kernel_shape: tuple[int, int, int, int]

    def __str__(self) -> str:
        kernel = "x".join(map(str, self.kernel_shape))
        return f"{self.source} -> {self.target}: kernel {kernel}, bias {self.kernel_shape[-1]}"


def layer_names() -> dict[str, str]:
    """VGG-19's 16 convolutions and their places here: {"block1_conv1": "encoder1_conv1", ...}."""
    return {
        f"block{number}_conv{conv}": f"encoder{number}_conv{conv}"
        for number, stage in enumerate(ENCODERS, start=1)
        for conv in range(1, stage.transferred + 1)
    }


def transfer_vgg19(network: keras.Model, source: str = IMAGENET, md5: str = VGG19_MD5) -> list[TransferredLayer]:
    """Copies VGG-19's kernels and biases into a network of the paper's widths; all 16 layers or none.

    Args:
        network: Made by `build_network("paper")`.
        source: `"imagenet"` (fetched and cached by Keras) or the path of a no-top file in Keras' H5 layout.
        md5: What the file's md5 must be; the default is that of the published weights.

    Returns:
        What was copied, layer by layer.

    Raises:
        InputError: if the weights cannot be had, the md5 differs, or a layer is of another shape.
    """
    vgg19 = _fetch_imagenet() if source == IMAGENET else read_vgg19(source, md5)
    weights = {name: vgg19.get_layer(name).get_weights() for name in layer_names()}
    for name, target in layer_names().items():
        shapes = [array.shape for array in weights[name]]
        wanted = [variable.shape for variable in network.get_layer(target).weights]
        if shapes != wanted:
            raise InputError(f"VGG-19 weights {source}: {name} has the shapes {shapes}, {target} needs {wanted}.")
    report = []
    for name, target in layer_names().items():
        network.get_layer(target).set_weights(weights[name])
        report.append(TransferredLayer(name, target, weights[name][0].shape))
    return report


def read_vgg19(path: str | Path, md5: str = VGG19_MD5) -> keras.Model:
    """Builds VGG-19 without its classifier and loads a file in Keras' legacy H5 layout.

    Raises:
        InputError: if the file is missing, its md5 differs, it has another layout, or holds NaN or infinity.
    """
    if not Path(path).exists():
        raise InputError(f"{path} is missing; `python -m data.download vgg19 -o DIR` fetches VGG-19's weights.")
    actual = file_digest(path, "md5")
    if actual != md5:
        raise InputError(f"{path} is not the expected VGG-19 file: its md5 is {actual}, not {md5}.")
    check_h5(path)
    with h5_errors(path, "is not in Keras' H5 layout of weights"):
        _check_names(path)
        return keras.applications.VGG19(include_top=False, weights=str(path))


def _check_names(path: str | Path) -> None:
    """Raises a ValueError where a file lists more arrays than it has: Keras reads all that are listed, and a small file
    could fill the memory."""
    with h5py.File(path) as file:
        items: list[h5py.HLObject] = []
        file.visititems(lambda _, item: items.append(item))
        listed = sum(len(item.attrs.get("weight_names", ())) for item in items)
        if listed > sum(isinstance(item, h5py.Dataset) for item in items):
            raise ValueError("it names an array twice")


def _fetch_imagenet() -> keras.Model:
    try:
        return keras.applications.VGG19(include_top=False, weights=IMAGENET)
    except Exception as error:  # Keras raises a bare Exception where the download fails.
        raise InputError(
            f"VGG-19's ImageNet weights could not be fetched ({error}); give a file with --transfer PATH, or train "
            "without them with --ablation non-tl."
        ) from error
