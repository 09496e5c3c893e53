"""The dictionaries of MST-SR, ASR and CSR, learnt by `python -m model.baselines.learn`; a record lies beside them."""

from functools import cache
from pathlib import Path

import numpy as np

BUNDLED = Path(__file__).parent / "bundled" / "dictionaries.npz"


@cache
def load_dictionaries(path: Path = BUNDLED) -> dict[str, np.ndarray]:
    """Reads the dictionaries.

    Returns:
        "generic": (64, 256), "orientations": (6, 64, 256), columns of norm 1; "filters": (32, 8, 8), each of norm 1;
        all float32.
    """
    with np.load(path) as file:
        return {name: file[name].astype(np.float32) for name in ("generic", "orientations", "filters")}
