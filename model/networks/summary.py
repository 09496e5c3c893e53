"""Sizes of the network's variants, stage by stage: `python -m model.networks.summary`."""

import json
import math
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from data.runtime.arguments import add_shared, command_parser
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from metrics.markup import Table
from model.networks.stages import STRIDE, VARIANTS, receptive_field

if TYPE_CHECKING:  # loads TensorFlow, which `--help` does not need
    import keras

SIZES = (224, 520)
"""Sides of the square images that multiply-adds are counted for: the paper's training size, and Lytro's (padded to
544)."""

EXAMPLES = """examples:
  python -m model.networks.summary                            all variants
  python -m model.networks.summary --variant compact --json   one variant, as JSON"""


@dataclass(frozen=True)
class StageSummary:
    """One encoder, or one decoder with its side output.

    Attributes:
        name: "encoder1" .. "decoder5".
        convolutions: Number of convolutions and deconvolutions, without that of the side output.
        width: Their channels.
        parameters: Number of weights, including those of normalization.
        multiply_adds: Multiply-adds of all convolutions, for one image of each size in `SIZES`.
    """

    name: str
    convolutions: int
    width: int
    parameters: int
    multiply_adds: dict[int, int]


def summarize(variant: str, *, batch_norm: bool = True, encoder_skips: bool = False) -> list[StageSummary]:
    """Counts parameters and multiply-adds of every stage of a variant.

    Args:
        variant: A name in `VARIANTS`.
        batch_norm: As for `build_network`.
        encoder_skips: As for `build_network`.
    """
    from model import build_network  # loads TensorFlow, quietly

    side = SIZES[0]
    network = build_network(variant, batch_norm=batch_norm, encoder_skips=encoder_skips, input_size=(side, side))

    def position(item: tuple[str, Any]) -> tuple[bool, str]:
        return item[0].startswith("decoder"), item[0]

    stages: dict[str, list[keras.Layer]] = {}
    for layer in network.layers:
        if layer.weights:
            stages.setdefault(layer.name.split("_")[0].replace("side", "decoder"), []).append(layer)
    return [_summarize_stage(name, layers) for name, layers in sorted(stages.items(), key=position)]


def _summarize_stage(name: str, layers: list["keras.Layer"]) -> StageSummary:
    convolutions = [layer for layer in layers if hasattr(layer, "kernel")]
    own = [layer for layer in convolutions if not layer.name.startswith("side")]
    counted = sum(multiply_adds(layer) for layer in convolutions)
    # Everything is convolution, so the cost grows with the padded area.
    adds = {size: counted * _padded(size) ** 2 // _padded(SIZES[0]) ** 2 for size in SIZES}
    return StageSummary(name, len(own), own[0].filters, sum(layer.count_params() for layer in layers), adds)


def multiply_adds(layer: "keras.Layer") -> int:
    """Counts the multiply-adds of one convolution or deconvolution of a model with a fixed input size."""
    from keras.layers import Conv2DTranspose

    # A convolution applies its kernel at each output pixel, a deconvolution at each input pixel.
    at = layer.input if isinstance(layer, Conv2DTranspose) else layer.output
    return math.prod(layer.kernel.shape) * at.shape[1] * at.shape[2]


def _padded(size: int) -> int:
    return -(-size // STRIDE) * STRIDE


def format_table(variant: str, stages: Sequence[StageSummary]) -> str:
    """Formats the stages as a Markdown table with a last line of sums."""
    columns = ("stage", "convolutions", "width", "parameters", *(f"multiply-adds at {size}" for size in SIZES))
    rows = [_row(stage.name, stage.width, [stage]) for stage in stages]
    return Table(columns, [*rows, _row(variant, "", stages)]).markdown()


def _row(name: str, width: int | str, stages: Sequence[StageSummary]) -> tuple[str | int, ...]:
    """Returns a row with the sums over some stages."""
    adds = (f"{sum(stage.multiply_adds[size] for stage in stages) / 1e9:.3f} G" for size in SIZES)
    parameters = sum(stage.parameters for stage in stages)
    return name, sum(stage.convolutions for stage in stages), width, f"{parameters:,}", *adds


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(__doc__, EXAMPLES, "python -m model.networks.summary")
    parser.add_argument("--variant", choices=VARIANTS, help="one variant (default: all)")
    parser.add_argument("--no-batch-norm", dest="batch_norm", action="store_false", help="as in compare-bn")
    parser.add_argument("--encoder-skips", action="store_true", help="with skips inside the encoders")
    add_shared(parser, "--json")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    names = [arguments.variant] if arguments.variant else list(VARIANTS)
    options = {"batch_norm": arguments.batch_norm, "encoder_skips": arguments.encoder_skips}
    summaries = {name: summarize(name, **options) for name in names}
    fields = {name: receptive_field(VARIANTS[name]) for name in names}
    if arguments.json:
        stages = {name: [asdict(stage) for stage in summary] for name, summary in summaries.items()}
        print(json.dumps({"receptive_field": fields, "variants": stages}, indent=2))
        return EXIT_DONE
    for name, summary in summaries.items():
        print(f"{name}: {VARIANTS[name].description}\n\n{format_table(name, summary)}")
        print(f"receptive field of the last map: {fields[name]} x {fields[name]} pixels\n")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
