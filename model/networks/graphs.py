"""Exports the bundled graphs for OpenVINO, after a change of a network: `python -m model.networks.graphs`.

A graph holds no weights: they are named inputs, which `model/networks/openvino_engine.py` fills from a weights file. So
one graph serves all weights of a variant, and no weights are stored twice.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.io.files import write_json
from data.runtime.arguments import command_parser
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from model.bundled import COMPARER_GRAPH, FOCUS_GRAPH
from model.networks.engine import GRAPH_OF
from model.networks.quietly import import_quietly

if TYPE_CHECKING:  # loads TensorFlow
    import keras

EXAMPLES = """example:
  python -m model.networks.graphs
written: the graphs in model/bundled, and tables of where weights files keep their inputs"""

GROUPS = {"Conv2D": "conv2d", "Conv2DTranspose": "conv2d_transpose", "BatchNormalization": "batch_normalization"}
"""Classes of layers with weights, and Keras' names of their groups in a weights file."""


def focus_graph() -> None:
    """Writes the graph of the paper's network: "image" -> logits, see `Engine.focus`."""
    network = import_quietly("model.networks.network").build_network(**GRAPH_OF)
    inference = import_quietly("model.networks.inference").last_map(network)
    _write(FOCUS_GRAPH, inference, network, lambda logits: logits[..., 1] - logits[..., 0])


def comparer_graph() -> None:
    """Writes the graph of the comparing network: "photographs" and "focus" -> logits, see `Engine.compare`."""
    network = import_quietly("model.networks.comparer").build_comparer()
    _write(COMPARER_GRAPH, network, network, lambda logits: logits[..., 0])


def _write(path: Path, inference: "keras.Model", trained: "keras.Model", finish: Callable) -> None:
    """Writes a graph, and beside it a table of where a weights file of `trained` keeps its inputs."""
    import openvino
    import tensorflow as tf

    inputs = [tf.TensorSpec(tensor.shape, name=tensor.name) for tensor in inference.inputs]
    weights = [tf.TensorSpec(variable.shape, name=_input_name(variable.path)) for variable in inference.weights]

    @tf.function(input_signature=[*inputs, *weights])
    def run(*values: tf.Tensor) -> tf.Tensor:
        images, variables = values[: len(inputs)], list(values[len(inputs) :])
        return finish(inference.stateless_call(variables, [], images if len(images) > 1 else images[0])[0])

    openvino.save_model(openvino.convert_model(run.get_concrete_function()), path, compress_to_fp16=False)
    write_json(path.with_suffix(".json"), _places(trained))


def _input_name(path: str) -> str:
    return path.replace("/", "__")


def _places(network: "keras.Model") -> dict[str, Any]:
    """Maps each layer to its group in a weights file, its normalization's group, and whether it is a deconvolution.

    Keras names the groups by the classes of the layers and numbers them in order.
    """
    groups = {}
    for kind, name in GROUPS.items():
        for number, layer in enumerate(layer for layer in network.layers if type(layer).__name__ == kind):
            groups[layer.name] = f"layers/{name}_{number}/vars" if number else f"layers/{name}/vars"
    return {
        layer.name: {
            "group": groups[layer.name],
            "norm": groups.get(f"{layer.name}_bn"),
            "transposed": type(layer).__name__ == "Conv2DTranspose",
        }
        for layer in network.layers
        if hasattr(layer, "kernel")
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(__doc__.split(":")[0] + ".", EXAMPLES, "python -m model.networks.graphs")
    add_debug(parser)
    parser.parse_args(argv)
    focus_graph()
    comparer_graph()
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
