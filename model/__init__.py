"""Public names of the package: `from model import fuse, load_fuser`."""

from importlib import import_module
from typing import Any

from model.networks.quietly import import_quietly

_HOMES = {
    "choose_device": "model.networks.devices",
    "Fuser": "model.fusion.fuser",
    "load_fuser": "model.fusion.fuser",
    "fuse": "model.fusion.pipeline",
    "FusionSettings": "model.fusion.settings",
    "Result": "model.fusion.pipeline",
    "build_network": "model.networks.network",
    "TrainingRun": "model.training.run",
    "ComparerRun": "model.training.comparer_run",
}
"""Module of each public name."""

_LIGHT = ("Fuser", "FusionSettings", "Result", "fuse", "load_fuser")
"""Names that load without TensorFlow."""

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to load; `--help` and wrong usage need not wait for it.
    if name in _HOMES:
        load = import_module if name in _LIGHT else import_quietly
        return getattr(load(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
