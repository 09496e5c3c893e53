"""Lists the methods of others: `python -m model.baselines --list`."""

import argparse
import json
import sys
from collections.abc import Sequence

from data.errors import EXIT_DONE, add_debug, run_command
from model.baselines import BASELINES

NEEDS = "with its authors' file: fuse.py --method NAME --weights FILE"


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = argparse.ArgumentParser(
        prog="python -m model.baselines",
        description="Methods that fusion is compared with; run one with `python fuse.py --method NAME`.",
    )
    parser.add_argument("--list", action="store_true", required=True, help="list the methods")
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    fields = ("title", "year", "kind", "source")
    rows = [
        {"name": name, **{field: getattr(one, field) for field in fields}, "runs": "yes" if one.load is None else NEEDS}
        for name, one in BASELINES.items()
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return EXIT_DONE
    print("| name | method | year | kind | source | runs |\n| --- | --- | ---: | --- | --- | --- |")
    for row in rows:
        print(f"| {' | '.join(str(value) for value in row.values())} |")
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
