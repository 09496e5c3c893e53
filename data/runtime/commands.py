"""Commands with subcommands, each a module that is loaded only when it is used."""

import argparse
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from data.runtime.errors import add_debug


def run_subcommand(
    package: str, description: str, commands: Mapping[str, tuple[str, str]], argv: Sequence[str] | None = None
) -> int:
    """Runs `python -m PACKAGE COMMAND ...`.

    Args:
        package: The package that holds the modules, such as "model.experiments".
        description: What it does, one sentence.
        commands: By its name the module of each subcommand and what it does. A module has `EXAMPLES`,
            `add_arguments(parser)` and `run(arguments)`.
        argv: The arguments; None takes those of the process.

    Returns:
        The exit code.
    """
    argv = sys.argv[1:] if argv is None else list(argv)
    parser = argparse.ArgumentParser(prog=f"python -m {package}", description=description)
    parts = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in commands.items():
        if name not in argv[:1]:
            parts.add_parser(name, help=summary)
            continue
        chosen = import_module(f"{package}.{module}")
        part = parts.add_parser(
            name,
            help=summary,
            description=(chosen.__doc__ or summary).split("\n\n")[0],
            epilog=chosen.EXAMPLES,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        chosen.add_arguments(part)
        add_debug(part)
        part.set_defaults(run=chosen.run)
    arguments = parser.parse_args(argv)
    return int(arguments.run(arguments))
