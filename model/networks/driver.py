"""NVIDIA's driver, without which there is no GPU; asked without loading TensorFlow."""

import ctypes

DRIVER = "libcuda.so.1"
"""The driver's library that TensorFlow looks for."""


def has_driver() -> bool:
    """Returns whether NVIDIA's driver can be loaded."""
    try:
        ctypes.CDLL(DRIVER)
    except OSError:
        return False
    return True
