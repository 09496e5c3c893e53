"""Trains the network of the strategy `learned`: `python -m model.training.train_comparer --help`."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from data.io.batch import protect_files, refuse_existing
from data.io.files import make_folder
from data.runtime.arguments import add_shared, command_parser, positive, rate
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from model.bundled import BUNDLED_WEIGHTS, SUFFIX
from model.training.settings import ComparerSettings, add_checkpoint_minutes

EXAMPLES = """examples:
  python -m model.training.train_comparer --voc VOCdevkit/VOC2012 -o comparer.weights.h5
  python -m model.training.train_comparer --voc VOCdevkit/VOC2012 -o comparer.weights.h5 --resume
  python -m model.training.train_comparer --voc own -o own.weights.h5 --weights runs/own/best.weights.h5
  python -m model.training.train_comparer --voc own -o own.weights.h5 --start model/bundled/light-comparer.weights.h5 \\
      --learning-rate 5e-4 --steps 4000
written: FILE and its .json; until then a folder FILE-run, from which a stopped training is resumed
exit codes: 0 done, 1 an input cannot be used, or stopped by a signal, 2 wrong usage"""


def build_parser() -> argparse.ArgumentParser:
    """Builds the parser of the command line."""
    default = ComparerSettings()
    parser = command_parser(__doc__.split(":")[0] + ".", EXAMPLES, "python -m model.training.train_comparer")
    add_shared(parser, "--voc", "--weights")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help=f"ends in {SUFFIX}")
    parser.add_argument(
        "--steps", type=positive, default=default.steps, metavar="N", help="number of steps (%(default)s)"
    )
    parser.add_argument(
        "--pairs-per-batch", type=positive, default=default.pairs_per_batch, metavar="N", help="(%(default)s)"
    )
    parser.add_argument("--start", metavar="FILE", help="a comparing network to start from, such as the bundled one")
    parser.add_argument(
        "--learning-rate",
        type=rate,
        default=default.learning_rate,
        metavar="RATE",
        help="highest learning rate of AdamW; choose a lower one with --start (%(default)s)",
    )
    parser.add_argument("--scenes", type=positive, metavar="N", help="scenes to draw (all)")
    parser.add_argument("--resume", action="store_true", help="continue a training that was stopped")
    add_checkpoint_minutes(parser)
    add_shared(parser, "--seed", "--overwrite", "--quiet")
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    output, weights = arguments.output, arguments.weights or BUNDLED_WEIGHTS
    if not output.name.endswith(SUFFIX):
        parser.error(f"the output must end in {SUFFIX}, received {output}.")
    written = [output, output.with_suffix(".json")]
    start = [Path(arguments.start)] if arguments.start else []
    protect_files(written, [weights, weights.with_suffix(".json"), *start])
    if not arguments.overwrite:
        refuse_existing(written)
    make_folder(output.parent)
    from model import ComparerRun  # loads TensorFlow, which wrong usage need not wait for

    settings = ComparerSettings(**{name: getattr(arguments, name) for name in asdict(ComparerSettings())})
    run = ComparerRun(settings, arguments.voc, output, arguments.resume, weights)
    with tqdm(total=settings.steps, initial=run.loop.steps_done, unit="step", disable=arguments.quiet) as bar:

        def observe(_: int, means: dict[str, float], __: float) -> None:
            bar.set_postfix_str(f"loss {means['loss']:.4f}", refresh=False)
            bar.update()

        run.run(observe, arguments.checkpoint_minutes)
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
