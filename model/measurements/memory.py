"""Counts what a training step needs in memory, by tracing it; takes no GPU."""

import argparse
from typing import TYPE_CHECKING, Any

from data.runtime.arguments import add_shared, positive
from model.measurements.output import print_figures, with_progress
from model.networks.stages import VARIANTS
from model.training.settings import TrainingConfig

if TYPE_CHECKING:  # loads TensorFlow, which `--help` does not need
    import tensorflow as tf

    from model.training.trainer import Trainer

STEP_KINDS: dict[str, dict[str, Any]] = {
    "float32": {},
    "float32, --recompute": {"recompute": True},
    "float16": {"mixed_precision": "float16"},
    "float16, --recompute": {"mixed_precision": "float16", "recompute": True},
}
"""Ways to compute a step, each with its settings; bfloat16 needs as much as float16."""

PASSED_ON = ("Identity", "IdentityN", "StopGradient", "Squeeze", "Reshape")
"""Operations whose result shares the memory of their input."""

EXAMPLES = """examples:
  python -m model.measurements memory
  python -m model.measurements memory --variant compact --size 160 --images 4 32 --json
counted: all tensors of the forward pass that the backward pass reads, and weights, gradients and the optimizer's
moments; not what a single operation needs for itself"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("--variant", choices=VARIANTS, default=TrainingConfig.variant, help="width (%(default)s)")
    parser.add_argument(
        "--size", type=positive, default=TrainingConfig.size, metavar="N", help="side of an image (%(default)s)"
    )
    parser.add_argument(
        "--images", type=positive, nargs="+", default=[2, 4, 8, 16], metavar="N", help="images at once (2 4 8 16)"
    )
    add_shared(parser, "--json", "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from model import choose_device  # loads TensorFlow, quietly
    from model.training.distribution import make_distribution
    from model.training.setup import make_trainer, prepare_process

    choose_device("cpu")
    kept = {}
    for name, settings in with_progress(STEP_KINDS.items(), arguments, "kind"):
        config = TrainingConfig(variant=arguments.variant, size=arguments.size, transfer=None, **settings)
        prepare_process(config)
        trainer = make_trainer(config, make_distribution("one"), total_steps=1)
        kept[name] = {images: kept_for_backward(trainer, images, arguments.size) for images in arguments.images}
    states = state_bytes(trainer)
    rows = [(images, *(f"{kept[name][images] / 1e9:.1f}" for name in STEP_KINDS)) for images in arguments.images]
    columns = "images at once", *(f"{name} (GB)" for name in STEP_KINDS)
    code = print_figures(arguments, columns, rows, {"states": states, "kept": kept})
    if not arguments.json:
        total = sum(states.values())
        parts = ", ".join(f"{name} {size / 1e9:.2f}" for name, size in states.items())
        print(f"\nbesides, {total / 1e9:.2f} GB: {parts}")
        print(f"a checkpoint: {(total - states['gradients']) / 1e9:.2f} GB")
    return code


def kept_for_backward(trainer: "Trainer", images: int, size: int) -> int:
    """Counts what the forward pass of a step keeps until its backward pass has read it.

    Args:
        trainer: Trainer of the paper's network.
        images: Number of images at once.
        size: Side of an image.

    Returns:
        Bytes; weights count only where they are cast to another type.
    """
    import tensorflow as tf

    forward: set[str] = set()

    def gradients(*batch: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            loss, _ = trainer.loss.measure(trainer.network, *batch)
        forward.update(operation.name for operation in tf.compat.v1.get_default_graph().get_operations())
        return tape.gradient(loss, trainer.network.trainable_variables)

    specs = [tf.TensorSpec((images, size, size, channels)) for channels in (3, 1)]
    graph = tf.function(gradients).get_concrete_function(*specs).graph
    later = [operation for operation in graph.get_operations() if operation.name not in forward]
    read = (origin(tensor) for operation in later for tensor in operation.inputs if tensor.op.name in forward)
    # Weights are read where they are.
    kept = {tensor.name: tensor for tensor in read if tensor.op.type not in ("ReadVariableOp", "Placeholder")}
    return sum(tensor.shape.num_elements() * tensor.dtype.size for tensor in kept.values())


def origin(tensor: "tf.Tensor") -> "tf.Tensor":
    """Returns the tensor whose memory this one shares."""
    while tensor.op.type in PASSED_ON:
        tensor = tensor.op.inputs[tensor.value_index if tensor.op.type == "IdentityN" else 0]
    return tensor


def state_bytes(trainer: "Trainer") -> dict[str, int]:
    """Counts what a trainer holds besides, in bytes: weights, gradients, and the optimizer's moments and averages."""
    state = trainer.state()
    weights = sum(values.nbytes for name, values in state.items() if name.startswith("network/"))
    gradients = sum(variable.numpy().nbytes for variable in trainer.network.trainable_variables)
    return {
        "weights": weights,
        "gradients": gradients,
        "moments": sum(values.nbytes for values in state.values()) - weights,
    }
