"""Work spread over processes and over a cluster: nothing is lost, nothing is done twice."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import evaluate
import fuse
from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from data.runtime.errors import InputError, run_command
from data.runtime.spread import spread
from model.experiments.__main__ import main as experiments

SCENES = ("a", "b", "c", "d")


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pairs")
    near, far = rendered_scene().photographs()
    for number, name in enumerate(SCENES):
        for side, image in (("A", near), ("B", far)):
            write_image(folder / f"{name}-{side}.png", image[20 * number :][:96, :128])
    return folder


def slowly(work):
    """Notes that it was begun, where, and gives a number back."""
    folder, number = work
    (folder / f"{number}-{os.getpid()}-{time.monotonic_ns()}").touch()
    time.sleep(1.5)
    return number


def test_processes_give_results_in_order(tmp_path):
    assert list(spread(abs, [-3, 2, -1])) == [3, 2, 1]
    assert list(spread(abs, [-3, 2, -1], jobs=2)) == [3, 2, 1]


def test_several_scenes_at_once_are_what_they_are_one_by_one(pairs, tmp_path):
    for name, options in (("one", ()), ("two", ("--jobs", "2"))):
        assert fuse.main(["-i", str(pairs), "-o", str(tmp_path / name), "--quiet", *options]) == 0
        table = ["--source", str(pairs), "--fused", f"x={tmp_path / name}", "-o", str(tmp_path / f"{name}-tables")]
        assert evaluate.main([*table, "--quiet", *options]) == 0
    for scene in SCENES:
        images = [read_image(tmp_path / name / f"{scene}.png") for name in ("one", "two")]
        np.testing.assert_array_equal(*images)
    tables = [(tmp_path / f"{name}-tables" / "per_pair.csv").read_text() for name in ("one", "two")]
    assert tables[0] == tables[1]


def test_a_scene_that_fails_fails_alone(pairs, tmp_path, capsys):
    for path in pairs.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "b-A.png").write_bytes((pairs / "b-A.png").read_bytes()[:-500])
    command = ["-i", str(tmp_path), "-o", str(tmp_path / "out"), "--jobs", "2", "--json", "-"]
    assert run_command(fuse.main, command) == 1
    results = json.loads(capsys.readouterr().out)["results"]
    assert [result["name"] for result in results if "error" in result] == ["b"]
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.png")) == ["a", "c", "d"]


def test_a_comparison_of_several_pairs_at_once(pairs, tmp_path):
    for name, options in (("one", ()), ("two", ("--jobs", "2"))):
        command = ["comparison", "-i", str(pairs), "-o", str(tmp_path / name), "--quiet", "--methods", "pca", "dwt"]
        assert experiments([*command, *options]) == 0
    tables = [(tmp_path / name / "tables" / "per_pair.csv").read_text() for name in ("one", "two")]
    assert tables[0] == tables[1]


@contextmanager
def dask_cluster():
    distributed = pytest.importorskip("distributed", reason="Dask is not installed (requirements-cluster.txt)")
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None, "host": "127.0.0.1"}
    with distributed.LocalCluster(**options) as cluster:
        yield cluster.scheduler_address
        cluster.wait_for_workers(2, timeout=60)  # one that is begun again cannot be closed


@contextmanager
def ray_cluster():
    pytest.importorskip("ray", reason="Ray is not installed (requirements-cluster.txt)")
    port = free_port()
    ray = [sys.executable, "-m", "ray.scripts.scripts"]
    options = ["--num-cpus=2", "--object-store-memory=100000000", "--include-dashboard=false", "--disable-usage-stats"]
    head = ["--head", f"--port={free_port()}", f"--ray-client-server-port={port}"]
    subprocess.run([*ray, "start", *head, *options], check=True, capture_output=True, timeout=120)
    try:
        yield f"ray://127.0.0.1:{port}"
    finally:
        subprocess.run([*ray, "stop", "--force"], check=True, capture_output=True, timeout=120)


def free_port():
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


@pytest.mark.parametrize("start", [dask_cluster, ray_cluster])
def test_a_worker_of_a_cluster_that_dies_loses_nothing(start, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))

    def kill():
        while not list(tmp_path.iterdir()):
            time.sleep(0.05)
        process = int(next(tmp_path.iterdir()).name.split("-")[1])
        os.kill(process, signal.SIGKILL)

    with start() as address:
        killer = threading.Thread(target=kill)
        killer.start()
        assert list(spread(slowly, [(tmp_path, number) for number in range(6)], cluster=address)) == list(range(6))
        killer.join()
        with pytest.raises(InputError, match="gave up: its processes die"):
            list(spread(os._exit, [3], cluster=address))
    begun = [path.name.split("-")[0] for path in tmp_path.iterdir()]
    assert len(begun) > 6  # what the dead one had in hand was begun again


def test_an_address_without_a_scheduler():
    pytest.importorskip("distributed", reason="Dask is not installed (requirements-cluster.txt)")
    with pytest.raises(InputError, match=r"no scheduler of Dask at tcp://127\.0\.0\.1:9"):
        list(spread(abs, [1], cluster="tcp://127.0.0.1:9"))


def test_something_that_is_no_scheduler_does_not_hang():
    pytest.importorskip("distributed", reason="Dask is not installed (requirements-cluster.txt)")
    with socket.socket() as mute:
        mute.bind(("127.0.0.1", 0))
        mute.listen()
        accepting = threading.Thread(target=lambda: mute.accept()[0].close())
        accepting.start()
        address = f"tcp://127.0.0.1:{mute.getsockname()[1]}"
        with pytest.raises(InputError, match="there is no scheduler of Dask"):
            list(spread(abs, [1], cluster=address))
        accepting.join()


def dying(number):
    """Ends its process for one number, and for another the first time it is asked."""
    folder, value = number
    first = folder / f"first-{value}"
    if value == 3 or (value == 5 and not first.exists()):
        first.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return value


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_process_loses_its_own_item_alone(tmp_path):
    items = [(tmp_path, number) for number in range(8)]
    found = list(spread(dying, items, jobs=2, lost=lambda item, sentence: f"{item[1]}: {sentence}"))
    sentence = "its process was killed, as systems do when memory runs out; use fewer --jobs."
    assert found == [0, 1, 2, f"3: {sentence}", 4, 5, 6, 7]
    with pytest.raises(InputError, match="its process was killed"):
        list(spread(dying, items[3:4] * 2, jobs=2))


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_killed_scene_fails_alone(pairs, tmp_path):
    """Each process that fuses scene b is killed; the others are fused."""
    (tmp_path / "sitecustomize.py").write_text(
        "import os, signal, sys\n"
        "def hook(event, args):\n"
        "    if event == 'open' and str(args[0]).endswith('b-A.png') and 'spawn_main' in ' '.join(sys.orig_argv):\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.addaudithook(hook)\n"
    )
    command = [sys.executable, fuse.__file__, "-i", str(pairs), "-o", str(tmp_path / "out"), "--jobs", "2", "--quiet"]
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": path}, timeout=300)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "error: b: its process was killed" in done.stderr
    assert sorted(path.stem for path in (tmp_path / "out").glob("*.png")) == ["a", "c", "d"]


def sleeping(folder):
    (folder / str(os.getpid())).touch()
    time.sleep(600)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_processes_end_with_their_parent(tmp_path):
    script = (
        "from pathlib import Path\nfrom tests.test_spread import sleeping\nfrom data.runtime.spread import spread\n"
        f"if __name__ == '__main__':\n    list(spread(sleeping, [Path({str(tmp_path)!r})] * 2, jobs=2))\n"
    )
    (tmp_path / "parent.py").write_text(script)
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    parent = subprocess.Popen([sys.executable, str(tmp_path / "parent.py")], env=environment)
    for _ in range(600):
        children = [int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal()]
        if len(children) == 2:
            break
        time.sleep(0.1)
    parent.kill()
    parent.wait()
    for _ in range(100):
        alive = [child for child in children if is_running(child)]
        if not alive:
            break
        time.sleep(0.1)
    assert len(children) == 2 and not alive


def is_running(process):
    try:
        state = open(f"/proc/{process}/stat").read().rsplit(")", 1)[1].split()[0]  # noqa: SIM115, PTH123
    except OSError:
        return False
    return state != "Z"


def test_usage(tmp_path, capsys):
    with pytest.raises(SystemExit):
        fuse.main(["a.png", "b.png", "-o", "c.png", "--jobs", "2"])
    assert "are for a folder" in capsys.readouterr().err
