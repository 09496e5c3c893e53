"""Hostile files of PyTorch's old format: small ones that ask for endless work or memory, and random ones."""

import os
import pickle
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.datasets import torch_file
from data.datasets.torch_file import MAGIC, VERSION, read_tensors
from data.runtime.errors import InputError
from tests.conftest import REPOSITORY
from tests.test_torch_file import WRITTEN_BY_TORCH

PATIENCE = 30
"""Seconds; each file takes a fraction of one."""

START = b"".join(pickle.dumps(content, 2) for content in (MAGIC, VERSION, {}))
PROTOCOL = b"\x80\x02"


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def nested(place):
    """A tuple of two of a tuple of two ..., 100 deep, that shares its parts: 2 ** 100 places in 500 bytes."""
    put, get = b"q" + bytes([place]), b"h" + bytes([place])
    return b"K\x01" + (put + get + b"\x86") * 100


def storage(key, count, kind=b"ctorch\nFloatStorage\n"):
    return b"(" + text("storage") + kind + key + text("cpu") + b"J" + struct.pack("<i", count) + b"Nt" + b"Q"


REBUILD = b"ctorch._utils\n_rebuild_tensor_v2\n"


def tensor(shape, strides, kept=None):
    kept = storage(text("0"), 1) if kept is None else kept
    return REBUILD + b"(" + kept + b"K\x00" + shape + strides + b"\x89Ntq\xfaR"


ONE = tensor(b"K\x01\x85", b"K\x01\x85")
MANY = b"(" + b"K\x01" * 40_000 + b"tq\x03"
LONG_NAME = "x" * 30_000_000

BOMBS = {
    "a nested key": START + PROTOCOL + b"}" + nested(1) + b"Ns.",
    "nested keys": START + PROTOCOL + b"}(" + nested(1) + b"Nu.",
    "a nested value of a nested key of the facts": START[: -len(pickle.dumps({}, 2))] + PROTOCOL + b"}" + nested(1) * 2
    + b"s.",
    "a nested storage key": START + PROTOCOL + b"}" + text("w") + tensor(b")", b")", storage(nested(1), 1)) + b"s.",
    "nested arguments of a dictionary": START + PROTOCOL + b"ccollections\nOrderedDict\n" + nested(1) + b"R.",
    "a nested shape": START + PROTOCOL + b"}" + text("w") + tensor(nested(1), nested(2)) + b"s.",
    "a nested stride": START + PROTOCOL + b"}" + text("w") + tensor(b"K\x01\x85", nested(1) + b"\x85") + b"s.",
    "a nested offset": START + PROTOCOL + REBUILD + b"(" + storage(text("0"), 1) + nested(1) + b"))\x89NtR.",
    "nested keys of storages": START + PROTOCOL + b"}" + text("w") + ONE + b"s." + PROTOCOL + b"](" + nested(1)
    + nested(2) + b"e.",
    "a shape of 40,000 places, again and again": START + PROTOCOL + b"]" + tensor(MANY, b"h\x03")
    + (REBUILD + b"h\xfaR") * 10_000 + b".",
    "a key of tuples, 9,000 deep": START + PROTOCOL + b"}K\x01" + b"\x85" * 9000 + b"Ns.",
    "a key of tuples, 90,000 deep": START + PROTOCOL + b"}K\x01" + b"\x85" * 90_000 + b"Ns.",
    "a tuple that an instruction without effect hides": START + PROTOCOL + b"}K\x01" + b"Nbq\x01h\x01\x86" * 100
    + b"Ns.",
    "one long key, again and again": START + PROTOCOL + b"}" + text(LONG_NAME) + b"Ns" + text("a") + text(LONG_NAME)
    + b"q\x01s(" + b"h\x01N" * 40_000 + b"u.",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_small_files_that_ask_for_endless_work_are_refused_at_once(name, tmp_path):
    (tmp_path / "x.pth").write_bytes(BOMBS[name])
    program = "import sys; from pathlib import Path; from data.datasets.torch_file import read_tensors; "
    program += "read_tensors(Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path / "x.pth")]
    done = subprocess.run(
        command, cwd=REPOSITORY, capture_output=True, text=True, timeout=PATIENCE
    )  # in C, so no alarm
    assert "InputError" in done.stderr and "is no dictionary of tensors" in done.stderr


@pytest.mark.parametrize("name", [b"ctorch\nFloatStorage\n", REBUILD, b"ccollections\nOrderedDict\n"])
@pytest.mark.parametrize("state", [b"}" + text("x") + b"Ns", b"N}" + text("call") + b"Ns\x86"])
def test_attributes_of_names_cannot_be_set(name, state, tmp_path):
    (tmp_path / "x.pth").write_bytes(START + PROTOCOL + name + state + b"b.")
    with pytest.raises(InputError, match="is no dictionary of tensors"):
        read_tensors(tmp_path / "x.pth")
    assert not any(hasattr(one, "x") or one.call is None for one in torch_file._FUNCTIONS.values())


def shared(count, side):
    """`count` tensors of `side` numbers, all of one storage."""
    kept = storage(text("0"), side)
    sides = b"J" + struct.pack("<i", side) + b"\x85"
    state = b"}" + text("0") + REBUILD + b"(" + kept + b"q\x01K\x00" + sides + b"K\x01\x85\x89NtRs"
    for number in range(1, count):
        state += text(str(number)) + REBUILD + b"(h\x01K\x00" + sides + b"K\x01\x85\x89NtRs"
    numbers = struct.pack("<q", side) + np.arange(side, dtype="<f4").tobytes()
    return START + PROTOCOL + state + b"." + pickle.dumps(["0"], 2) + numbers


def test_tensors_that_share_a_storage_are_bounded(tmp_path, monkeypatch):
    path = tmp_path / "x.pth"
    path.write_bytes(shared(3, 100))
    assert [values.tolist() for values in read_tensors(path).values()] == [list(range(100))] * 3
    monkeypatch.setattr(torch_file, "LARGEST_FILE", 100_000)
    path.write_bytes(shared(10, 10_000))  # 40 kB that would become 400
    with pytest.raises(InputError, match="is no dictionary of tensors"):
        read_tensors(path)


def test_numbers_that_are_none_are_refused(tmp_path):
    content = shared(1, 4)
    (tmp_path / "x.pth").write_bytes(content[:-4] + np.float32(np.nan).tobytes())
    with pytest.raises(InputError, match="0 holds values that are NaN or infinite"):
        read_tensors(tmp_path / "x.pth")


@pytest.mark.skipif(os.name != "posix", reason="needs a named pipe")
def test_a_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "x.pth")
    raised = []

    def read():
        try:
            read_tensors(tmp_path / "x.pth")
        except InputError as error:
            raised.append(str(error))

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    thread.join(PATIENCE / 10)
    assert raised and "is a pipe" in raised[0]


