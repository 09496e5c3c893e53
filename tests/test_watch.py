"""fuse.py --watch: stacks of a folder, each once its frames have stopped coming."""

import os
import re
import signal
import subprocess
import sys
import time

import pytest

from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from data.io.watching import settled
from data.runtime.errors import InputError, run_command
from fuse import main
from tests.conftest import REPOSITORY

posix = pytest.mark.skipif(os.name != "posix", reason="Ctrl-C is sent as a signal, which Windows has not")


def near_and_far():
    return [image[:96, :128] for image in rendered_scene().photographs()]


def wait_for(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "nothing came of it"
        time.sleep(0.05)


@posix
def test_each_stack_is_fused_once_its_frames_have_stopped_coming(tmp_path):
    near, far = near_and_far()
    write_image(tmp_path / "in" / "one-A.png", near)
    command = [sys.executable, REPOSITORY / "fuse.py", "-i", tmp_path / "in", "-o", tmp_path / "out"]
    command += ["--watch", "0.4", "--method", "dwt"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            time.sleep(3)
            assert not list(tmp_path.glob("out/*.png"))  # half a pair is no stack
            write_image(tmp_path / "in" / "one-B.png", far)
            wait_for((tmp_path / "out" / "one.png").exists)
            first = (tmp_path / "out" / "one.png").stat().st_mtime_ns
            for name, image in (("two-A.png", far), ("two-B.png", near)):
                write_image(tmp_path / "in" / name, image)
            wait_for((tmp_path / "out" / "two.png").exists)
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == 0
    assert (tmp_path / "out" / "one.png").stat().st_mtime_ns == first  # it is not made twice
    assert read_image(tmp_path / "out" / "two.png").shape == near.shape
    lines = errors.splitlines()
    assert lines[0].startswith("watching ") and "Traceback" not in errors
    assert len([line for line in lines if "no usable image pair" in line or "has no partner" in line]) <= 1, lines
    assert re.search(r"1 of 2 fused .*1 kept", output)


def test_a_folder_is_still_when_nothing_has_changed_for_some_time(tmp_path, monkeypatch):
    clock = [0.0]
    arrivals = {0.5: "a", 1.0: "b", 4.0: "c"}

    def sleep(seconds):
        clock[0] += seconds
        for when, name in list(arrivals.items()):
            if clock[0] >= when:
                (tmp_path / name).write_text(arrivals.pop(when))

    monkeypatch.setattr("data.io.watching.time.monotonic", lambda: clock[0])
    monkeypatch.setattr("data.io.watching.time.sleep", sleep)
    (tmp_path / ".hidden").touch()
    told = settled(tmp_path, 2.0)
    next(told)
    assert 3.0 <= clock[0] <= 3.6 and (tmp_path / "b").exists()
    next(told)
    assert 6.0 <= clock[0] <= 6.6 and (tmp_path / "c").exists()


def test_what_is_wrong_is_said_before_anything_arrives(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    (tmp_path / "file").write_text("x")
    watch = ["-i", str(tmp_path / "in"), "--watch", "0.1", "-o"]
    assert run_command(main, [*watch, str(tmp_path / "file")]) == 1
    assert "file is a file; choose another name" in capsys.readouterr().err
    assert run_command(main, [*watch, str(tmp_path / "out"), "--weights", str(tmp_path / "none.h5")]) == 1
    assert "none.h5" in capsys.readouterr().err
    assert run_command(main, ["-i", str(tmp_path / "absent"), "--watch", "-o", str(tmp_path / "out")]) == 1
    assert "cannot watch" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot watch .*: there is no such folder"):
        next(settled(tmp_path / "none", 1.0))


@pytest.mark.parametrize(
    "options", [["a.png", "b.png", "--watch"], ["-i", "x", "--watch", "--dry-run"], ["-i", "x", "--watch", "0"]]
)
def test_usage(options, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*options, "-o", "out"])
    assert ended.value.code == 2
    assert "--watch" in capsys.readouterr().err
