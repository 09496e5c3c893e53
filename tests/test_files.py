"""Files are read only where reading must end, and what killed runs left is removed."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from data.io.files import atomic_files, atomic_path, file_digest, open_file, read_bytes, read_json, write_text
from data.runtime.errors import InputError
from tests.conftest import REPOSITORY, put_endless


@pytest.fixture
def special(tmp_path):
    """What stands in a file's place and never ends or never begins."""
    for name, kind in (("pipe", "pipe"), ("link", "device"), ("sparse", "sparse")):
        put_endless(tmp_path / name, kind)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("pipe", "pipe, socket or device"),
        ("link", "pipe, socket or device"),
        ("sparse", "it has 42,949,672,960 bytes"),
        (".", "it is a folder"),
        ("absent", "no such file"),
        ("x" * 300, "File name too long"),
        ("a\0b", "embedded null"),
    ],
)
def test_reading_ends(special, name, message):
    for read in (open_file, read_bytes):
        with pytest.raises(InputError, match=message) as refused:
            read(special / name, 1000)
        assert str(refused.value).count("cannot read") == 1
    if name != "sparse":
        with pytest.raises(InputError, match=message):
            file_digest(special / name, "md5")


def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"12345")
    monkeypatch.setattr("data.io.files._check_regular", lambda *_: None)
    with pytest.raises(InputError, match="more than 4 bytes"):
        read_bytes(tmp_path / "x", 4)
    assert read_bytes(tmp_path / "x", 5) == b"12345"


@pytest.mark.parametrize("content", [b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_json(content, tmp_path):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(InputError, match="it is no JSON"):
        read_json(tmp_path / "x.json")


def test_bytes_that_are_no_utf_8_are_escaped(tmp_path):
    write_text(tmp_path / "x", "a\udcff")
    assert (tmp_path / "x").read_text() == r"a\udcff"


KILLED = """
import os, sys
from data.io.files import atomic_files, atomic_path
with atomic_path(sys.argv[1] + "/x.png") as one, atomic_files(sys.argv[1], "y.png") as folder:
    one.write_text("half")
    (folder / "y.png").write_text("half")
    os.kill(os.getpid(), 9)
"""


def test_what_a_killed_run_left_is_removed_by_the_next_and_nothing_else(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, tmp_path], cwd=REPOSITORY, check=False)
    left = list(tmp_path.iterdir())
    assert len(left) == 2 and all(path.name.startswith(".partial-") for path in left)
    host = left[0].name.split("-")[1]
    others = [f".partial-{host}-{os.getppid()}.x.png", ".partial-00000000-1.x.png", ".partial-mine.png", "kept.png"]
    for name in others:
        (tmp_path / name).write_text("of others")
    old = tmp_path / ".partial-00000000-2.x.png"
    old.write_text("of another host, long ago")
    os.utime(old, (0, 0))
    write_text(tmp_path / "z", "next run")
    assert {path.name for path in tmp_path.iterdir()} == {*others, "z"}


def test_files_that_belong_together_appear_together(tmp_path):
    with pytest.raises(RuntimeError), atomic_files(tmp_path / "out", "b") as folder:
        (folder / "a").write_text("a")
        raise RuntimeError
    assert list((tmp_path / "out").iterdir()) == []
    with atomic_files(tmp_path / "out", "b") as folder:
        for name in "abc":
            (folder / name).write_text(name)
    modified = {path.name: path.read_text() for path in (tmp_path / "out").iterdir()}
    assert modified == {"a": "a", "b": "b", "c": "c"}


def test_a_temporary_has_the_suffix_of_its_file(tmp_path):
    with atomic_path(tmp_path / "x.weights.h5") as temporary:
        assert temporary.name.endswith(".x.weights.h5")
        temporary.write_text("")


def test_names_as_long_as_the_file_system_takes(tmp_path):
    name = "ü" * 125 + ".json"
    write_text(tmp_path / name, "x")
    with atomic_files(tmp_path, name) as folder:
        (folder / name).write_text("y")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [(name, "y")]


def test_threads_that_write_one_file(tmp_path):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: write_text(tmp_path / "x", str(number) * 1000), range(8)))
    (path,) = tmp_path.iterdir()
    assert len(set(path.read_text())) == 1
