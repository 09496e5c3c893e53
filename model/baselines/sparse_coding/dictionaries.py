"""The dictionaries of MST-SR, ASR and CSR; `python -m model.baselines.sparse_coding.learn` learns them."""

from functools import cache
from pathlib import Path

import numpy as np

from data.io.arrays import read_arrays
from data.runtime.errors import InputError

BUNDLED = Path(__file__).parent.parent / "bundled" / "dictionaries.npz"
"""The dictionaries of the project; dictionaries.json beside them records how they were learned."""

NAMES = ("generic", "orientations", "filters")
"""Names of the arrays in the file."""

MOST_BYTES = 16 * 2**20
"""Bytes: largest size of all dictionaries together that is read; ours have half a million."""


@cache
def load_dictionaries(path: Path = BUNDLED) -> dict[str, np.ndarray]:
    """Reads the dictionaries.

    Returns:
        "generic": (64, 256), "orientations": (6, 64, 256), columns of norm 1; "filters": (32, 8, 8), each of norm 1;
        all float32.

    Raises:
        InputError: The file is missing or damaged, or contains NaN or infinity.
    """
    arrays = read_arrays(path, MOST_BYTES)
    missing = [name for name in NAMES if name not in arrays]
    if missing:
        raise InputError(f"{path} is damaged: it has no dictionary {missing[0]!r}.")
    return {name: arrays[name].astype(np.float32) for name in NAMES}
