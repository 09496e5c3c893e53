"""The network, its training and its use: `from model import load_fuser`."""

from typing import Any

_HOMES = {"Fuser": "model.fusion", "load_fuser": "model.fusion", "build_network": "model.network"}

__all__ = ["Fuser", "build_network", "load_fuser"]


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to load; `--help` and wrong usage need not wait for it.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
