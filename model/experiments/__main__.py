"""The paper's experiments and ours: `python -m model.experiments --help`."""

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module

from data.errors import add_debug, run_command

COMMANDS = {
    "comparison": ("comparison", "runs all methods on a folder of pairs and makes tables, figures and one report"),
    "ablation": ("ablation", "trains and evaluates the paper's ablations"),
    "agreement": ("agreement", "compares our versions of the methods with published images and figures of them"),
    "sweep": ("sweep", "measures a strategy of ours over its constants"),
    "unseen": ("generalization", "measures all strategies on defocus that training never showed"),
    "frontier": (
        "frontier",
        "measures quality against computation: either network alone, and both",
    ),
    "stacks": ("stacks", "measures fusion of rendered focus stacks against their truth, with other tools"),
    "failures": ("failures", "draws where fusion fails"),
    "memory": ("memory", "counts what a training step needs in memory"),
    "gpu-check": (
        "gpu_check",
        "measures training on a GPU: speed, memory, waiting for data",
    ),
    "tile-agreement": ("tile_agreement", "measures how far fusion in tiles agrees with fusion in one piece"),
}
"""Command to its module, which is loaded only when it is asked for, and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog="python -m model.experiments", description=__doc__.split(":")[0] + ".")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        if name not in argv[:1]:
            commands.add_parser(name, help=summary)
            continue
        experiment = import_module(f"model.experiments.{module}")
        part = commands.add_parser(
            name,
            help=summary,
            description=experiment.__doc__.split("\n\n")[0],
            epilog=experiment.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        experiment.add_arguments(part)
        add_debug(part)
        part.set_defaults(run=experiment.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
