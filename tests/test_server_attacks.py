"""What a server must bear: foreign pages, endless bodies, wide brushes, clients that are gone, and its own end."""

import asyncio
import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from itertools import count
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest

from data.io.files import HOST
from data.io.image_io import write_image
from data.runtime.errors import InputError
from model.fusion.retouch import Paints, Stroke, retouch
from tests.test_app import SHAPE, add, begin, files, fuse, parts  # noqa: F401 - files is a fixture

pytest.importorskip("fastapi", reason="the page's libraries are not installed (requirements-app.txt)")

from fastapi.testclient import TestClient

from model.app.folders import new_folder, remove_leftovers, safe_suffix
from model.app.guard import HEADERS
from model.app.limits import Budget, Limits
from model.app.server import create_app

ROOT = Path(__file__).parents[1]


@pytest.fixture
def client():
    limits = Limits(frame_bytes=200_000, bytes=400_000, order_bytes=20_000, workplaces=2)
    with TestClient(create_app(limits), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


# Who asks


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:99"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost"},
    ],
)
def test_pages_of_other_origins_change_nothing(client, files, headers):  # noqa: F811
    place = begin(client)
    add(client, place, files[:1])
    for answer in (
        client.post("/workplaces", headers=headers),
        client.put(f"{place}/frames?name=x.png", content=files[1][1], headers=headers),
        client.post("/fuse", files=parts(files), headers=headers),
        client.post(f"{place}/end", headers=headers),
    ):
        assert answer.status_code == 403 and "only the page of this server" in answer.json()["detail"]
    assert client.get(f"{place}/progress").status_code == 200


