"""Writes the whole decision between two photographs as a graph for other programs: `python -m model.export --help`."""

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from data.arguments import add_shared, command_parser
from data.errors import EXIT_DONE, InputError, add_debug, run_command
from data.io.batch import refuse_existing
from data.io.files import make_folder
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.networks.quietly import import_quietly

EXAMPLES = """examples:
  python -m model.export -o exported                        all three
  python -m model.export -o exported --formats onnx         one of them
  python -m model.export -o exported --weights own.weights.h5 --comparer own-comparer.weights.h5
written: DIR/savedmodel, DIR/multifocus.onnx, DIR/multifocus.xml and .bin (OpenVINO)
inputs: first and second, (1, H, W, 3) uint8 RGB, at least 64 pixels high and wide
outputs: decision_map, (1, H, W, 1) uint8, 1 where the second is taken, and fused, (1, H, W, 3) uint8
programs that use them, of twenty lines each: docs/examples"""

OPSET = 17
"""Version of ONNX's operators."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if bool(arguments.weights) != bool(arguments.comparer):
        parser.error("--weights and --comparer go together: a comparing network is trained beside the weights.")
    targets = [arguments.output / file for name in arguments.formats for file in FORMATS[name][1]]
    if not arguments.overwrite:
        refuse_existing(targets)
    make_folder(arguments.output)
    decision = import_quietly("model.export.decision")
    module = decision.DecisionModule(arguments.weights or BUNDLED_WEIGHTS, arguments.comparer or BUNDLED_COMPARER)
    with tempfile.TemporaryDirectory(dir=arguments.output) as folder:
        for name in arguments.formats:
            FORMATS[name][0](module, Path(folder))
        for target in targets:
            if target.is_dir():
                shutil.rmtree(target)
            (Path(folder) / target.name).replace(target)
    if not arguments.quiet:
        print(*targets, sep="\n")
    return EXIT_DONE


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser(__doc__.split(":")[0] + ".", EXAMPLES, "python -m model.export")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the graphs")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS, help="(all)")
    parser.add_argument("--weights", type=Path, metavar="FILE", help="of the paper's network (the bundled one)")
    parser.add_argument("--comparer", type=Path, metavar="FILE", help="of the comparing network (the bundled one)")
    add_shared(parser, "--overwrite", "--quiet")
    add_debug(parser)
    return parser


def _save(module, folder):
    import tensorflow as tf  # is loaded by now

    tf.saved_model.save(module, str(folder / "savedmodel"), signatures=module.fuse)


def _to_onnx(module, folder):
    signature = module.fuse.input_signature
    path = folder / "multifocus.onnx"
    _needed("tf2onnx").convert.from_function(module.fuse, signature, opset=OPSET, output_path=path)


def _to_openvino(module, folder):
    openvino = _needed("openvino")
    graph = openvino.convert_model(module.fuse.get_concrete_function())
    openvino.save_model(graph, folder / "multifocus.xml", compress_to_fp16=False)


def _needed(name):
    try:
        return import_quietly(name)
    except ImportError as error:
        raise InputError(f"{name} is not installed: pip install -r requirements-export.txt.") from error


FORMATS: dict[str, tuple[Callable, tuple[str, ...]]] = {
    "savedmodel": (_save, ("savedmodel",)),
    "onnx": (_to_onnx, ("multifocus.onnx",)),
    "openvino": (_to_openvino, ("multifocus.xml", "multifocus.bin")),
}
"""Name to what writes a `DecisionModule` into a folder, and the names of what it writes."""


if __name__ == "__main__":
    sys.exit(run_command(main))
