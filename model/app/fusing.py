"""What the page and programs share: types of results, and messages that name frames as their owner does."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from data.runtime.errors import InputError

FORMATS = {"png": "image/png", "tif": "image/tiff", "jpg": "image/jpeg"}
"""Types that a result is saved in."""


@contextmanager
def named(names: Mapping[Path, str]) -> Iterator[None]:
    """Names files in the message of an `InputError` as their owner knows them."""
    try:
        yield
    except InputError as error:
        text = str(error)
        for path, name in names.items():
            text = text.replace(str(path), name)
        raise InputError(text) from error
