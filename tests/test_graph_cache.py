"""Compiled graphs in the user's cache: the same numbers, and no error where the cache cannot be used."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.networks import graph_cache, graph_weights
from model.networks.engine import load_engine
from model.networks.graph_cache import MOST_FILES, cache_folder, read_graph, write_graph

pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install -r requirements-openvino.txt")

KEY = "0" * 64


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache."""
    monkeypatch.setenv("MFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def compiled(monkeypatch):
    """The weights files whose graph was compiled, and not imported."""
    seen = []
    read = graph_weights.read_folded
    monkeypatch.setattr(graph_weights, "read_folded", lambda path, places: seen.append(path) or read(path, places))
    return seen


def logits():
    """What both networks say of some images."""
    engine = load_engine(BUNDLED_WEIGHTS, BUNDLED_COMPARER, "openvino")
    images = np.random.default_rng(0).uniform(0, 255, (2, 96, 160, 3)).astype(np.float32)
    focus = engine.focus(images)
    pair = np.concatenate(np.split(images, 2), -1)
    return focus, engine.compare(pair, np.stack(list(focus[:, ::4, ::4]), -1)[None])


def test_a_cached_graph_computes_the_same_bits(folder, compiled):
    first = logits()
    assert compiled == [BUNDLED_WEIGHTS, BUNDLED_COMPARER]
    assert len(list(folder.iterdir())) == 2
    for one, other in zip(first, logits(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(compiled) == 2  # nothing was compiled again


def with_digest(content):
    return hashlib.sha256(content).digest() + content


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:1000] + b"\x00\x01" + content[1002:],
        lambda content: with_digest(b"no graph at all"),
        lambda content: with_digest(content[32 : len(content) // 2]),
    ],
    ids=["empty", "cut", "other bytes", "another file", "cut before it was written"],
)
def test_a_damaged_file_is_replaced(damage, folder, compiled):
    expected = logits()
    whole = {path: path.read_bytes() for path in folder.iterdir()}
    for path, content in whole.items():
        path.write_bytes(damage(content))
    for one, other in zip(expected, logits(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(compiled) == 4
    assert set(folder.iterdir()) == set(whole)
    logits()
    assert len(compiled) == 4


def test_a_folder_that_cannot_be_used_is_left_out(tmp_path, monkeypatch, compiled):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file" / "cache", Path("/dev/null/cache")):
        monkeypatch.setenv("MFF_CACHE", str(folder))
        logits()
    monkeypatch.setenv("MFF_CACHE", "")
    logits()
    assert len(compiled) == 6
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_oldest_files_are_removed(folder):
    for number in range(MOST_FILES + 3):
        write_graph(f"{number:064}", b"graph")
        os.utime(folder / f"{number:064}.graph", (number, number))
    write_graph(KEY[:-1] + "f", b"newest")
    assert len(list(folder.iterdir())) == MOST_FILES
    assert read_graph(f"{3:064}") is None and read_graph(f"{4:064}") == b"graph"
    assert read_graph(KEY[:-1] + "f") == b"newest"


def test_the_folder_is_the_users_own(tmp_path, monkeypatch):
    for name in ("MFF_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for system, expected in (
        ("linux", tmp_path / ".cache"),
        ("darwin", tmp_path / "Library" / "Caches"),
        ("win32", tmp_path / "AppData" / "Local"),
    ):
        monkeypatch.setattr(graph_cache.sys, "platform", system)
        assert cache_folder() == expected / "multifocus"
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert cache_folder() == tmp_path / "local" / "multifocus"
    monkeypatch.setattr(graph_cache.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg" / "multifocus"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_folder() is None

    def nobody():
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", nobody)
    assert cache_folder() is None and read_graph(KEY) is None
    write_graph(KEY, b"graph")
