"""Exports the networks as graphs for OpenVINO: `python -m model.networks.graphs` makes the bundled ones again.

A graph holds no weights: they are inputs of it, by name, which `model/networks/openvino_engine.py` fills from a weights
file. So one graph serves all weights of a variant, and nothing is kept twice.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import openvino
import tensorflow as tf

from data.errors import EXIT_DONE, run_command
from data.io.files import write_json
from model.bundled import COMPARER_GRAPH, FOCUS_GRAPH
from model.networks.comparer import build_comparer
from model.networks.engine import GRAPH_OF
from model.networks.inference import last_map
from model.networks.network import build_network

GROUPS = {
    keras.layers.Conv2D: "conv2d",
    keras.layers.Conv2DTranspose: "conv2d_transpose",
    keras.layers.BatchNormalization: "batch_normalization",
}
"""Classes of layers with weights, and how Keras names their groups in a weights file."""


def focus_graph() -> None:
    """Writes the graph of the paper's network: "image" -> logits, see `Engine.focus`."""
    network = build_network(**GRAPH_OF)
    _write(FOCUS_GRAPH, last_map(network), network, lambda logits: logits[..., 1] - logits[..., 0])


def comparer_graph() -> None:
    """Writes the graph of the comparing network: "photographs" and "focus" -> logits, see `Engine.compare`."""
    network = build_comparer()
    _write(COMPARER_GRAPH, network, network, lambda logits: logits[..., 0])


def _write(path: Path, inference: keras.Model, trained: keras.Model, finish: Callable) -> None:
    """Writes a graph, and beside it where a weights file of `trained` keeps what its inputs are."""
    inputs = [tf.TensorSpec(tensor.shape, name=tensor.name) for tensor in inference.inputs]
    weights = [tf.TensorSpec(variable.shape, name=_input_name(variable.path)) for variable in inference.weights]

    @tf.function(input_signature=[*inputs, *weights])
    def run(*values):
        images, variables = values[: len(inputs)], list(values[len(inputs) :])
        return finish(inference.stateless_call(variables, [], images if len(images) > 1 else images[0])[0])

    openvino.save_model(openvino.convert_model(run.get_concrete_function()), path, compress_to_fp16=False)
    write_json(path.with_suffix(".json"), _places(trained))


def _input_name(path):
    return path.replace("/", "__")


def _places(network):
    """Layer to its group in a weights file, its normalization's group, and whether it is a deconvolution. Keras names
    the groups by the layers' classes, numbered in order."""
    groups = {}
    for kind, name in GROUPS.items():
        for number, layer in enumerate(layer for layer in network.layers if type(layer) is kind):
            groups[layer.name] = f"layers/{name}_{number}/vars" if number else f"layers/{name}/vars"
    return {
        layer.name: {
            "group": groups[layer.name],
            "norm": groups.get(f"{layer.name}_bn"),
            "transposed": isinstance(layer, keras.layers.Conv2DTranspose),
        }
        for layer in network.layers
        if hasattr(layer, "kernel")
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Makes the bundled graphs."""
    focus_graph()
    comparer_graph()
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
