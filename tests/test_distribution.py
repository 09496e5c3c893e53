"""Several devices and hosts take the same steps as one."""

import json
import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from data.runtime.errors import InputError
from model.networks.devices import grow_memory
from model.training.distribution import Distribution, make_distribution
from tests.clipped_step import LONGEST
from tests.conftest import REPOSITORY

# Sums are added up in another order; Adam divides by their size, so what is nearly zero may move by the whole rate.
TOLERANCE = {"rtol": 1e-3, "atol": 2e-4}


def start(strategy, voc, output, devices=1, cluster=None, index=0):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
    if cluster:
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps({"cluster": {"worker": cluster}, "task": task})
    command = [sys.executable, "-m", "tests.distributed_steps", strategy, str(voc), str(output), str(devices)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)


def clipped_step(output, devices):
    command = [sys.executable, "-m", "tests.clipped_step", str(output), str(devices)]
    return subprocess.Popen(command, cwd=REPOSITORY, stderr=subprocess.PIPE, text=True)


def finish(*processes):
    for process in processes:
        _, said = process.communicate(timeout=600)
        assert process.returncode == 0, said[-2000:]


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"127.0.0.1:{port}" for port in ports]


@pytest.fixture(scope="module")
def alone(small_voc, tmp_path_factory):
    output = tmp_path_factory.mktemp("alone") / "state.npz"
    finish(start("one", small_voc, output))
    return np.load(output)


def compare(state, expected):
    assert sorted(state.files) == sorted(expected.files)
    np.testing.assert_allclose(state["reports"], expected["reports"], rtol=1e-3)
    apart = {
        name: float(np.abs(state[name] - expected[name]).max())
        for name in expected.files
        if name.startswith(("network", "average")) and not np.allclose(state[name], expected[name], **TOLERANCE)
    }
    assert not apart


@pytest.mark.long
def test_two_devices(alone, small_voc, tmp_path):
    finish(start("mirrored", small_voc, tmp_path / "state.npz", devices=2))
    compare(np.load(tmp_path / "state.npz"), alone)


def test_mixed_precision_clips_the_gradient_of_all_devices_together(tmp_path):
    moved = []
    for devices in (1, 2):
        finish(clipped_step(tmp_path / "moved.npy", devices))
        moved.append(np.load(tmp_path / "moved.npy"))
    # The rate is 1, so the weights move by the gradient, which is far longer before it is clipped.
    assert [np.linalg.norm(one) for one in moved] == pytest.approx([LONGEST, LONGEST], rel=1e-3)
    # float16 has 11 bits.
    np.testing.assert_allclose(moved[1], moved[0], atol=LONGEST / 2**10)


@pytest.mark.long
@pytest.mark.parametrize("hosts", [2, 4])
def test_hosts(hosts, alone, small_voc, tmp_path):
    cluster = free_ports(hosts)
    finish(*(start("multiworker", small_voc, tmp_path / "state.npz", 1, cluster, index) for index in range(hosts)))
    compare(np.load(tmp_path / "state.npz"), alone)


@pytest.mark.parametrize("gpus", [[], ["GPU:0", "GPU:1"]])
def test_memory_of_gpus_grows(gpus, monkeypatch):
    grown = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus if kind == "GPU" else ["CPU:0"])
    monkeypatch.setattr(tf.config.experimental, "set_memory_growth", lambda *pair: grown.append(pair))
    grow_memory()
    assert grown == [(gpu, True) for gpu in gpus]


