"""The networks run by OpenVINO on the processor, in float32; TensorFlow is not loaded."""

import hashlib
import io
import platform
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import openvino

from data.io.fields import read_object
from data.io.files import file_digest
from data.runtime.errors import InputError
from model.bundled import COMPARER_GRAPH, FOCUS_GRAPH
from model.networks.graph_cache import read_graph, write_graph
from model.networks.sidecar import check_beside
from model.networks.signal_stack import kept_signal_stack

DEVICE = "CPU"
"""OpenVINO's name of the processor."""

DATA = {"image", "photographs", "focus"}
"""Names of the graphs' inputs besides the weights."""

OPTIONS = {"INFERENCE_PRECISION_HINT": "f32", "PERFORMANCE_HINT": "LATENCY"}
"""Options of the compiled graphs. Processors with bfloat16 would take that by default."""

CACHE_VERSION = "1"
"""Part of the cache's keys; to be raised when the same files compile to something else, as after a change of `fold`."""


class OpenVINOEngine:
    """See `model.networks.engine.Engine`; arguments as `load_engine`."""

    def __init__(self, weights: Path | str, comparer: Path | str | None = None):
        self._focus = _load(FOCUS_GRAPH, Path(weights))
        if comparer:
            check_beside(comparer, weights)
            self._compare = _load(COMPARER_GRAPH, Path(comparer))

    def focus(self, images: np.ndarray) -> np.ndarray:
        """See `Engine.focus`."""
        return self._focus({"image": images})

    def compare(self, photographs: np.ndarray, focus: np.ndarray) -> np.ndarray:
        """See `Engine.compare`."""
        return self._compare({"photographs": photographs, "focus": focus})


def _load(graph: Path, weights: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Loads a graph with the weights in it; returns a function of its inputs by name."""
    core = openvino.Core()
    with kept_signal_stack():
        key = _cache_key(core, graph, weights)
        compiled = _import(core, key)
        if compiled is None:
            compiled = _compile(core, graph, weights)
            _export(compiled, key)
    requests = threading.local()

    def run(inputs: dict[str, np.ndarray]) -> np.ndarray:
        if not hasattr(requests, "own"):
            requests.own = compiled.create_infer_request()
        return requests.own.infer(inputs)[0]

    return run


def _compile(core: openvino.Core, graph: Path, weights: Path) -> openvino.CompiledModel:
    from model.networks.graph_weights import read_folded  # loads HDF5, which cached graphs do without

    model = core.read_model(graph)
    table = graph.with_suffix(".json")
    arrays = read_folded(weights, read_object(table, {}, "fetch it again"))
    names = {parameter.output(0).get_any_name() for parameter in model.get_parameters()}
    if not names - DATA <= set(arrays):  # else the graph computes something, with nothing
        raise InputError(f"{table} is damaged: it does not name the weights of {graph.name}; fetch it again.")
    for parameter in list(model.get_parameters()):
        array = arrays.get(parameter.output(0).get_any_name())
        if array is not None:
            parameter.output(0).replace(openvino.opset13.constant(array).output(0))
            model.remove_parameter(parameter)
    return core.compile_model(model, DEVICE, OPTIONS)


def _import(core: openvino.Core, key: str) -> openvino.CompiledModel | None:
    """Imports a compiled graph from the cache; None where it is not there, or OpenVINO refuses it."""
    content = read_graph(key)
    if content is None:
        return None
    try:
        return core.import_model(io.BytesIO(content), DEVICE, OPTIONS)
    except RuntimeError:
        return None


def _export(compiled: openvino.CompiledModel, key: str) -> None:
    """Keeps a compiled graph in the cache, where OpenVINO can export it."""
    exported = io.BytesIO()
    with suppress(RuntimeError):
        compiled.export_model(exported)
        write_graph(key, exported.getvalue())


def _cache_key(core: openvino.Core, graph: Path, weights: Path) -> str:
    """Returns the digest of all that decides the compiled graph: files, options, OpenVINO, the processor."""
    files = (graph, graph.with_suffix(".bin"), graph.with_suffix(".json"), weights)
    processor = [str(core.get_property(DEVICE, name)) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")]
    parts = [CACHE_VERSION, *(file_digest(file, "sha256") for file in files), str(OPTIONS), openvino.get_version()]
    return hashlib.sha256("\n".join([*parts, platform.machine(), *processor]).encode()).hexdigest()
