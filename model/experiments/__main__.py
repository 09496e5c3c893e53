"""The paper's experiments: `python -m model.experiments --help`."""

import argparse
import sys
from collections.abc import Sequence

from data.errors import add_debug, run_command
from model.experiments import ablation, agreement, compare

COMMANDS = {"comparison": compare, "ablation": ablation, "agreement": agreement}


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(prog="python -m model.experiments", description=__doc__.split(":")[0] + ".")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        summary = module.__doc__.splitlines()[0]
        part = commands.add_parser(
            name,
            help=summary,
            description=summary,
            epilog=module.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(part)
        add_debug(part)
        part.set_defaults(run=module.run)
    arguments = parser.parse_args(argv)
    return arguments.run(arguments)


if __name__ == "__main__":
    sys.exit(run_command(main))
