"""Modules that load TensorFlow, imported without what it says meanwhile."""

import os
import sys
import tempfile
from importlib import import_module
from types import ModuleType


def import_quietly(module: str) -> ModuleType:
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
