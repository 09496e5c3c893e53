"""The server of the page and of programs, without a browser."""

import base64
import io
import json
import time

import numpy as np
import pytest
from PIL import Image

from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from model import load_fuser
from model.app.pyramid import TILE, Pyramid
from model.app.worker import CancelledError, FullError, Worker
from model.fusion.project import parse_project
from model.fusion.settings import shared_settings

pytest.importorskip("fastapi", reason="the page's libraries are not installed (requirements-app.txt)")

from fastapi.testclient import TestClient

from model.app import programs, serve
from model.app.limits import Limits
from model.app.server import create_app

SHAPE = (160, 224)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two photographs as (name, bytes)."""
    folder = tmp_path_factory.mktemp("frames")
    for name, image in zip(("a 1.png", "ä 2.png"), rendered_scene().photographs(), strict=True):
        write_image(folder / name, image[: SHAPE[0], : SHAPE[1]])
    return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


@pytest.fixture(scope="module")
def client():
    with TestClient(create_app(), base_url="http://localhost") as client:
        yield client


@pytest.fixture
def small_client():
    limits = Limits(frame_bytes=100_000, bytes=150_000, workplaces=1)
    with TestClient(create_app(limits), base_url="http://localhost") as client:
        yield client


def begin(client):
    return f"/workplaces/{client.post('/workplaces').json()['workplace']}"


def add(client, place, files):
    answers = [client.put(f"{place}/frames", params={"name": name}, content=data) for name, data in files]
    assert [answer.status_code for answer in answers] == [201] * len(files)
    return [answer.json()["id"] for answer in answers]


def fuse(client, place, numbers, **order):
    assert client.post(f"{place}/fuse", json={"frames": numbers, **order}).status_code == 202
    while (task := client.get(f"{place}/progress").json())["state"] in ("waiting", "running"):
        time.sleep(0.02)
    return task


def fused_directly(files):
    return load_fuser()(PreparedFrames([np.asarray(Image.open(io.BytesIO(data))) for _, data in files]))


def parts(files):
    return [("frames", (name, data)) for name, data in files]


def test_fusing_for_programs_gives_what_the_fuser_gives(client, files, tmp_path):
    answer = client.post("/fuse", files=parts(files))
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "image/png"
    (tmp_path / "fused.png").write_bytes(answer.content)
    np.testing.assert_array_equal(read_image(tmp_path / "fused.png"), fused_directly(files))
    answer = client.post("/fuse?format=jpg&strategy=refined&align=none", files=parts(files))
    assert Image.open(io.BytesIO(answer.content)).format == "JPEG"


def test_what_programs_send_wrong(client, files):
    text = ("notes.png", b"no image")
    for sent, sentence in ((files[:1], "received 1"), ([files[0], text], "notes.png: it is no JPEG")):
        answer = client.post("/fuse", files=parts(sent))
        assert answer.status_code == 400
        assert sentence in answer.json()["detail"]
        assert "/tmp" not in answer.json()["detail"]
    assert client.post("/fuse?align=perhaps", files=parts(files)).status_code == 422


def test_a_workplace_from_frames_to_files(client, files, tmp_path):
    place = begin(client)
    numbers = add(client, place, files)
    assert Image.open(io.BytesIO(client.get(f"{place}/frames/{numbers[0]}/thumbnail").content)).size == (224, 160)
    assert client.get(f"{place}/result").json()["detail"] == "nothing has been fused yet."
    assert fuse(client, place, numbers)["state"] == "done"
    result = client.get(f"{place}/result").json()
    assert (result["width"], result["height"], result["frames"]) == (224, 160, numbers)
    for layer in ("result", "map", "depth", "frame-0", "frame-1"):
        tile = client.get(f"{place}/tiles/{layer}/0/0/0")
        assert Image.open(io.BytesIO(tile.content)).size == (224, 160)
        assert "immutable" in tile.headers["cache-control"]
    assert client.get(f"{place}/tiles/result/0/1/0").status_code == 404
    assert "no picture 'frame-2'" in client.get(f"{place}/tiles/frame-2/0/0/0").json()["detail"]
    stroke = {"frame": 0, "points": [[50, 60], [90, 80]], "radius": 12, "softness": 0.5}
    painted = client.post(f"{place}/strokes", json=stroke).json()
    assert (painted["strokes"], painted["version"]) == (1, result["version"] + 1)
    (tmp_path / "saved.tif").write_bytes(client.get(f"{place}/saved?format=tif").content)
    saved = read_image(tmp_path / "saved.tif")
    plain = fused_directly(files)
    assert (saved != plain).any()
    np.testing.assert_array_equal(saved[:40], plain[:40])
    project = parse_project(client.get(f"{place}/project").json(), "it")
    assert [frame.file for frame in project.frames] == ["a 1.png", "ä 2.png"]
    assert client.post(f"{place}/undo").json()["strokes"] == 0
    (tmp_path / "undone.png").write_bytes(client.get(f"{place}/saved").content)
    np.testing.assert_array_equal(read_image(tmp_path / "undone.png"), plain)
    # Opened again, the project gives the pixels that were saved.
    content = project.to_json()
    task = fuse(client, place, numbers, settings=content["settings"], strokes=client_strokes(content))
    assert task["state"] == "done"
    (tmp_path / "again.png").write_bytes(client.get(f"{place}/saved").content)
    np.testing.assert_array_equal(read_image(tmp_path / "again.png"), saved)


def test_a_second_result_is_painted_with(client, files, tmp_path):
    place = begin(client)
    numbers = add(client, place, files)
    assert fuse(client, place, numbers)["state"] == "done"
    assert client.get(f"{place}/result").json()["second"] is None
    assert client.get(f"{place}/tiles/second/0/0/0").status_code == 400
    stroke = {"frame": -2, "points": [[50, 60], [90, 80]], "radius": 12, "softness": 0.5}
    assert client.post(f"{place}/strokes", json=stroke).json()["detail"] == "there is no second result to paint with."
    assert fuse(client, place, numbers, settings={"strategy": "refined"})["state"] == "done"
    assert client.get(f"{place}/result").json()["second"] == "strategy learned"
    tile = client.get(f"{place}/tiles/second/0/0/0")
    assert Image.open(io.BytesIO(tile.content)).size == (224, 160)
    assert client.post(f"{place}/strokes", json=stroke).json()["strokes"] == 1
    (tmp_path / "saved.png").write_bytes(client.get(f"{place}/saved").content)
    saved, learned = read_image(tmp_path / "saved.png"), fused_directly(files)
    np.testing.assert_array_equal(saved[68:74, 66:74], learned[68:74, 66:74])
    content = client.get(f"{place}/project").json()
    assert content["second"] == {"average": "auto", "strategy": None, "prefer": None}
    # The same from a new tab, and with other frames or another alignment there is none.
    other = begin(client)
    added = add(client, other, files)
    order = {name: content[name] for name in ("settings", "strokes", "second")}
    assert fuse(client, other, added, **order)["state"] == "done"
    (tmp_path / "again.png").write_bytes(client.get(f"{other}/saved").content)
    np.testing.assert_array_equal(read_image(tmp_path / "again.png"), saved)
    assert fuse(client, other, added, settings={"crop": "common"})["state"] == "done"
    assert client.get(f"{other}/result").json()["second"] is None


def test_what_is_sharp_is_marked(client, files):
    place = begin(client)
    near, _ = add(client, place, files)
    tile = client.get(f"{place}/tiles/peaks-{near}/0/0/0")
    picture = np.asarray(Image.open(io.BytesIO(tile.content))).astype(int)
    assert picture.shape == (*SHAPE, 3)
    marked = (picture[..., 0] - picture[..., 1] > 80).mean()
    assert 0.01 < marked < 0.6
    assert client.get(f"{place}/tiles/peaks-99/0/0/0").json()["detail"] == "there is no frame 99."


def client_strokes(content):
    return [{**stroke, "points": [list(point) for point in stroke["points"]]} for stroke in content["strokes"]]


def test_frames_of_unequal_sizes_are_called_by_their_names(client, files, tmp_path):
    place = begin(client)
    write_image(tmp_path / "small.png", np.zeros((40, 50, 3), np.uint8))
    numbers = add(client, place, [files[0], ("small.png", (tmp_path / "small.png").read_bytes())])
    error = fuse(client, place, numbers)["error"]
    assert "a 1.png" in error and "small.png is 50x40" in error and "multifocus-" not in error


def test_one_tab_does_not_disturb_another(client, files):
    one, other = begin(client), begin(client)
    numbers = add(client, one, files)
    assert client.get(f"{other}/frames/{numbers[0]}/thumbnail").status_code == 404  # it has not begun
    add(client, other, files[:1])
    assert client.get(f"{other}/frames/{numbers[1]}/thumbnail").status_code == 400
    folder = client.app.state.workplaces[one.split("/")[-1]].folder
    assert any(folder.iterdir())
    assert client.post(f"{one}/end").status_code == 204
    assert not folder.exists()
    assert client.get(f"{one}/result").status_code == 404
    assert client.get(f"{other}/progress").json() == {"state": "idle"}


def test_bad_frames_and_orders(client, files):
    place = begin(client)
    answer = client.put(f"{place}/frames", params={"name": "broken.jpg"}, content=files[0][1][:500])
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith("cannot read broken.jpg") or "broken.jpg" in answer.json()["detail"]
    assert "multifocus-" not in answer.json()["detail"]
    assert "empty" in client.put(f"{place}/frames", params={"name": "none.jpg"}, content=b"").json()["detail"]
    numbers = add(client, place, files)
    for order, sentence in (
        ({"frames": numbers[:1]}, "two frames or more"),
        ({"frames": [*numbers, 99]}, None),
        ({"frames": [*numbers, numbers[0]]}, "a frame is there twice"),
        ({"frames": numbers, "settings": {"align": "?"}}, "align must be one of"),
        ({"frames": numbers, "strokes": [{"frame": 7}]}, "radius is missing"),
    ):
        if sentence:
            assert sentence in client.post(f"{place}/fuse", json=order).json()["detail"]
        else:
            assert fuse(client, place, order["frames"])["error"] == "there is no frame 99."
    assert client.delete(f"{place}/frames/{numbers[0]}").status_code == 204
    assert client.delete(f"{place}/frames/{numbers[0]}").status_code == 400


def test_limits(small_client, files):
    place = begin(small_client)
    large = ("large.bin", bytes(100_001))
    answer = small_client.put(f"{place}/frames", params={"name": large[0]}, content=large[1])
    assert answer.status_code == 413 and not small_client.app.state.workplaces
    small = max(files, key=lambda file: len(file[1]))
    count = 150_000 // len(small[1])
    add(small_client, place, [small] * count)
    answer = small_client.put(f"{begin(small_client)}/frames", params={"name": "x.png"}, content=small[1])
    assert (answer.status_code, "1 tabs" in answer.json()["detail"]) == (503, True)
    answer = small_client.put(f"{place}/frames", params={"name": small[0]}, content=small[1])
    assert "all frames together may have" in answer.json()["detail"]
    assert small_client.post("/fuse", files=parts([large, large])).status_code == 413
    order = {"frames": [1, 2], "strokes": ["x" * 4_000_001]}
    assert small_client.post(f"{place}/fuse", json=order).status_code == 413


def test_who_may_ask(client):
    assert client.get("/", headers={"Host": "127.0.0.1:8000"}).status_code == 200
    assert client.get("/", headers={"Host": "elsewhere.example"}).status_code == 400


def test_nothing_is_fetched_from_elsewhere(client):
    for address in ("/", "/docs", "/page/page.js", "/page/result.js", "/page/viewer.js", "/page/page.css"):
        text = client.get(address).text
        assert "http://" not in text
        assert "https://" not in text
    for address in ("/swagger/swagger-ui-bundle.js", "/swagger/swagger-ui.css", "/openapi.json"):
        assert client.get(address).status_code == 200


def test_health_and_metrics(client, files):
    client.post("/fuse", files=parts(files))
    assert client.get("/health").json() == {"status": "ok", "waiting": 0}
    assert 'multifocus_tasks_total{state="done"}' in client.get("/metrics").text


def test_a_worker_cancels_and_refuses():
    ended = []
    worker = Worker(ended.append)

    def work(observe):
        for step in range(1000):
            observe("counting", step, 1000)
            time.sleep(0.005)

    tasks = [worker.submit(work) for _ in range(2)]
    tasks[1].cancel()
    tasks[0].cancel()
    assert all(task.wait(5) for task in tasks)
    assert [task.state for task in tasks] == ["cancelled"] * 2

    def fail(observe):
        raise InputError("no.")

    failed = worker.submit(fail)
    assert failed.wait(5)
    assert failed.describe()["error"] == "no."
    first = worker.submit(work)
    with pytest.raises(FullError):
        for _ in range(100):
            worker.submit(work)
    first.cancel()
    worker.close()
    assert len(ended) > 4
    assert CancelledError not in [type(task.error) for task in ended]


@pytest.mark.parametrize("shape", [(1, 1), (TILE, TILE + 1), (1301, 700, 3), (513, 2050)])
def test_pyramids(shape):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, shape, dtype=np.uint8)
    pyramid = Pyramid(image)
    assert max(pyramid.levels[-1].shape[:2]) <= TILE
    for finer, coarser in zip(pyramid.levels, pyramid.levels[1:], strict=False):
        assert coarser.shape[:2] == tuple(-(-side // 2) for side in finer.shape[:2])
    changed = image.copy()
    window = (slice(shape[0] // 3, shape[0] // 2 + 1), slice(shape[1] // 4, shape[1] // 2 + 1))
    changed[window] = 255 - changed[window]
    pyramid.update(changed, window)
    for level, expected in zip(pyramid.levels, Pyramid(changed).levels, strict=True):
        np.testing.assert_array_equal(level, expected)


def test_a_port_that_is_taken(monkeypatch):
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(InputError, match="choose another --port"):
            serve.serve("127.0.0.1", taken.getsockname()[1])
    monkeypatch.setattr(serve, "NEEDED", ("no_such_library",))
    with pytest.raises(InputError, match=r"requirements-app\.txt"):
        serve.serve("127.0.0.1", 0)


def test_remarks_reach_programs(client, files, tmp_path):
    """A foreign third frame is left out, and the answer says so: in a header, and in JSON with the image."""
    foreign = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), np.uint8)
    write_image(tmp_path / "noise.png", foreign)
    sent = parts([*files, ("noise ü.png", (tmp_path / "noise.png").read_bytes())])
    answer = client.post("/fuse", files=sent)
    assert answer.status_code == 200
    (remark,) = json.loads(answer.headers["x-remarks"])
    assert remark.startswith("noise ü.png ") and remark.endswith(", and is left out")
    told = client.post("/fuse", files=sent, headers={"Accept": "application/json"}).json()
    assert base64.b64decode(told["image"]) == answer.content
    assert (told["type"], told["remarks"], list(told["left_out"])) == ("image/png", [remark], ["2"])
    assert json.loads(client.post("/fuse", files=parts(files)).headers["x-remarks"]) == []


def test_long_remarks_fit_into_a_header():
    many = [f"frame {number} differs, and is left out" for number in range(250)]
    header = json.loads(programs._answer(b"", "image/png", {"remarks": many}, as_json=False).headers["x-remarks"])
    assert header[:2] == many[:2] and header[-1] == "... and more; the JSON answer has all"
    assert len(json.dumps(header)) <= programs.LONGEST_HEADER


def test_unknown_parameters_are_refused(client, files):
    answer = client.post("/fuse?strategie=refined", files=parts(files))
    assert answer.status_code == 422
    assert answer.json()["detail"] == "strategie: extra inputs are not permitted."
    offered = client.get("/openapi.json").json()["paths"]["/fuse"]["post"]["parameters"]
    names = {one["name"] for one in offered if one["in"] == "query"}
    assert names == {"format", *(setting.name for setting in shared_settings())}


def test_the_page_offers_the_settings(client):
    """The page's form has a control for each setting that is shared, with its choices."""
    described = client.get("/settings").json()
    assert [one["name"] for one in described] == [setting.name for setting in shared_settings()]
    for one in described:
        assert set(one) == {"name", "help", "default", "choices"} and one["help"]
