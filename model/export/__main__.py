"""Exports the fusion of two photographs as a graph for other programs: `python -m model.export --help`."""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from data.io.batch import protect_files, refuse_existing
from data.io.files import make_folder
from data.runtime.arguments import add_shared, command_parser
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command
from data.runtime.installation import install_hint
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.networks.quietly import import_quietly

if TYPE_CHECKING:  # loads TensorFlow, which `--help` does not need
    from model.export.decision import DecisionModule

EXAMPLES = """examples:
  python -m model.export -o exported                        all formats
  python -m model.export -o exported --formats onnx         one format
  python -m model.export -o exported --weights own.weights.h5 --comparer own-comparer.weights.h5
written: DIR/savedmodel, DIR/multifocus.onnx, DIR/multifocus.xml and .bin (OpenVINO); with the format keras the two
networks only, DIR/network.keras and DIR/comparer.keras, which keras.models.load_model reads after
`import model.networks.network`, which defines the layer of VGG-19's preprocessing
inputs of the other formats: first and second, (1, H, W, 3) uint8 RGB, at least 64 pixels high and wide
outputs: decision_map, (1, H, W, 1) uint8, 1 where the second is chosen, and fused, (1, H, W, 3) uint8
example programs of twenty lines each: docs/examples"""

OPSET = 17
"""Version of ONNX's operator set."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    if bool(arguments.weights) != bool(arguments.comparer):
        parser.error(
            "--weights and --comparer must be given together: a comparing network is trained for fixed weights."
        )
    formats = list(dict.fromkeys(arguments.formats))
    targets = [arguments.output / file for name in formats for file in FORMATS[name].files]
    weights, comparer = arguments.weights or BUNDLED_WEIGHTS, arguments.comparer or BUNDLED_COMPARER
    _check_targets(targets, [weights, comparer], arguments.overwrite)
    for name in formats:
        FORMATS[name].check()
    make_folder(arguments.output)
    module = import_quietly("model.export.decision").DecisionModule(weights, comparer)
    with tempfile.TemporaryDirectory(dir=arguments.output) as folder:
        for name in formats:
            FORMATS[name].write(module, Path(folder))
        for target in targets:
            if target.is_dir():
                target.replace(Path(folder) / f"old-{target.name}")
            (Path(folder) / target.name).replace(target)
    if not arguments.quiet:
        print(*targets, sep="\n")
    return EXIT_DONE


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the command line."""
    parser = command_parser(
        "Exports the fusion of two photographs as a graph for other programs.", EXAMPLES, "python -m model.export"
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="folder for the graphs")
    parser.add_argument("--formats", nargs="+", default=list(FORMATS), choices=FORMATS, help="formats (all)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="weights of the paper's network (the bundled ones)"
    )
    parser.add_argument(
        "--comparer", type=Path, metavar="FILE", help="weights of the comparing network (the bundled ones)"
    )
    add_shared(parser, "--overwrite", "--quiet")
    add_debug(parser)
    return parser


def _check_targets(targets: Sequence[Path], sources: Sequence[Path], overwrite: bool) -> None:
    """Refuses to overwrite existing files without `--overwrite`, a source, or a folder that is not an exported graph.

    Raises:
        InputError: One of these would be overwritten.
    """
    files = [target for target in targets if not target.is_dir()]
    protect_files(files, [*sources, *(source.with_suffix(".json") for source in sources)])
    if not overwrite:
        refuse_existing(targets)
    for target in targets:
        holds_source = any(target.resolve() in source.resolve().parents for source in sources)
        if target.is_dir() and (holds_source or not (target / "saved_model.pb").exists()):
            raise InputError(f"{target} is not an exported graph; choose another -o.")


def _save(module: "DecisionModule", folder: Path) -> None:
    import tensorflow as tf  # already loaded by now

    tf.saved_model.save(module, str(folder / "savedmodel"), signatures=module.fuse)


def _to_onnx(module: "DecisionModule", folder: Path) -> None:
    signature = module.fuse.input_signature
    path = folder / "multifocus.onnx"
    import_quietly("tf2onnx").convert.from_function(module.fuse, signature, opset=OPSET, output_path=path)


def _to_openvino(module: "DecisionModule", folder: Path) -> None:
    openvino = import_quietly("openvino")
    graph = openvino.convert_model(module.fuse.get_concrete_function())
    openvino.save_model(graph, folder / "multifocus.xml", compress_to_fp16=False)


def _to_keras(module: "DecisionModule", folder: Path) -> None:
    for name, network in module.networks.items():
        network.save(folder / f"{name}.keras")


@dataclass(frozen=True)
class Format:
    """A format of graphs.

    Attributes:
        write: Writes a `DecisionModule` to a folder.
        files: Names of the files and folders that it writes.
        needs: Name of the library that it needs besides TensorFlow.
    """

    write: Callable[["DecisionModule", Path], None]
    files: tuple[str, ...]
    needs: str | None = None

    def check(self) -> None:
        """Checks that the library is installed.

        Raises:
            InputError: It is not.
        """
        if self.needs and find_spec(self.needs) is None:
            raise InputError(f"{self.needs} is not installed: {install_hint('export')}.")


FORMATS = {
    "savedmodel": Format(_save, ("savedmodel",)),
    "onnx": Format(_to_onnx, ("multifocus.onnx",), "tf2onnx"),
    "openvino": Format(_to_openvino, ("multifocus.xml", "multifocus.bin"), "openvino"),
    "keras": Format(_to_keras, ("network.keras", "comparer.keras")),
}
"""Formats by name."""


if __name__ == "__main__":
    sys.exit(run_command(main))