def read_or_refuse(content, folder):
    path = folder / "x.pth"
    path.write_bytes(content)
    try:
        tensors = read_tensors(path)
    except InputError:
        return
    assert all(isinstance(values, np.ndarray) for values in tensors.values())
    assert sum(values.nbytes for values in tensors.values()) <= torch_file.LARGEST_FILE


@st.composite
def mutated(draw):
    """The file of PyTorch itself with a few other bytes, perhaps cut."""
    content = bytearray(WRITTEN_BY_TORCH.read_bytes())
    for place, value in draw(st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), max_size=4)):
        content[place] = value
    return bytes(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])


INSTRUCTIONS = [
    *(b"(", b")", b"}", b"]", b"N", b"\x88", b"\x89", b"K\x00", b"K\x01", b"J\xff\xff\xff\x7f", b"\x8a\x02\x7f\x7f"),
    *(b"G\x7f\xf0\x00\x00\x00\x00\x00\x00", b"q\x00", b"q\x01", b"h\x00", b"h\x01", b"r\xff\xff\xff\xff", b"\x85"),
    *(b"\x86", b"\x87", b"t", b"a", b"e", b"s", b"u", b"R", b"Q", b"b", b"0", b"2", b"c__builtin__\nexec\n", REBUILD),
    *(b"ccollections\nOrderedDict\n", b"ctorch\nFloatStorage\n", b"ctorch\nLongStorage\n", text("storage"), text("0")),
    *(storage(text("0"), 1), ONE, nested(0), nested(1), tensor(b")", b")"), b"h\x00h\x00\x86q\x00", b"(h\x00h\x01t"),
]  # fmt: skip


@st.composite
def programs(draw):
    """Pickles of random instructions, as the dictionary and as the keys, and some numbers."""
    pickles = []
    for _ in range(2):
        count = draw(st.sampled_from([3, 10, 60]))
        pickles.append(draw(st.lists(st.sampled_from(INSTRUCTIONS), max_size=count)))
    first = draw(st.sampled_from([b"", b"}", b"}(" + text("w")]))
    last = draw(st.sampled_from([b"", b"s", b"u"]))
    state, keys = (b"".join(one) for one in pickles)
    keys = draw(st.sampled_from([keys, b"](" + text("0") + b"e"]))
    numbers = struct.pack("<q", 1) + draw(st.binary(max_size=8))
    return START + PROTOCOL + first + state + last + b"." + PROTOCOL + keys + b"." + numbers


IN_ONE_FILE = [HealthCheck.function_scoped_fixture]


@settings(max_examples=400, deadline=None, suppress_health_check=IN_ONE_FILE)
@given(content=st.one_of(mutated(), programs()))
def test_damaged_files_are_refused_or_read(tmp_path, content):
    read_or_refuse(content, tmp_path)


@pytest.mark.long
@settings(max_examples=20_000, deadline=None, suppress_health_check=IN_ONE_FILE)
@given(content=st.one_of(mutated(), programs()))
def test_many_damaged_files(tmp_path, content):
    read_or_refuse(content, tmp_path)
