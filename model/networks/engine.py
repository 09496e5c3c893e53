"""Engines that run the networks: TensorFlow, or OpenVINO, which starts in a fraction of its time.

Networks are defined, trained and checked with Keras and TensorFlow. OpenVINO, where it is installed, runs graphs that
were exported from them (`model/networks/graphs.py`), on the same weights files.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np

from data.runtime.errors import InputError
from data.runtime.installation import install_hint
from model.networks.driver import has_driver
from model.networks.quietly import import_quietly
from model.networks.sidecar import read_description

ENGINES = ("auto", "tensorflow", "openvino")
"""Names of engines. `auto` takes OpenVINO where it is installed, has a graph for the weights, and there is no GPU."""

GRAPH_OF = {"variant": "light", "batch_norm": True, "encoder_skips": False, "activation": "mish"}
"""Arguments of `build_network` that the bundled graph was made with; its other arguments do not change the graph."""


class Engine(Protocol):
    """Runs the networks on arrays; any number of threads may use it."""

    def focus(self, images: np.ndarray) -> np.ndarray:
        """Finds where photographs are out of focus.

        Args:
            images: (N, H, W, 3) float32 RGB in [0, 255], H and W multiples of 32.

        Returns:
            (N, H, W) float32, the logit of "out of focus".
        """

    def compare(self, photographs: np.ndarray, focus: np.ndarray) -> np.ndarray:
        """Finds which of two photographs is the blurred one; arguments as the inputs of `build_comparer`.

        Returns:
            (N, H, W) float32, the logit of "the first is blurred".
        """


def load_engine(weights: Path | str, comparer: Path | str | None = None, engine: str = "auto") -> Engine:
    """Loads weights into an engine.

    Args:
        weights: The file of the paper's network.
        comparer: The file of the comparing network; None where it is not needed.
        engine: A name in `ENGINES`.

    Raises:
        InputError: if a file cannot be used, or the engine cannot run it here.
    """
    if choose_engine(weights, engine) == "tensorflow":
        return import_quietly("model.networks.tensorflow_engine").TensorFlowEngine(weights, comparer)
    from model.networks.openvino_engine import OpenVINOEngine  # loads OpenVINO

    return OpenVINOEngine(weights, comparer)


def choose_engine(weights: Path | str, engine: str = "auto", device: str = "auto") -> str:
    """Chooses what runs the network of a weights file.

    Args:
        weights: The file.
        engine: A name in `ENGINES`.
        device: As for `model.networks.devices.choose_device`.

    Returns:
        "tensorflow" or "openvino".

    Raises:
        InputError: if the file cannot be used, or the engine cannot run it here.
    """
    if engine not in ENGINES:
        raise InputError(f"the engine must be one of {', '.join(ENGINES)}, received {engine!r}.")
    if engine == "tensorflow":
        return engine
    obstacle = _why_not_openvino(weights, device)
    if engine == "openvino" and obstacle:
        raise InputError(f"the engine openvino cannot be used: {obstacle}.")
    return "tensorflow" if obstacle or (engine == device == "auto" and has_driver()) else "openvino"


def _why_not_openvino(weights: Path | str, device: str) -> str | None:
    """Returns why OpenVINO cannot run the network of a weights file; None where it can."""
    if device.startswith("gpu"):
        return "it computes on the processor alone"
    if find_spec("openvino") is None:
        return f"it is not installed ({install_hint('openvino')})"
    builder = read_description(weights, {"builder": dict})["builder"]
    if "variant" not in builder or any(builder.get(name, value) != value for name, value in GRAPH_OF.items()):
        return f"it has a graph of {GRAPH_OF['variant']} alone, {weights} holds another network"
    return None
