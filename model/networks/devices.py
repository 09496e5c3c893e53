"""Devices that TensorFlow computes on: which are used, how their memory is taken, and why no GPU is used."""

import os
import re
import subprocess
import sys
import textwrap

import tensorflow as tf

from data.runtime.errors import InputError
from model.networks.driver import DRIVER, has_driver

_LOG_LINE = re.compile(r"^.*\.cc:\d+\] (.*(?:CUDA|GPU|cuda|dlopen).*)$", re.MULTILINE)
"""A line of TensorFlow's log that concerns GPUs."""

_LINE_LENGTH = 300
"""Characters of such a line that a message quotes."""


def grow_memory() -> None:
    """Makes TensorFlow take memory of GPUs as it needs it, not all at once; call it before any GPU is used."""
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)


def choose_device(device: str) -> None:
    """Chooses what TensorFlow computes on; call it before TensorFlow computes anything.

    Args:
        device: "auto", the GPUs where there are any; "cpu"; "gpu", an error where there is none; "gpu:N", that one.

    Raises:
        InputError: There is no such GPU; the message says why.
    """
    if device == "auto":
        return
    gpus = tf.config.list_physical_devices("GPU")
    kind, _, number = device.partition(":")
    if kind == "cpu":
        visible = []
    elif not gpus:
        raise InputError(f"no GPU was found: {why_no_gpu()}. --device cpu computes without one.")
    else:
        visible = gpus[int(number) : int(number) + 1] if number else gpus
        if not visible:
            raise InputError(f"there is no gpu:{number}; this machine has gpu:0 to gpu:{len(gpus) - 1}.")
    tf.config.set_visible_devices(visible, "GPU")


def device_name() -> str:
    """Returns what TensorFlow computes on: the GPUs by name, else the processor and its number of cores."""
    gpus = tf.config.get_visible_devices("GPU")
    if gpus:
        names = [tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name) for gpu in gpus]
        return ", ".join(names)
    return f"CPU, {os.cpu_count()} cores"


def why_no_gpu() -> str | None:
    """Returns why TensorFlow uses no GPU, in a few words; None where it uses one."""
    if tf.config.get_visible_devices("GPU"):
        return None
    if tf.config.list_physical_devices("GPU"):
        return "--device cpu leaves them out"
    if not tf.test.is_built_with_gpu_support():
        return "this TensorFlow is built without GPUs"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None and hidden.strip() in ("", "-1"):
        return f"CUDA_VISIBLE_DEVICES={hidden!r} hides them"
    if not has_driver():
        return f"no NVIDIA driver is installed ({DRIVER} cannot be loaded)"
    build = tf.sysconfig.get_build_info()
    needed = f"CUDA {build.get('cuda_version')} and cuDNN {build.get('cudnn_version')}"
    return f'TensorFlow says "{_tensorflow_log_line()}"; it needs {needed}: pip install "tensorflow[and-cuda]"'


def _tensorflow_log_line() -> str:
    """Returns the last line about GPUs in TensorFlow's log, from another process: this one has dropped its log."""
    code = "import tensorflow as tf; tf.config.list_physical_devices('GPU')"
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    lines = _LOG_LINE.findall(done.stderr)
    return textwrap.shorten(lines[-1], _LINE_LENGTH) if lines else "nothing"
