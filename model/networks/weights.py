"""Weights files: weights in Keras' `.weights.h5`, beside a JSON sidecar that describes them.

The sidecar `NAME.weights.json` holds the arguments of `build_network` (its key "builder"), the number of parameters,
the file's sha256 and the training record. A file that does not match its sidecar, or the requested variant, is refused
with the difference.
"""

import json
import reprlib
import warnings
from pathlib import Path
from typing import Any, get_type_hints

import keras

from data.io.fields import check_values
from data.io.files import atomic_path, file_digest, write_text
from data.runtime.errors import InputError
from model.bundled import SUFFIX
from model.networks.h5_file import check_h5, h5_errors
from model.networks.network import build_network
from model.networks.sidecar import REMEDY, read_description, sidecar_path


def save_weights(
    network: keras.Model, path: Path | str, network_arguments: dict[str, Any], record: dict[str, Any] | None = None
) -> None:
    """Writes a network's weights and their sidecar; a failure leaves older files unchanged.

    Args:
        network: A network made by `build_network`.
        path: The file; its name ends in `.weights.h5`.
        network_arguments: The arguments of `build_network` that build this network; `variant` is required.
        record: The training record; any JSON value.

    Raises:
        InputError: The name does not end in `.weights.h5`, or the folder cannot be written to.
    """
    write_weights(
        network,
        path,
        {"variant": network_arguments["variant"], "builder": network_arguments, "record": record or {}},
    )


def write_weights(network: keras.Model, path: Path | str, description: dict[str, Any]) -> None:
    """Writes any network's weights and their sidecar; a failure leaves older files unchanged.

    Args:
        network: The network.
        path: The file; its name ends in `.weights.h5`.
        description: Fields of the sidecar besides the number of parameters and the sha256; any JSON values.

    Raises:
        InputError: The name does not end in `.weights.h5`, or the folder cannot be written to.
    """
    path = Path(path)
    if not path.name.endswith(SUFFIX):
        raise InputError(f"a weights file must end in {SUFFIX}, received {path}.")
    with atomic_path(path) as temporary:
        network.save_weights(temporary)
        content = {**description, "parameters": network.count_params(), "sha256": file_digest(temporary, "sha256")}
        # Serialized before the old file is replaced, so that an error leaves it unchanged.
        text = json.dumps(content, indent=2) + "\n"
    write_text(sidecar_path(path), text)


def read_sidecar(path: Path | str) -> dict[str, Any]:
    """Reads and checks the sidecar of a file that `save_weights` wrote; errors as `read_description`."""
    content = read_description(path, {"builder": dict, "parameters": int})
    try:
        _check_arguments(content["builder"])
    except ValueError as error:
        raise InputError(f"{sidecar_path(path)} is damaged: the builder's {error}; {REMEDY}.") from error
    return content


def load_network(path: Path | str, variant: str | None = None) -> keras.Model:
    """Builds the network of a weights file and loads the weights.

    Args:
        path: The weights file; its sidecar lies beside it.
        variant: The requested variant; None takes the file's.

    Raises:
        InputError: A file is missing or damaged, does not match its sidecar, or holds another variant.
    """
    content = read_sidecar(path)
    network_arguments = content["builder"]
    if variant is not None and network_arguments["variant"] != variant:
        raise InputError(f"{path} holds the variant {network_arguments['variant']!r}, but {variant!r} is wanted.")
    try:
        network = build_network(**network_arguments)
    except (TypeError, ValueError) as error:
        raise InputError(f"{sidecar_path(path)} describes no network of this version: {error}") from error
    if network.count_params() != content["parameters"]:
        raise InputError(
            f"{path} has {content['parameters']:,} parameters, the variant {network_arguments['variant']!r} has "
            f"{network.count_params():,}."
        )
    load_checked(network, path, f"does not fit the variant {network_arguments['variant']!r}")
    return network


def load_checked(network: keras.Model, path: Path | str, what: str) -> None:
    """Loads a weights file into a network, after a check of its content.

    Args:
        network: The built network.
        path: The file, in Keras' `.weights.h5`.
        what: What the message says of a file of another network.

    Raises:
        InputError: It is no weights file, does not fit, or holds NaN or infinity.
    """
    check_h5(path)
    with h5_errors(path, what), warnings.catch_warnings():
        warnings.filterwarnings("error", category=UserWarning)  # Keras only warns where layers are not in the file
        network.load_weights(path)


def _check_arguments(network_arguments: dict[str, Any]) -> None:
    """Raises a ValueError if these are no arguments of `build_network`."""
    known = get_type_hints(build_network)
    if "variant" not in network_arguments:
        raise ValueError("variant is missing")
    for name in network_arguments:
        if name not in known:
            raise ValueError(f"argument {reprlib.repr(name)} is unknown")
    check_values({name: known[name] for name in network_arguments}, network_arguments)
