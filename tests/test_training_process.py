"""A training run in a process of its own, as the ablation has it."""

import os
import signal
import subprocess
import sys
import time

import pytest

from data.runtime.errors import InputError
from model.experiments.training_process import train_alone
from model.training.checkpoints import load_checkpoint
from model.training.settings import TrainingConfig
from tests.conftest import REPOSITORY

CONFIG = TrainingConfig(
    variant="light",
    transfer=None,
    size=64,
    epochs=100,
    scenes=10,
    pairs_per_batch=10,
    validation_pairs=2,
    optimizer="adamw",
    learning_rate=1e-3,
)

RUN = f"""
import sys
from pathlib import Path
from data.runtime.errors import run_command
from model.experiments.training_process import train_alone
from model.training.settings import TrainingConfig
if __name__ == "__main__":
    voc, folder = map(Path, sys.argv[1:])
    sys.exit(run_command(lambda _: train_alone({CONFIG!r}, voc, folder, resume=False, quiet=True) and 0))
"""
"""A script, because the process is made by importing the module that was run."""


def test_what_the_run_raises_is_raised_here(tmp_path):
    with pytest.raises(InputError, match="holds no VOC data"):
        train_alone(CONFIG, tmp_path, tmp_path / "run", resume=False, quiet=True)


@pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")
@pytest.mark.parametrize("killed", [False, True])
def test_signals_and_kills(small_voc, tmp_path, killed):
    """SIGTERM to the parent alone saves the run and stops; where the process is killed, the parent says so."""
    script, folder = tmp_path / "run.py", tmp_path / "run"
    script.write_text(RUN)
    command = [sys.executable, str(script), str(small_voc), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as parent:
        try:
            while not (folder / "checkpoint.npz").exists():
                assert parent.poll() is None, parent.stderr.read()
                time.sleep(0.1)
            if killed:
                os.kill(child_of(parent.pid), signal.SIGKILL)
            else:
                parent.send_signal(signal.SIGTERM)
            said = parent.communicate(timeout=300)[1]
        finally:
            parent.kill()
    assert parent.returncode == 1
    if killed:
        assert "ended with the code -9; was there enough memory?" in said
    else:
        assert "stopped by SIGTERM after step" in said
        assert load_checkpoint(folder / "checkpoint.npz")[1].batch >= 1


def child_of(process):
    """The training process; multiprocessing has a helper of its own beside it."""
    listed = subprocess.run(
        ["ps", "-ww", "-o", "pid=", "-o", "args=", "--ppid", str(process)], capture_output=True, text=True
    )
    (child,) = [line.split()[0] for line in listed.stdout.splitlines() if "spawn_main" in line]
    return int(child)
