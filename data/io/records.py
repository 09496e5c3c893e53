"""Records of results: JSON files that say what a result was made from, so that a later run keeps what still fits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from data.io.fields import read_object
from data.io.files import write_json
from data.runtime.errors import InputError


@dataclass(frozen=True)
class Record:
    """One record: what decided a result (its key), and what is known of the result (its values), in one JSON object.

    Attributes:
        path: The file.
        key: Name to JSON value of everything that decides the result: digests of the files that it is made from, names
            of methods, settings. Where any of it changes, the record no longer fits.
    """

    path: Path
    key: Mapping[str, Any] = field(default_factory=dict)

    def read(self, kinds: Mapping[str, Any]) -> dict[str, Any] | None:
        """Reads the record of an earlier run.

        Args:
            kinds: Names and types of the values that it must hold, as in `data.io.fields.check_values`.

        Returns:
            Key and values; None where the file is missing, damaged, lacks a value or has another key, because then the
            result is made anew.
        """
        try:
            content = read_object(self.path, kinds, "it is made anew")
        except InputError:
            return None
        return content if all(content.get(name) == value for name, value in self.key.items()) else None

    def write(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Replaces the record by this key and new values, and returns both; errors as `data.io.files.write_json`."""
        content = {**self.key, **values}
        write_json(self.path, content)
        return content
