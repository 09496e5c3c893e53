"""Checks the published weights of IFCNN and SESF-Fuse by their tensors, because no hash of them is known.

Sources: https://github.com/uzeful/IFCNN and https://github.com/Keep-Passion/SESF-Fuse (`nets/sesf_net.py`).
"""

from pathlib import Path

from data.datasets.torch_file import read_tensors
from data.runtime.errors import InputError

NORMALIZATION = ("weight", "bias", "running_mean", "running_var")
"""Tensors of a batch normalization, one value a channel, in Keras' order."""

COUNTER = "num_batches_tracked"
"""End of the name of one more tensor of a batch normalization, which only newer versions of PyTorch write."""

_SESF_BLOCKS = {
    **{"features": (1, 16), "conv_encode_1": (16, 16), "conv_encode_2": (32, 16), "conv_encode_3": (48, 16)},
    **{"conv_decode_1": (64, 64), "conv_decode_2": (64, 32), "conv_decode_3": (32, 16), "conv_decode_4": (16, 1)},
}
"""Channels into and out of each convolution of 3x3."""


def check_ifcnn(path: Path) -> None:
    """Checks that a file holds the tensors of IFCNN.

    Raises:
        InputError: It cannot be read, or holds other tensors.
    """
    shapes = {"conv1.weight": (64, 3, 7, 7), "conv4.weight": (3, 64, 1, 1), "conv4.bias": (3,)}
    for name in ("conv2", "conv3"):
        shapes |= {f"{name}.conv.weight": (64, 64, 3, 3), **_normalization(f"{name}.bn", 64)}
    _check(path, shapes)


def check_sesf(path: Path) -> None:
    """Checks that a file holds the tensors of SESF-Fuse with channel attention; errors as `check_ifcnn`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (channels, filters) in _SESF_BLOCKS.items():
        shapes |= {f"{name}.0.weight": (filters, channels, 3, 3), f"{name}.0.bias": (filters,)}
        shapes |= _normalization(f"{name}.2", filters)
    for name in ("se_f", "se_1", "se_2", "se_3"):
        shapes |= {f"{name}.fc.0.weight": (2, 16), f"{name}.fc.2.weight": (16, 2)}
    _check(path, shapes)


def _normalization(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.{part}": (channels,) for part in NORMALIZATION}


def _check(path: Path, shapes: dict[str, tuple[int, ...]]) -> None:
    found = {name: values.shape for name, values in read_tensors(path).items() if not name.endswith(COUNTER)}
    for name in sorted(found.keys() | shapes.keys()):
        if found.get(name) != shapes.get(name):
            sides = [shape if shape is None else list(shape) for shape in (found.get(name), shapes.get(name))]
            raise InputError(f"{path}: the tensor {name[:80]!r} is {sides[0]} and should be {sides[1]}.")