def test_memory_grows_from_the_start():
    code = """
import model
from model.networks import quietly
load = quietly.import_module
def watched(name):
    module = load(name)
    if name == "model.networks.devices":
        module.grow_memory = lambda: print("grown")
    return module
quietly.import_module = watched
model.TrainingRun, model.load_fuser(engine="tensorflow")
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout == "grown\n"


OPTIONS = [
    *("--variant", "light", "--transfer", "none", "--size", "32", "--split", "voc", "--pairs-per-batch", "4"),
    *("--epochs", "2", "--validation-pairs", "2", "--optimizer", "adamw", "--learning-rate", "1e-3", "--quiet"),
]


def train(cluster, index, *arguments):
    task = {"type": "worker", "index": index}
    environment = os.environ | {"TF_CONFIG": json.dumps({"cluster": {"worker": cluster}, "task": task})}
    command = [sys.executable, "train.py", "--distribution", "multiworker", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)


@pytest.mark.long
def test_a_lost_host_leads_to_a_stop_that_can_be_resumed(small_voc, tmp_path):
    folder = tmp_path / "run"
    cluster = free_ports(2)
    arguments = ["--voc", small_voc, "-o", folder, *OPTIONS, "--checkpoint-minutes", 0]
    processes = [train(cluster, index, *arguments) for index in range(2)]
    deadline = time.monotonic() + 400
    while not (folder / "checkpoint.1.npz").exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    processes[1].kill()
    _, said = processes[0].communicate(timeout=400)
    assert processes[0].returncode == 1
    assert "another host was lost in step" in said
    assert "Traceback" not in said
    cluster = free_ports(2)
    finish(*(train(cluster, index, "--resume", folder, "--quiet") for index in range(2)))
    assert json.loads((folder / "record.json").read_text())["steps"] == 20


WORKERS = ["a:29500", "b:29500"]
TASK = {"type": "worker", "index": 0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        *((text, "cannot be used") for text in ("{", "\x00", "[" * 100_000, '"text"', "[]", "3", "null")),
        (None, "cluster is missing"),
        ({"task": TASK}, "cluster is missing"),
        ({"cluster": {"worker": WORKERS}}, "task is missing"),
        ({"cluster": WORKERS, "task": TASK}, "cluster must be an object"),
        ({"cluster": {"worker": "a:1"}, "task": TASK}, "cluster must be an object"),
        ({"cluster": {"worker": [1, 2]}, "task": TASK}, "cluster must be an object"),
        ({"cluster": {"worker": WORKERS[:1]}, "task": TASK}, "at least two"),
        ({"cluster": {"worker": WORKERS, "ps": ["c:1"]}, "task": TASK}, "no other hosts"),
        ({"cluster": {"worker": WORKERS}, "task": []}, "task must be an object"),
        ({"cluster": {"worker": WORKERS}, "task": {"type": "worker"}}, "index is missing"),
        ({"cluster": {"worker": WORKERS}, "task": {"type": "chief", "index": 0}}, "a task of that type"),
        *(
            ({"cluster": {"worker": WORKERS}, "task": TASK | {"index": index}}, "index must be")
            for index in ("0", None, 1.5, True, -1, 2, 10**30)
        ),
        *(
            ({"cluster": {"worker": ["a:29500", address]}, "task": TASK}, "is no address")
            for address in (
                "",
                "b",
                "b:",
                ":1",
                "b:0",
                "b:65536",
                "b:x",
                "b:1:2",
                "b c:1",
                "b\n:1",
                "http://b:1",
                "é:1",
            )
        ),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": TASK}, "two workers have one address"),
    ],
)
def test_a_description_of_the_hosts_that_cannot_be_used(content, message, monkeypatch):
    text = content if isinstance(content, str) else json.dumps(content)
    monkeypatch.setattr(os, "environ", dict(os.environ))  # what TensorFlow sees may hold no null byte
    os.environ.pop("TF_CONFIG", None)
    if content is not None:
        os.environ["TF_CONFIG"] = text
    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", lambda *_: pytest.fail("it would connect"))
    with pytest.raises(InputError, match="several hosts need TF_CONFIG") as raised:
        make_distribution("multiworker")
    assert message in str(raised.value)


def test_shares_of_a_batch():
    first, second = (Distribution(_Strategy(4), first, 2) for first in (0, 2))
    order = np.arange(16)
    assert first.shard(order, 8)[0].tolist() == [0, 1, 2, 3, 8, 9, 10, 11]
    assert second.shard(order, 8)[0].tolist() == [4, 5, 6, 7, 12, 13, 14, 15]
    assert first.shard(order, 8)[1] == 2
    assert first.chief and not second.chief
    with pytest.raises(InputError, match="6 pairs per step cannot be shared by 4 devices"):
        first.pairs_per_replica(6)


class _Strategy:
    def __init__(self, replicas):
        self.num_replicas_in_sync = replicas
