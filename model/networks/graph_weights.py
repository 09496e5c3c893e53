"""The weights that a graph for OpenVINO takes, read from a weights file."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from model.networks.folding import fold
from model.networks.h5_file import check_h5, h5_errors


def read_folded(path: Path, places: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Reads weights and folds batch normalization into them.

    Args:
        path: The weights file.
        places: Where the file keeps each layer, as `model.networks.graphs` writes it beside a graph.

    Returns:
        The arrays by the names of the graph's inputs.

    Raises:
        InputError: The file is damaged, or of another network.
    """
    check_h5(path)
    arrays: dict[str, np.ndarray] = {}
    with h5_errors(path, "does not fit the graph"), h5py.File(path) as file:
        for layer, place in places.items():
            kernel, *rest = _read_group(file, place["group"])
            norm = _read_group(file, place["norm"]) if place["norm"] else None
            kernel, bias = fold(kernel, rest[0] if rest else None, norm, transposed=place["transposed"])
            arrays |= {f"{layer}__kernel": kernel, f"{layer}__bias": bias}
    return arrays


def _read_group(file: h5py.File, name: str) -> list[np.ndarray]:
    group = file[name]
    return [group[str(number)][()] for number in range(len(group))]
