"""The weights that ship with the project; MODEL_CARD.md describes them."""

from pathlib import Path

SUFFIX = ".weights.h5"
"""How the name of a weights file ends."""

BUNDLED_WEIGHTS = Path(__file__).parent / "light.weights.h5"
"""Of the paper's network, in the variant `light`."""

BUNDLED_COMPARER = Path(__file__).parent / "light-comparer.weights.h5"
"""Of the comparing network, trained beside them."""


def default_strategy(weights: Path | str = BUNDLED_WEIGHTS) -> str:
    """`learned`, whose network goes with the bundled weights alone; with others `refined`."""
    return "learned" if Path(weights) == BUNDLED_WEIGHTS else "refined"
