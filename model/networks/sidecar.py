"""Sidecars of weights files: `NAME.weights.json` describes the weights in `NAME.weights.h5`."""

from pathlib import Path
from typing import Any

from data.io.fields import read_object
from data.io.files import file_digest
from data.runtime.errors import InputError

REMEDY = "fetch both files again"
"""Remedy for a weights file that does not match its sidecar, as messages give it."""


def sidecar_path(path: Path | str) -> Path:
    """Returns the path of a weights file's sidecar."""
    return Path(path).with_suffix(".json")


def read_description(path: Path | str, kinds: dict[str, Any]) -> dict[str, Any]:
    """Reads a sidecar and checks the weights file's sha256.

    Args:
        path: The weights file.
        kinds: Fields that the sidecar must have besides the sha256, as for `data.io.fields.check_values`.

    Raises:
        InputError: Either file is missing, the sidecar is damaged, or the weights are not those that it describes.
    """
    path, sidecar = Path(path), sidecar_path(path)
    for needed in (path, sidecar):
        if not needed.exists():
            raise InputError(f"{needed} is missing; a weights file and its .json sidecar belong together.")
    content = read_object(sidecar, {"sha256": str, **kinds}, REMEDY)
    expected, actual = content["sha256"], file_digest(path, "sha256")
    if actual != expected:
        raise InputError(
            f"{path} does not match its sidecar: its sha256 is {actual[:16]}..., {sidecar.name} says "
            f"{expected[:16]}...; {REMEDY}."
        )
    return content


def check_beside(path: Path | str, weights: Path | str) -> None:
    """Checks that a comparing network was trained for certain weights of the paper's network.

    Args:
        path: The weights file of the comparing network.
        weights: The weights file of the paper's network.

    Raises:
        InputError: It was trained for others, or a file is missing or damaged.
    """
    content = read_description(path, {"beside": str})
    if file_digest(Path(weights), "sha256") != content["beside"]:
        raise InputError(
            f"the strategy `learned` needs a network that was trained beside {weights}, which {path} was not; train "
            f"one with `python -m model.training.train_comparer --voc DIR --weights {weights} -o FILE`."
        )
