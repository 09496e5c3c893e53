"""What Windows lacks is not needed: every module is imported without the libraries of POSIX."""

import subprocess
import sys

from tests.conftest import REPOSITORY

ABSENT = ("resource", "fcntl", "pwd", "grp", "termios")

SCRIPT = f"""
import importlib, pkgutil, sys
for name in {ABSENT}:
    sys.modules[name] = None
import data, metrics, model, evaluate, fuse, train
for package in (data, metrics, model):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
from model.fusion import timing
figures = timing.benchmark(lambda: lambda near, far: near)
assert "peak_gigabytes" not in figures
print(timing.in_words(figures))
"""


def test_everything_is_imported_without_the_libraries_of_posix():
    done = subprocess.run([sys.executable, "-c", SCRIPT], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "megapixels/s" in done.stdout and "GB" not in done.stdout
