"""Lists the published methods: `python -m model.baselines --list`."""

import json
import sys
from collections.abc import Sequence

from data.runtime.arguments import add_shared, command_parser
from data.runtime.errors import EXIT_DONE, add_debug, run_command
from metrics.markup import Table
from model.baselines import BASELINES

EXAMPLES = """examples:
  python -m model.baselines --list
  python fuse.py -i photographs -o dwt --method dwt     run one"""

WITH_WEIGHTS = "with its authors' file: fuse.py --method NAME --weights FILE"
"""How to run a method that needs its authors' weights."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = command_parser(
        "Lists the published methods that fusion is compared with.", EXAMPLES, "python -m model.baselines"
    )
    parser.add_argument("--list", action="store_true", required=True, help="list the methods")
    add_shared(parser, "--json")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    fields = ("title", "year", "kind", "source")
    rows = [
        {"name": name, **{field: getattr(one, field) for field in fields}, "runs": WITH_WEIGHTS if one.load else "yes"}
        for name, one in BASELINES.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
    else:
        columns = ("name", "method", "year", "kind", "source", "runs")
        print(Table(columns, [tuple(row.values()) for row in rows]).markdown(), end="")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
