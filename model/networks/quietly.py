"""Imports of modules that load TensorFlow, without the lines that it logs meanwhile."""

import os
import sys
import tempfile
from importlib import import_module
from types import ModuleType


def import_quietly(module: str) -> ModuleType:
    """Imports a module and drops what TensorFlow logs meanwhile, such as missing GPU drivers, unless the import fails.

    `model.networks.devices.why_no_gpu` tells why no GPU is used. A program that has loaded TensorFlow itself decides
    itself how memory of GPUs is taken.

    TensorFlow writes to the standard error stream from C++, which Python's logging cannot silence.
    """
    if "tensorflow" in sys.modules:
        return import_module(module)
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as log:
        os.dup2(log.fileno(), 2)
        try:
            imported = import_module(module)
            import_module("model.networks.devices").grow_memory()
        except BaseException:
            log.seek(0)
            os.write(stderr, log.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    return imported
