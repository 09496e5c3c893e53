"""What all commands share: errors become one sentence and an exit code, and help has examples."""

import json
import subprocess
import sys
import warnings

import pytest

from data.errors import InputError, run_command
from model.summary import main as summarize
from tests.conftest import REPOSITORY

COMMANDS = (
    ["train.py"],
    ["fuse.py"],
    ["evaluate.py"],
    ["-m", "data.preview"],
    ["-m", "data.download"],
    ["-m", "data.demo"],
    ["-m", "model.summary"],
)


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


def test_a_defect_is_not_hidden():
    with pytest.raises(KeyError):
        run_command(raising(KeyError("defect")))


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


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: words[-1])
def test_help_has_examples_and_needs_no_tensorflow(command):
    code = (
        "import runpy, sys; sys.argv = {0!r}[-1:] + ['--help']\n"
        "try:\n    runpy.run_{1}({2!r}, run_name='__main__')\n"
        "except SystemExit as stop:\n    assert stop.code == 0\n"
        "assert 'tensorflow' not in sys.modules or {3!r}"
    )
    module = command[0] == "-m"
    code = code.format(command, "module" if module else "path", command[-1], command[-1] == "model.summary")
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "examples:" in done.stdout


def test_summary(capsys):
    assert summarize(["--variant", "compact", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["receptive_field"] == {"compact": 1095}
    stages = report["variants"]["compact"]
    assert sum(stage["parameters"] for stage in stages) == 1_699_714
    assert summarize(["--variant", "compact"]) == 0
    assert "| compact | 82 |  | 1,699,714 | 1.933 G | 11.401 G |" in capsys.readouterr().out
