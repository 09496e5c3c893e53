"""The networks run by OpenVINO on the processor, in float32; TensorFlow is not loaded."""

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import openvino
from openvino import opset13

from data.io.fields import read_object
from model.bundled import COMPARER_GRAPH, FOCUS_GRAPH
from model.networks.folding import fold
from model.networks.h5_file import check_h5, h5_errors
from model.networks.sidecar import check_beside
from model.networks.signal_stack import kept_signal_stack

OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
"""Of the compiled graphs. Processors with bfloat16 would take that by themselves."""


class OpenVINOEngine:
    """See `model.networks.engine.Engine`; arguments as `load_engine`."""

    def __init__(self, weights: Path | str, comparer: Path | str | None = None):
        self._focus = _compile(FOCUS_GRAPH, weights)
        if comparer:
            check_beside(comparer, weights)
            self._compare = _compile(COMPARER_GRAPH, comparer)

    def focus(self, images: np.ndarray) -> np.ndarray:
        """See `Engine.focus`."""
        return self._focus({"image": images})

    def compare(self, photographs: np.ndarray, focus: np.ndarray) -> np.ndarray:
        """See `Engine.compare`."""
        return self._compare({"photographs": photographs, "focus": focus})


def _compile(graph: Path, weights: Path | str) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Compiles a graph with the weights in it; returns a function of its inputs by name."""
    core = openvino.Core()
    model = core.read_model(graph)
    arrays = _read_arrays(Path(weights), read_object(graph.with_suffix(".json"), {}, "fetch it again"))
    for parameter in list(model.get_parameters()):
        array = arrays.get(parameter.output(0).get_any_name())
        if array is not None:
            parameter.output(0).replace(opset13.constant(array).output(0))
            model.remove_parameter(parameter)
    with kept_signal_stack():
        compiled = core.compile_model(model, "CPU", OPTIONS)
    requests = threading.local()

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        return requests.own.infer(inputs)[0]

    return run


def _read_arrays(path: Path | str, places: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Reads the weights by the names of a graph's inputs, batch normalization folded.

    Raises:
        InputError: The file is damaged, or of another network.
    """
    check_h5(path)
    arrays: dict[str, np.ndarray] = {}
    with h5_errors(path, "does not fit the graph"), h5py.File(path) as file:
        for layer, place in places.items():
            values = _group(file, place["group"])
            norm = _group(file, place["norm"]) if place["norm"] else None
            bias = values[1] if len(values) > 1 else None
            kernel, bias = fold(values[0], bias, norm, transposed=place["transposed"])
            arrays |= {f"{layer}__kernel": kernel, f"{layer}__bias": bias}
    return arrays


def _group(file: h5py.File, name: str) -> list[np.ndarray]:
    group = file[name]
    return [group[str(number)][()] for number in range(len(group))]
