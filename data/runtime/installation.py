"""How the project is installed: its version, its commands, and how to add optional libraries."""

import tomllib
from pathlib import Path

DISTRIBUTION = "color-multi-focus-fusion"
"""Name of the installed project, as in pyproject.toml."""

COMMAND_PREFIX = "mff-"
"""Beginning of the commands of an installation: `mff-fuse` runs `fuse.py`."""

_CHECKOUT = Path(__file__).resolve().parents[2]
"""Folder above the packages: that of pyproject.toml in a checkout, site-packages in an installation."""


def version() -> str:
    """Returns the version: that of pyproject.toml in a checkout, else that of the installed project.

    A checkout is asked first, because another version may be installed in its environment.
    """
    try:
        return tomllib.loads((_CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    except FileNotFoundError:
        from importlib import metadata

        return metadata.version(DISTRIBUTION)


def install_hint(extra: str) -> str:
    """Returns the command that installs an optional set of libraries.

    Args:
        extra: Name of the set: app, cluster, export, openvino, photos or tensorboard.

    Returns:
        The command with the requirements file in a checkout, with the extra in an installation.
    """
    requirements = f"requirements-{extra}.txt"
    if (_CHECKOUT / requirements).is_file():
        return f"pip install -r {requirements}"
    return f'pip install "{DISTRIBUTION}[{extra}]"'
