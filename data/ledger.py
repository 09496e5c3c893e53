"""What each result was made from, in a record of its own, so that a stopped batch can go on.

The record of DIR/NAME.png is DIR/.fused/NAME.png.json: digests of the sources and of the result, and the settings. One
file for each result, because several processes may work on one folder at once.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.files import file_digest, write_json
from data.stacks import Stack

FOLDER = ".fused"


class Ledger:
    """Records of results that were made with the same settings.

    Args:
        settings: Everything besides the sources that decides a result; JSON values.
    """

    def __init__(self, settings: Mapping[str, Any]):
        self._settings = dict(settings)

    def is_current(self, stack: Stack, output: Path) -> bool:
        """Whether a result is there, complete, and what these sources and settings give.

        Args:
            stack: The sources.
            output: The result.
        """
        record = _read(output)
        return record is not None and output.exists() and record == self._record(stack, file_digest(output, "sha256"))

    def was_interrupted(self, stack: Stack, output: Path) -> bool:
        """Whether this result was begun from these sources and settings and its end never recorded: what lies there may
        be replaced."""
        return _read(output) == self._record(stack, None)

    def begin(self, stack: Stack, output: Path) -> None:
        """Records that a result is about to be written.

        Raises:
            InputError: if the record cannot be written.
        """
        write_json(record_path(output), self._record(stack, None))

    def finish(self, stack: Stack, output: Path) -> None:
        """Records a result that has been written; errors as `begin`."""
        write_json(record_path(output), self._record(stack, file_digest(output, "sha256")))

    def _record(self, stack, result):
        sources = [[path.name, file_digest(path, "sha256")] for path in stack.images]
        return {"sources": sources, "settings": self._settings, "result": result}


def record_path(output: Path) -> Path:
    """Where the record of a result lies."""
    return output.parent / FOLDER / f"{output.name}.json"


def _read(output):
    """A record, or None where there is none that can be read."""
    try:
        return json.loads(record_path(output).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