def test_the_own_page_and_programs_may_ask(client):
    for headers in ({}, {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none"}):
        assert client.post("/workplaces", headers=headers).status_code == 201


def test_names_alone_take_no_place(client, files):  # noqa: F811
    for _ in range(20):
        begin(client)
    assert not client.app.state.workplaces
    forged = begin(client)[:-1] + "x"
    assert client.put(f"{forged}/frames?name=x.png", content=files[0][1]).status_code == 404
    add(client, begin(client), files[:1])
    broken = begin(client)
    assert client.put(f"{broken}/frames?name=x.png", content=b"no image").status_code == 400
    assert len(client.app.state.workplaces) == 1
    assert all(place.folder.exists() for place in client.app.state.workplaces.values())


def test_every_answer_has_its_headers(client):
    for answer in (client.get("/"), client.get("/docs"), client.get("/nothing"), client.post("/fuse")):
        assert all(answer.headers[name] == value for name, value in HEADERS.items())
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert "unsafe-inline" not in client.get("/").headers["content-security-policy"]


# How much


def ask_directly(app, method, path, kind):
    """Sends a body without an end, as the server would; returns the status, the answer and how much was taken."""
    taken, sent = count(), []

    async def receive():
        next(taken)
        return {"type": "http.request", "body": bytes(10_000), "more_body": True}

    async def send(message):
        sent.append(message)

    headers = [(b"host", b"localhost"), (b"content-type", kind)]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"name=x.png",
             "headers": headers, "http_version": "1.1", "scheme": "http", "root_path": "", "app": app}  # fmt: skip
    asyncio.run(app(scope, receive, send))
    body = b"".join(message.get("body", b"") for message in sent[1:])
    return sent[0]["status"], json.loads(body), 10_000 * next(taken)


def test_bodies_are_refused_while_they_arrive():
    app = create_app(Limits(frame_bytes=200_000, bytes=400_000, order_bytes=20_000))
    form = b"multipart/form-data; boundary=x"
    for path, kind, most in (
        ("/fuse", form, 1_400_000),
        ("/workplaces/x/fuse", b"application/json", 20_000),
        ("/workplaces/x/strokes", b"application/json", 20_000),
    ):
        status, answer, taken = ask_directly(app, "POST", path, kind)
        assert status in (400, 413) and isinstance(answer["detail"], str) and taken <= most + 20_000


@pytest.mark.parametrize("length", ["1000000000000", "9" * 400, "-1", "x"])
def test_lengths_that_are_announced(client, length):
    answer = client.post("/fuse", content=b"", headers={"Content-Length": length})
    assert answer.status_code in (400, 413) and isinstance(answer.json()["detail"], str)


def test_decoding_shares_memory():
    budget, held, most = Budget(100), 0, 0
    lock = threading.Lock()

    def work(size):
        nonlocal held, most
        with budget.hold(size):
            with lock:
                held += min(size, 100)
                most = max(most, held)
            time.sleep(0.01)
            with lock:
                held -= min(size, 100)

    threads = [threading.Thread(target=work, args=(size,)) for size in (40, 40, 40, 90, 10**9, 60, 10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not any(thread.is_alive() for thread in threads) and 60 <= most <= 100


# That everything ends


def test_a_brush_wider_than_the_picture_needs_no_more_than_the_picture():
    stroke = Stroke(0, ((100.0, 80.0), (3000.0, -2000.0)), 4000.0, 0.3)
    window = stroke.window(SHAPE)
    tracemalloc.start()
    share = stroke.cover(window)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 30e6 and share.shape == tuple(span.stop - span.start for span in window) and share.min() == 1


def test_a_wide_brush_is_as_far_as_a_narrow_one_enlarged():
    stroke = Stroke(0, ((300.0, -500.0), (700.0, -700.0)), 1000.0, 0.5)
    window = (slice(0, 600), slice(0, 800))
    rows, columns = np.mgrid[0:600, 0:800]
    along = np.clip(((columns - 300) * 400 - (rows + 500) * 200) / (400**2 + 200**2), 0, 1)
    distance = np.hypot(columns - (300 + 400 * along), rows - (-500 - 200 * along))
    share = np.clip((1000.5 - distance) / 500, 0, 1)
    np.testing.assert_allclose(stroke.cover(window), share * share * (3 - 2 * share), atol=0.03)


def test_painting_can_be_cancelled():
    image, done = np.zeros((40, 50, 3), np.uint8), []

    def observe(stage, number, total):
        done.append((stage, number, total))
        if number == 2:
            raise KeyError("cancelled")

    with pytest.raises(KeyError):
        retouch(Paints([image], image), [Stroke(0, ((5.0, 5.0),), 3.0)] * 9, observe)
    assert done == [("painting", number, 9) for number in range(3)]


def test_a_frame_that_is_being_fused_stays(client, files, monkeypatch):  # noqa: F811
    began, go_on = threading.Event(), threading.Event()

    def slow(*_):
        began.set()
        go_on.wait(20)
        raise InputError("enough.")

    monkeypatch.setattr("model.app.workplace.fuse", slow)
    place = begin(client)
    numbers = add(client, place, files)
    assert client.post(f"{place}/fuse", json={"frames": numbers}).status_code == 202
    assert began.wait(20)
    answer = client.delete(f"{place}/frames/{numbers[0]}")
    assert (answer.status_code, "is being fused" in answer.json()["detail"]) == (400, True)
    go_on.set()
    while client.get(f"{place}/progress").json()["state"] == "running":
        time.sleep(0.02)
    assert client.delete(f"{place}/frames/{numbers[0]}").status_code == 204


# One sentence


def test_names_that_no_file_can_have(client, files):  # noqa: F811
    place = begin(client)
    for name in ("a\0b.png", "ä" * 255, "x." + "y" * 250, "../../x.png", "a\nb.png", "CON"):
        answer = client.put(f"{place}/frames", params={"name": name}, content=files[0][1])
        assert answer.status_code == 201, name
        client.delete(f"{place}/frames/{answer.json()['id']}")
        sent = client.post("/fuse", files=[("frames", (name, files[0][1])), ("frames", files[1])])
        assert sent.status_code in (200, 400)
    assert client.put(f"{place}/frames", params={"name": "x" * 256}, content=b"x").status_code == 422
    (workplace,) = client.app.state.workplaces.values()
    assert workplace.is_empty and not any(workplace.folder.iterdir())
    assert [safe_suffix(name) for name in ("a.PNG", "b.nef", "c.sh", "d", "e.png\0")] == [".png", ".nef", "", "", ""]


@pytest.mark.parametrize("number", ["9" * 5000, "9" * 30, "-1", "x", "1.5"])
def test_numbers_of_tiles(client, files, number):  # noqa: F811
    place = begin(client)
    assert fuse(client, place, add(client, place, files))["state"] == "done"
    for address in (f"{number}/0/0", f"0/{number}/0", f"0/0/{number}"):
        answer = client.get(f"{place}/tiles/result/{address}")
        assert answer.status_code in (404, 422) and isinstance(answer.json()["detail"], str)


@pytest.mark.parametrize(
    "body",
    [
        b"{", b"[]", b"null", b"[" * 10_000, b'{"frames": [1, NaN]}', b"\xff\xfe", b'{"frames": {"a": 1}}',
        b'{"frame": 0, "points": [[NaN, 1]], "radius": 3, "softness": 0}',
        b'{"frame": 0, "points": [[1e999, 1]], "radius": Infinity, "softness": 0}',
    ],
)  # fmt: skip
def test_orders_that_are_none(client, files, body):  # noqa: F811
    place = begin(client)
    assert fuse(client, place, add(client, place, files))["state"] == "done"
    for address in ("fuse", "strokes"):
        answer = client.post(f"{place}/{address}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422) and isinstance(answer.json()["detail"], str), answer.text


def test_a_full_disk_is_said_and_nothing_is_kept(client, files, monkeypatch):  # noqa: F811
    place = begin(client)
    add(client, place, files)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        answer = client.put(f"{place}/frames?name=x.png", content=files[0][1])
    assert (answer.status_code, answer.json()["detail"]) == (507, "the disk of the server is full; try again later.")
    (workplace,) = client.app.state.workplaces.values()
    assert workplace._bytes == sum(len(content) for _, content in files)
    assert len(list(workplace.folder.iterdir())) == 2


def test_saved_files_are_removed_when_they_are_sent(client, files):  # noqa: F811
    place = begin(client)
    assert fuse(client, place, add(client, place, files))["state"] == "done"
    for kind in ("png", "tif", "jpg", "png"):
        assert client.get(f"{place}/saved?format={kind}").status_code == 200
    (workplace,) = client.app.state.workplaces.values()
    assert len(list(workplace.folder.iterdir())) == len(files)


def test_the_description_of_the_interface_lists_refusals(client):
    described = client.get("/openapi.json").json()["paths"]
    for path in ("/fuse", "/workplaces/{workplace}/frames", "/workplaces/{workplace}/strokes"):
        for method in described[path].values():
            assert {"400", "413", "422", "503", "507"} <= set(method["responses"])


# A server of its own


@pytest.fixture
def server(tmp_path):
    """A server as a process: itself, its address, and the folder of its temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    command = [sys.executable, str(ROOT / "fuse.py"), "--app", "--port", "0"]
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=environment)
    line = process.stderr.readline()
    port = int(line.split(":")[2].split()[0])
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    yield process, port, folder
    process.kill()
    process.wait()


def form(frames):
    """A body of multipart/form-data with its headers."""
    body = b"".join(
        b'--x\r\nContent-Disposition: form-data; name="frames"; filename="%d.png"\r\n\r\n%s\r\n' % (number, frame)
        for number, frame in enumerate(frames)
    )
    body += b"--x--\r\n"
    head = "POST /fuse HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture(scope="module")
def large_frames(tmp_path_factory):
    rng, folder, frames = np.random.default_rng(0), tmp_path_factory.mktemp("large"), []
    for number in range(12):
        path = folder / f"{number}.png"
        write_image(path, rng.integers(0, 256, (1500, 2000), dtype=np.uint8).repeat(3).reshape(1500, 2000, 3))
        frames.append(path.read_bytes())
    return frames


def send_and_wait(connection, frames, folder):
    """Sends a form, and waits until the server has its first frame."""
    connection.sendall(form(frames))
    for _ in range(400):
        if any(folder.glob("multifocus-*/*.png")):
            break
        time.sleep(0.02)


def ask(port, address):
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(f"GET {address} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        answer = io.BytesIO()
        while part := connection.recv(65536):
            answer.write(part)
    return answer.getvalue().decode()


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_a_client_that_is_gone_is_not_served(server, large_frames):
    _, port, folder = server
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        send_and_wait(connection, large_frames, folder)
        time.sleep(0.5)
    for _ in range(1000):
        if 'multifocus_tasks_total{state="cancelled"} 1.0' in ask(port, "/metrics"):
            break
        time.sleep(0.05)
    else:
        pytest.fail("the fusion was not cancelled")
    for _ in range(100):
        if not any(folder.iterdir()):
            break
        time.sleep(0.05)
    assert not any(folder.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_a_server_that_is_asked_to_end_ends_and_cleans_up(server, large_frames, number):
    process, port, folder = server
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        send_and_wait(connection, large_frames, folder)
        time.sleep(1)
        process.send_signal(number)
        process.wait(40)
    assert "Traceback" not in process.stderr.read()
    assert not any(folder.iterdir())


def test_what_a_killed_server_left_is_removed(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    left = tmp_path / f"multifocus-{HOST}-{ended.pid}-abc"
    left.mkdir()
    (left / "1.png").write_bytes(b"x")
    running = f"multifocus-{HOST}-{os.getppid()}-abc"
    others = [tmp_path / name for name in (running, "multifocus-notes", f"multifocus-other-{ended.pid}-abc")]
    for other in others:
        other.mkdir()
    assert remove_leftovers() == 1
    assert not left.exists() and all(other.exists() for other in others)
    assert new_folder().name.startswith(f"multifocus-{HOST}-{os.getpid()}-")


@pytest.mark.parametrize("option", [["--port", "99999"], ["--port", "-1"], ["--host", ""], ["--host", "a\nb"]])
def test_addresses_that_are_none_are_wrong_usage(option, capsys):
    from fuse import main

    with pytest.raises(SystemExit, match="2"):
        main(["--app", *option])
    assert option[0] in capsys.readouterr().err


def test_a_host_that_is_not_known():
    from model.app.serve import serve

    with pytest.raises(InputError, match="choose another --host"):
        serve("no-such-host.invalid", 0)


# All of it again, with mutations

SECONDS = 600
"""How long `test_ten_minutes_of_mutated_requests` goes on."""


def mutated(rng, content):
    """Changes, cuts or repeats bytes."""
    data = bytearray(content)
    for _ in range(int(rng.integers(1, 6))):
        place = int(rng.integers(0, max(1, len(data))))
        how = rng.integers(4)
        if how == 0 and data:
            data[place % len(data)] = int(rng.integers(256))
        elif how == 1:
            del data[place : place + int(rng.integers(1, 200))]
        elif how == 2:
            data[place:place] = rng.bytes(int(rng.integers(1, 50)))
        else:
            data[place:place] = data[place : place + int(rng.integers(1, 500))]
    return bytes(data)


ODD = (
    "",
    "0",
    "-1",
    "9" * 400,
    "NaN",
    "../..",
    "a\0b",
    "frame-0",
    "upload-1",
    "upload-" + "9" * 30,
    "map",
    "%00",
    "ä" * 300,
)
"""Parts of addresses."""


LAYERS = ("result", "second", "map", "depth", "upload-1", "peaks-1")


def random_request(rng, client, place, numbers, images):
    """Sends one request; returns its answer."""
    odd = str(rng.choice(ODD))
    stroke = {
        "frame": int(rng.integers(-3, 4)),
        "points": [[float(rng.normal(0, 1e3)), 10.0]] * int(rng.integers(0, 40)),
        "radius": float(rng.choice([0, 0.5, 30, 4000, 1e9])),
        "softness": float(rng.uniform(-0.2, 1.2)),
    }
    order = {"frames": [int(n) for n in rng.choice([*numbers, 99], int(rng.integers(0, 5)))], "strokes": [stroke]}
    if rng.random() < 0.5:
        order["second"] = (None, {"strategy": "refined"}, {"prefer": odd}, odd, 7)[int(rng.integers(5))]
    body = json.dumps(order if rng.random() < 0.5 else stroke).encode()
    body = mutated(rng, body) if rng.random() < 0.5 else body
    image = images[int(rng.integers(len(images)))]
    image = mutated(rng, image) if rng.random() < 0.7 else image
    headers = {
        "Content-Type": str(rng.choice(["application/json", "text/plain", "multipart/form-data; boundary=x", ""]))
    }
    actions = (
        lambda: client.put(f"{place}/frames", params={"name": odd or "x.png"}, content=image),
        lambda: client.post(f"{place}/fuse", content=body, headers=headers),
        lambda: client.post(f"{place}/strokes", content=body, headers=headers),
        lambda: client.post("/fuse", files=[("frames", (odd or "a.png", image)), ("frames", ("b.png", images[0]))]),
        lambda: client.post("/fuse", params={odd or "x": odd}, content=mutated(rng, image), headers=headers),
        lambda: client.get(f"{place}/tiles/{rng.choice(LAYERS)}/{quote(odd)}/0/0"),
        lambda: client.get(f"{place}/saved-depth", params={"kind": str(rng.choice(["stereo", "depth", odd]))}),
        lambda: client.get(f"{place}/frame-at", params={"x": odd, "y": 3}),
        lambda: client.get(f"{place}/saved", params={"format": str(rng.choice(["png", "jpg", odd])), "name": odd}),
        lambda: client.delete(f"{place}/frames/{rng.integers(200)}"),
        lambda: client.post(f"{place}/{rng.choice(['undo', 'cancel'])}"),
        lambda: client.get(f"{place}/{rng.choice(['progress', 'result', 'project'])}"),
    )
    return actions[int(rng.integers(len(actions)))]()


@pytest.mark.long
def test_ten_minutes_of_mutated_requests(files):  # noqa: F811
    """No answer of 5xx but for what is full, no hang, and memory that stays bounded."""
    resource = pytest.importorskip("resource")
    rng, images = np.random.default_rng(0), [content for _, content in files]
    limits = Limits(frame_bytes=500_000, bytes=5_000_000, order_bytes=50_000, workplaces=3)
    with TestClient(create_app(limits), base_url="http://localhost", raise_server_exceptions=False) as client:
        place = begin(client)
        numbers = add(client, place, files)
        assert fuse(client, place, numbers)["state"] == "done"
        started, asked, before = time.monotonic(), 0, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        while time.monotonic() - started < SECONDS:
            sent = time.monotonic()
            answer = random_request(rng, client, place, numbers, images)
            assert answer.status_code < 500 or answer.status_code in (503, 507), (answer.request, answer.text)
            assert time.monotonic() - sent < 60
            if answer.status_code >= 400:
                assert isinstance(answer.json()["detail"], str), answer.text
            asked += 1
        assert client.get("/health").json()["status"] == "ok" and asked > 100
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < before + 1_500_000
