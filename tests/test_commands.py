"""What all commands share: errors become one sentence and an exit code, and help has examples."""

import argparse
import ast
import json
import os
import subprocess
import sys
import tomllib
import warnings

import pytest

from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from data.runtime.errors import InputError, add_debug, run_command
from data.runtime.names import checked_name
from model.experiments.__main__ import COMMANDS as EXPERIMENTS
from model.measurements.__main__ import COMMANDS as MEASUREMENTS
from model.networks.summary import main as summarize
from tests.conftest import REPOSITORY

SETTINGS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["setuptools"]


def all_commands():
    """Everything that can be run, so that no command can be forgotten: scripts, modules, their subcommands."""
    folders = {REPOSITORY / package.split(".")[0] for package in SETTINGS["packages"]}
    for path in sorted([*REPOSITORY.glob("*.py"), *(path for folder in folders for path in folder.rglob("*.py"))]):
        if '\nif __name__ == "__main__":\n' not in path.read_text():
            continue
        parts = path.relative_to(REPOSITORY).with_suffix("").parts
        yield path.name if len(parts) == 1 else ".".join(parts).removesuffix(".__main__")
    yield from (f"model.experiments {name}" for name in EXPERIMENTS)
    yield from (f"model.measurements {name}" for name in MEASUREMENTS)
    yield from (f"model.measurements {name}" for name in MEASUREMENTS)


COMMANDS = list(all_commands())

WITHOUT_EXAMPLES = {"model.experiments", "model.measurements"}
"""Commands whose help need not show any."""

PROBE = """
import json, runpy, sys
name, *words = sys.argv[1:]
run, codes = runpy.run_path if name.endswith(".py") else runpy.run_module, []
for option in ("--help", "--no-such-option"):
    sys.argv = [name, *words, option]
    try:
        run(name, run_name="__main__")
    except SystemExit as stop:
        codes.append(stop.code)
loaded = {"keras", "matplotlib", "scipy.stats", "tensorflow"} & set(sys.modules)
print(json.dumps({"codes": codes, "loaded": sorted(loaded)}))
"""
"""Asks a command for help and for what it does not know, and prints its exit codes and what it loaded for that."""


def raising(error):
    def main(argv):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (InputError("a.png is gray."), "error: a.png is gray.\n"),
        (PermissionError(13, "Permission denied", "out.png"), "error: Permission denied: out.png\n"),
        (OSError("no space"), "error: no space\n"),
        (KeyboardInterrupt(), "error: interrupted; what was finished before is kept.\n"),
    ],
)
def test_what_a_user_can_cause(error, sentence, capsys):
    assert run_command(raising(error)) == 1
    assert capsys.readouterr().err == sentence


def debugging(error):
    def main(argv):
        parser = argparse.ArgumentParser()
        add_debug(parser)
        parser.parse_args(argv)
        raise error

    return main


def test_a_defect_is_one_line_and_debug_shows_where(capsys):
    assert run_command(debugging(KeyError("defect")), []) == 1
    said = capsys.readouterr().err
    assert said == "error: unexpected KeyError: 'defect' (--debug shows where; please report it).\n"
    assert run_command(debugging(KeyError("defect")), ["--debug"]) == 1
    said = capsys.readouterr().err
    assert "Traceback" in said and "raise error" in said
    assert run_command(raising(KeyError("defect"))) == 1  # --debug is not remembered
    assert "Traceback" not in capsys.readouterr().err


def test_messages_are_harmless_lines(capsys):
    assert run_command(raising(InputError("x\n\x1b[31m\u202egnp.\udcff is damaged."))) == 1
    assert capsys.readouterr().err == "error: x\\x0a\\x1b[31m\\u202egnp.\\xff is damaged.\n"


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_cannot_show_a_name(encoding):
    code = (
        "import sys; from data.runtime.errors import InputError, run_command\n"
        "def main(argv):\n    print('→ \\udcff'); raise InputError('İ → \\udcff')\n"
        "sys.exit(run_command(main))"
    )
    command = [sys.executable, "-c", code]
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith(b"error: ") and done.stderr.count(b"\n") == 1


