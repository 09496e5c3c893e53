"""Checks of HDF5 files of weights before Keras reads them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from data.io.arrays import NUMBERS, check_finite, reason
from data.runtime.errors import InputError


@contextmanager
def h5_errors(path: Path | str, what: str) -> Iterator[None]:
    """Turns any error of HDF5 or Keras in the block into an `InputError` of one sentence.

    Args:
        path: The file that is read.
        what: The problem that the sentence names, such as "is not in Keras' layout".
    """
    try:
        yield
    except (InputError, MemoryError):
        raise
    except Exception as error:  # both raise OSError, KeyError, TypeError, AttributeError, ...
        raise InputError(f"{path} {what}: {reason(error)}") from error


def check_h5(path: Path | str) -> None:
    """Checks that a file holds only finite numbers, all within the file itself, and no more than its size allows.

    Raises:
        InputError: It is no HDF5 file, or holds links, NaN, infinity, or an array that is not numeric, lies in another
            file, or is declared larger than the file.
    """
    with h5_errors(path, "is no HDF5 file of weights"), h5py.File(path) as file:
        links: list[tuple[str, object]] = []
        file.visititems_links(lambda name, link: links.append((name, link)))
        for name, link in links:
            if not isinstance(link, h5py.HardLink):
                raise ValueError(f"{name} is a link to another place")
        items: list[tuple[str, h5py.HLObject]] = []
        file.visititems(lambda name, item: items.append((name, item)))
        left = Path(path).stat().st_size
        for name, item in items:
            if isinstance(item, h5py.Group):
                continue
            if not isinstance(item, h5py.Dataset) or item.shape is None or item.dtype.kind not in NUMBERS:
                raise ValueError(f"{name} is no array of numbers")
            if item.is_virtual or item.external:
                raise ValueError(f"{name} lies in another file")
            left -= math.prod(item.shape) * item.dtype.itemsize
            if left < 0:
                raise ValueError(f"{name} is declared larger than the file")
            check_finite(path, {name: np.asarray(item[()])})
