"""The paper's experiments and the comparison of stacks: `python -m model.experiments --help`."""

import sys
from collections.abc import Sequence

from data.runtime.commands import run_subcommand
from data.runtime.errors import run_command

COMMANDS = {
    "comparison": ("comparison", "runs all methods on a folder of pairs and makes tables, figures and one report"),
    "ablation": ("ablation", "trains and evaluates the paper's ablations"),
    "agreement": ("agreement", "compares our versions of the methods with published images and figures of them"),
    "stacks": ("stack_quality", "measures fusion of rendered focus stacks against their truth, with other tools"),
    "real-stacks": ("real_stacks", "measures fusion of real focus stacks, which have no truth"),
}
"""Subcommand to its module and what it does."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    return run_subcommand("model.experiments", "The paper's experiments and the comparison of stacks.", COMMANDS, argv)


if __name__ == "__main__":
    sys.exit(run_command(main))
