"""What `pip install .` brings: packages, files that are not code, commands, extras, and the remedies it names."""

import os
import shutil
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib import import_module, metadata

import pytest

from data.runtime.installation import DISTRIBUTION, install_hint, version
from tests.conftest import REPOSITORY

SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT, SETUPTOOLS = SETTINGS["project"], SETTINGS["tool"]["setuptools"]
EXTRAS = SETUPTOOLS["dynamic"]["optional-dependencies"]
ROOMS = ("data", "metrics", "model")
DEVELOPMENT = "requirements-dev.txt"

FUSE_A_PAIR = """
import numpy as np
from data.io.image_io import write_image
rng = np.random.default_rng(0)
for name in ("A.png", "B.png"):
    write_image(name, rng.integers(0, 256, (64, 96, 3), dtype=np.uint8))
from fuse import main
assert main(["A.png", "B.png", "-o", "dwt.png", "--method", "dwt", "--quiet"]) == 0
"""
"""Fuses two images by a method without a network."""


def requirements(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_package_is_listed():
    found = [path.parent for room in ROOMS for path in (REPOSITORY / room).rglob("__init__.py")]
    assert {".".join(folder.relative_to(REPOSITORY).parts) for folder in found} == set(SETUPTOOLS["packages"])
    assert {path.stem for path in REPOSITORY.glob("*.py")} == set(SETUPTOOLS["py-modules"])
    assert {path.parent for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")} == set(found)


def test_every_file_that_is_no_code_is_listed():
    missing = []
    for path in (path for room in ROOMS for path in (REPOSITORY / room).rglob("*")):
        if path.is_dir() or path.suffix in (".py", ".pyc"):
            continue
        folder = next(above for above in path.parents if (above / "__init__.py").exists())
        patterns = SETUPTOOLS["package-data"].get(".".join(folder.relative_to(REPOSITORY).parts), [])
        if not any(fnmatch(path.relative_to(folder).as_posix(), pattern) for pattern in patterns):
            missing.append(path)
    assert not missing


def test_every_requirements_file_is_an_extra():
    files = {path.name for path in REPOSITORY.glob("requirements-*.txt")} - {DEVELOPMENT}
    assert files == {name for extra in EXTRAS.values() for name in extra["file"]}
    assert all(extra["file"] == [f"requirements-{name}.txt"] for name, extra in EXTRAS.items())


def test_a_library_has_one_oldest_version():
    oldest = {}
    for path in REPOSITORY.glob("requirements*.txt"):
        for line in requirements(path):
            name = line.partition(">=")[0]
            assert line.startswith("-r ") or oldest.setdefault(name, line) == line
        if path.name != DEVELOPMENT:  # setuptools reads these, and knows no -r
            assert not [line for line in requirements(path) if line.startswith("-")]


@pytest.mark.parametrize("script", PROJECT["scripts"])
def test_commands_run_the_scripts(script, monkeypatch, capsys):
    module, function = PROJECT["scripts"][script].split(":")
    monkeypatch.setattr(sys, "argv", [f"/bin/{script}", "--version"])
    with pytest.raises(SystemExit) as stop:
        getattr(import_module(module), function)()
    assert stop.value.code == 0
    assert capsys.readouterr().out == f"{DISTRIBUTION} {PROJECT['version']}\n"
    monkeypatch.setattr(sys, "argv", [f"/bin/{script}", "--help"])
    with pytest.raises(SystemExit):
        getattr(import_module(module), function)()
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: {script} ")
    assert f"\n  {script} " in shown and f"python {module}.py" not in shown


@pytest.mark.parametrize("extra", EXTRAS)
def test_remedies_name_what_is_there(extra, tmp_path, monkeypatch):
    assert install_hint(extra) == f"pip install -r requirements-{extra}.txt"
    monkeypatch.setattr("data.runtime.installation._CHECKOUT", tmp_path)
    assert install_hint(extra) == f'pip install "{DISTRIBUTION}[{extra}]"'


def test_the_version_is_that_of_a_checkout_or_else_of_the_installed_project(tmp_path, monkeypatch):
    assert PROJECT["name"] == DISTRIBUTION
    assert version() == PROJECT["version"]
    assert f"\n## {version()} - " in (REPOSITORY / "CHANGELOG.md").read_text(encoding="utf-8")
    monkeypatch.setattr("data.runtime.installation._CHECKOUT", tmp_path)
    monkeypatch.setattr(metadata, "version", {DISTRIBUTION: "1.2.3"}.get)
    assert version() == "1.2.3"


def test_an_installed_wheel_works_away_from_the_repository(tmp_path):
    if int(metadata.version("setuptools").partition(".")[0]) < 77:
        pytest.skip(f"setuptools is older than 77: pip install -r {DEVELOPMENT}")
    source, target, elsewhere = (tmp_path / name for name in ("source", "target", "elsewhere"))
    for name in ROOMS:
        shutil.copytree(REPOSITORY / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for path in (path for path in REPOSITORY.iterdir() if path.is_file()):
        shutil.copy(path, source)
    elsewhere.mkdir()
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")])}

    def run(*command):
        done = subprocess.run(command, cwd=elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "--target", target)
    run(sys.executable, "-m", "pip", "install", *options, source)
    for script in PROJECT["scripts"]:
        assert run(target / "bin" / script, "--version") == f"{DISTRIBUTION} {PROJECT['version']}\n"
        assert f"\n  {script} " in run(target / "bin" / script, "--help")
    said = run(sys.executable, "-c", "from data.runtime.installation import install_hint; print(install_hint('app'))")
    assert said == f'pip install "{DISTRIBUTION}[app]"\n'
    run(sys.executable, "-c", FUSE_A_PAIR)
    assert (elsewhere / "dwt.png").exists()
    (installed,) = metadata.distributions(name=DISTRIBUTION, path=[str(target)])
    assert set(installed.metadata.get_all("Provides-Extra")) == set(EXTRAS)
    assert set(installed.read_text("top_level.txt").split()) == {*ROOMS, *SETUPTOOLS["py-modules"]}
