"""The weights that ship with the project; MODEL_CARD.md describes them."""

from pathlib import Path

SUFFIX = ".weights.h5"
"""How the name of a weights file ends."""

BUNDLED_WEIGHTS = Path(__file__).parent / "light.weights.h5"
"""Of the paper's network, in the variant `light`."""

BUNDLED_COMPARER = Path(__file__).parent / "light-comparer.weights.h5"
"""Of the comparing network, trained beside them."""

FOCUS_GRAPH, COMPARER_GRAPH = (Path(__file__).parent / f"{name}.xml" for name in ("light", "comparer"))
"""The graphs of both for OpenVINO, without weights; beside each, where a weights file keeps them (.json)."""


def default_strategy(weights: Path | str = BUNDLED_WEIGHTS, comparer: Path | str | None = None) -> str:
    """`learned` where there is a comparing network for the weights: the bundled ones' own, or one that is given; else
    `refined`."""
    return "learned" if comparer or Path(weights) == BUNDLED_WEIGHTS else "refined"
