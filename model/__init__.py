"""The network, its training and its use: `from model import load_fuser`."""

import os
import sys
import tempfile
from importlib import import_module
from types import ModuleType
from typing import Any

_HOMES = {
    "choose_device": "model.networks.devices",
    "Fuser": "model.fusion.fuser",
    "load_fuser": "model.fusion.fuser",
    "build_network": "model.networks.network",
    "TrainingRun": "model.training.run",
    "ComparerRun": "model.training.comparer_run",
}
"""Name to the module that holds it."""

__all__ = ["ComparerRun", "Fuser", "TrainingRun", "build_network", "choose_device", "load_fuser"]


def __getattr__(name: str) -> Any:
    # TensorFlow takes seconds to load; `--help` and wrong usage need not wait for it.
    if name in _HOMES:
        return getattr(_import_quietly(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _import_quietly(module: str) -> ModuleType:
    """Imports a module and drops what TensorFlow says meanwhile, of absent GPU drivers and the like; why no GPU is used
    can be asked of `model.networks.devices`.

    Where a program has loaded TensorFlow itself, how GPUs are used is left to it.

    TensorFlow writes to the standard error stream from C++, which Python's logging cannot silence. Should the import
    fail, what it said is shown.
    """
    if "tensorflow" in sys.modules:
        return import_module(module)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            imported = import_module(module)
            import_module("model.networks.devices").grow_memory()
        except BaseException:
            said.seek(0)
            os.write(stderr, said.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    return imported