def test_a_reader_that_leaves(tmp_path):
    code = (
        "import sys; from data.runtime.errors import run_command\n"
        "def main(argv):\n    for _ in range(100_000): print('a line')\n    return 0\n"
        "sys.exit(run_command(main))"
    )
    command = [sys.executable, "-c", code]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 1


@pytest.mark.parametrize(
    "name", ["", " ", ".", "..", "../x", "/x", "a/b", "a\\b", "C:x", ".x", "x ", "x.", "x\u202ey", "x" * 101]
)
def test_names_that_would_lead_elsewhere(name):
    with pytest.raises(InputError, match="cannot be the name of a method"):
        checked_name(name, "a method")


def test_names_that_are_kept():
    for name in ("StackMFF-V3", "a b", "CSR (JPEG)", "Größe", "x.y"):
        assert checked_name(name, "a method") == name


def test_warnings_are_one_line(capsys):
    def main(argv):
        warnings.warn("the alpha channel is dropped", stacklevel=1)
        return 0

    before = warnings.showwarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            assert run_command(main) == 0
    finally:
        warnings.showwarning = before
    assert capsys.readouterr().err == "warning: the alpha channel is dropped\n"


def test_all_commands_are_found():
    assert {"train.py", "fuse.py", "evaluate.py", "data.demo", "model.baselines", "model.measurements sweep"} <= {
        *COMMANDS
    }
    assert set(SETTINGS["py-modules"]) == {name.removesuffix(".py") for name in COMMANDS if name.endswith(".py")}


@pytest.mark.parametrize("command", COMMANDS)
def test_help_and_wrong_usage_load_little(command):
    done = subprocess.run(
        [sys.executable, "-c", PROBE, *command.split()], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    *shown, found = done.stdout.splitlines()
    assert json.loads(found) == {"codes": [0, 2], "loaded": []}
    assert shown[0].startswith("usage: ") and done.stderr.startswith("usage: ") and "error: " in done.stderr
    assert "example" in done.stdout or command in WITHOUT_EXAMPLES


def test_summary(capsys):
    assert summarize(["--variant", "compact", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["receptive_field"] == {"compact": 1095}
    stages = report["variants"]["compact"]
    assert sum(stage["parameters"] for stage in stages) == 1_699_714
    assert summarize(["--variant", "compact"]) == 0
    assert "| compact | 82 |  | 1,699,714 | 1.933 G | 11.401 G |" in capsys.readouterr().out


@pytest.mark.skipif(os.name != "posix", reason="a shell of POSIX")
def test_a_closed_error_stream_is_no_error(tmp_path):
    """As of services without a console; and no file that is written takes the stream's number."""
    near, far = rendered_scene().photographs()
    for name, image in (("a", near), ("b", far)):
        write_image(tmp_path / f"x-{name}.png", image[:96, :128])
    command = f"{sys.executable} {REPOSITORY / 'fuse.py'} x-a.png x-b.png -o fused.png 2>&- 1>&-"
    assert subprocess.run(command, shell=True, cwd=tmp_path, timeout=120).returncode == 0
    assert read_image(tmp_path / "fused.png").shape == (96, 128, 3)
    command = f"{sys.executable} {REPOSITORY / 'fuse.py'} x-a.png none.png -o fused2.png 2>&-"
    assert subprocess.run(command, shell=True, cwd=tmp_path, timeout=120).returncode == 1


@pytest.mark.parametrize("script", ["fuse.py", "train.py", "evaluate.py"])
def test_an_interrupt_during_imports_is_one_line(script):
    first = next(node for node in ast.parse((REPOSITORY / script).read_text()).body if isinstance(node, ast.Import))
    assert first.names[0].name == "data.runtime.interrupts"
    code = "import data.runtime.interrupts\nraise KeyboardInterrupt"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.stderr == "error: interrupted.\n" and done.returncode != 0
    code = "import data.runtime.interrupts\nraise ValueError"
    assert (
        "Traceback"
        in subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True).stderr
    )
