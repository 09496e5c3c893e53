"""The weights that ship with the project; MODEL_CARD.md describes them."""

from pathlib import Path

BUNDLED_WEIGHTS = Path(__file__).parent / "light.weights.h5"
BUNDLED_COMPARER = Path(__file__).parent / "light-comparer.weights.h5"
