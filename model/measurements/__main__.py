"""Measurements for maintainers: `python -m model.measurements --help`."""

import sys
from collections.abc import Sequence

from data.runtime.commands import run_subcommand
from data.runtime.errors import run_command

COMMANDS = {
    "sweep": ("sweep", "measures a strategy of ours over its constants"),
    "unseen": ("generalization", "measures all strategies on defocus that training never showed"),
    "frontier": ("frontier", "measures quality against computation: either network alone, and both"),
    "rewards": ("rewards", "shows what each metric rewards"),
    "failures": ("failures", "draws where fusion fails"),
    "memory": ("memory", "counts what a training step needs in memory"),
    "page": ("page", "measures the page with large frames: sending, fusing, painting, memory"),
    "throughput": ("throughput", "measures how fast training pairs are made"),
    "gpu-check": ("gpu_check", "measures training on a GPU: speed, memory, waiting for data"),
    "tile-agreement": ("tile_agreement", "measures how far fusion in tiles agrees with fusion in one piece"),
}
"""Subcommand to its module and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    return run_subcommand("model.measurements", "Measurements for maintainers.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
