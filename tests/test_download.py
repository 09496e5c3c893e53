import hashlib
import io
import tarfile
import threading
from dataclasses import replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from data.datasets.remote import RemoteFile, fetch
from data.download import SOURCES, download, lytro_files, main, unpack_voc, vgg19_files, voc2012_files
from data.runtime.errors import InputError, run_command
from model.baselines import BASELINES
from tests.test_torch_file import ifcnn_tensors, sesf_tensors, write_old_format

CONTENT = bytes(range(256)) * 2000
FILE = RemoteFile("big.bin", "big.bin", len(CONTENT), "sha256", hashlib.sha256(CONTENT).hexdigest())


class Handler(BaseHTTPRequestHandler):
    """Serves `server.files`; knows Range where `server.ranges`; sends no more than `server.limit` bytes at once."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        body = self.server.files.get(self.path)
        if body is None:
            self.send_error(404)
            return
        start = int(self.headers.get("Range", "bytes=0-")[len("bytes=") : -1]) if self.server.ranges else 0
        if start >= len(body):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        self.end_headers()
        self.wfile.write(body[start:][: self.server.limit])

    def log_message(self, *_):
        """Keeps the test's output clean."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.files, running.ranges, running.limit, running.asked = {"/big.bin": CONTENT}, True, None, []
        running.base = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_fetch_then_skip(server, tmp_path):
    target = tmp_path / "big.bin"
    assert fetch(f"{server.base}/big.bin", target, FILE, quiet=True)
    assert target.read_bytes() == CONTENT
    assert not fetch(f"{server.base}/big.bin", target, FILE, quiet=True)
    assert len(server.asked) == 1 and list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("ranges", [True, False])
def test_cut_connection_keeps_what_came_and_goes_on(server, tmp_path, ranges):
    target = tmp_path / "big.bin"
    server.limit, server.ranges = 100_000, ranges
    with pytest.raises(InputError, match=r"ended after 100000 of 512000 bytes; give the same command again"):
        fetch(f"{server.base}/big.bin", target, FILE, quiet=True)
    assert not target.exists()
    server.limit = None
    assert fetch(f"{server.base}/big.bin", target, FILE, quiet=True)
    assert target.read_bytes() == CONTENT
    assert server.asked == [("/big.bin", None), ("/big.bin", "bytes=100000-")]


def test_complete_part_is_only_checked(server, tmp_path):
    (tmp_path / "big.bin.partial").write_bytes(CONTENT)
    assert fetch(f"{server.base}/big.bin", tmp_path / "big.bin", FILE, quiet=True)
    assert (tmp_path / "big.bin").read_bytes() == CONTENT


def test_wrong_hash_is_deleted(server, tmp_path):
    server.files["/big.bin"] = CONTENT[:-1] + b"x"
    with pytest.raises(InputError, match=rf"not {FILE.digest}\), so it was deleted"):
        fetch(f"{server.base}/big.bin", tmp_path / "big.bin", FILE, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_foreign_file_in_the_place_is_not_touched(server, tmp_path):
    (tmp_path / "big.bin").write_text("mine")
    with pytest.raises(InputError, match=r"big.bin is not the file expected"):
        fetch(f"{server.base}/big.bin", tmp_path / "big.bin", FILE, quiet=True)
    assert (tmp_path / "big.bin").read_text() == "mine" and server.asked == []


def test_missing_on_the_server_and_no_server(server, tmp_path):
    with pytest.raises(InputError, match=r"other.bin answers 404 .*; give another with --url, or .*big.bin"):
        fetch(f"{server.base}/other.bin", tmp_path / "big.bin", FILE, quiet=True)
    with pytest.raises(InputError, match=r"cannot reach http://127.0.0.1:9/x .* save it as .*big.bin"):
        fetch("http://127.0.0.1:9/x", tmp_path / "big.bin", FILE, quiet=True)
    assert list(tmp_path.iterdir()) == []


def test_lytro_addresses_and_the_photographs_here(lytro):
    files = lytro_files()
    assert [file.name for file in files] == sorted(f"lytro-{n:02}-{s}.jpg" for n in range(1, 21) for s in "AB")
    assert files[1].address == "lytro_01/lytro_01_B.jpg" and files[-2].address == "lytro_20/lytro_20_A.jpg"
    for file in files:
        content = (lytro / file.name).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (file.digest, file.size)


def test_sizes_of_the_large_files():
    # As Content-Length of the official addresses; a server that sends more is cut off there.
    assert [file.size for file in (*voc2012_files(), *vgg19_files())] == [1_999_639_040, 80_134_624]


def test_lytro_is_fetched_whole_and_only_what_is_missing(server, tmp_path, lytro, capsys):
    for file in lytro_files():
        server.files[f"/mirror/{file.address}"] = (lytro / file.name).read_bytes()
    (tmp_path / "lytro-07-B.jpg").write_bytes((lytro / "lytro-07-B.jpg").read_bytes())
    assert main(["lytro", "-o", str(tmp_path), "--url", f"{server.base}/mirror/"]) == 0
    assert "40 checked" in capsys.readouterr().out
    assert len(server.asked) == 39 and len(list(tmp_path.iterdir())) == 40


def voc_archive(path: Path, members: dict[str, bytes]) -> bytes:
    with tarfile.open(path, "w") as tar:
        for name, body in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            tar.addfile(info, io.BytesIO(body))
    return path.read_bytes()


VOC_MEMBERS = {
    "VOCdevkit/VOC2012/JPEGImages/a.jpg": b"image",
    "VOCdevkit/VOC2012/SegmentationClass/a.png": b"label",
    "VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt": b"a\n",
    "VOCdevkit/VOC2012/Annotations/a.xml": b"not needed",
    "README": b"not needed",
}


def test_voc_is_fetched_and_unpacked_once(server, tmp_path, monkeypatch):
    body = voc_archive(tmp_path / "made.tar", VOC_MEMBERS)
    server.files["/voc.tar"] = body
    files = [RemoteFile("voc.tar", "voc.tar", len(body), "md5", hashlib.md5(body).hexdigest())]
    monkeypatch.setitem(SOURCES, "voc2012", replace(SOURCES["voc2012"], bases=(server.base,), files=lambda: files))
    folder = tmp_path / "data"
    assert "is complete" in download("voc2012", folder, quiet=True)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert found == {"voc.tar", *list(VOC_MEMBERS)[:3]}
    assert "there already" in download("voc2012", folder, quiet=True)
    assert len(server.asked) == 1
    (folder / "VOCdevkit/VOC2012/JPEGImages").rename(folder / "elsewhere")
    with pytest.raises(InputError, match="lacks JPEGImages"):
        download("voc2012", folder, quiet=True)


def test_the_second_address_is_asked_where_the_first_fails(server, tmp_path, monkeypatch, capsys):
    server.files["/x"] = b"content"
    files = [RemoteFile("x", "x", 7, "md5", hashlib.md5(b"content").hexdigest())]
    down = "http://127.0.0.1:9"
    source = replace(SOURCES["vgg19"], bases=(down, server.base), files=lambda: files)
    monkeypatch.setitem(SOURCES, "vgg19", source)
    assert "1 fetched" in download("vgg19", tmp_path, quiet=True)
    assert (tmp_path / "x").read_bytes() == b"content"
    assert f"warning: cannot reach {down}/x" in capsys.readouterr().err
    monkeypatch.setitem(SOURCES, "vgg19", replace(source, bases=(down, f"{down}/other")))
    assert "0 fetched" in download("vgg19", tmp_path, quiet=True)
    (tmp_path / "x").unlink()
    with pytest.raises(InputError, match=r"cannot reach http://127.0.0.1:9/other/x"):
        download("vgg19", tmp_path, quiet=True)


DECODER = {"conv_decode_1": (64, 64), "conv_decode_2": (64, 32), "conv_decode_3": (32, 16), "conv_decode_4": (16, 1)}


def published(what):
    """Random tensors as the authors' file has them; of SESF-Fuse also those of the decoder, which fusion leaves out."""
    rng = np.random.default_rng(0)
    if what == "ifcnn":
        return ifcnn_tensors(rng)
    tensors = sesf_tensors(rng)
    for name, (channels, filters) in DECODER.items():
        parts = {"0.weight": (filters, channels, 3, 3), **dict.fromkeys(("0.bias", "2.weight", "2.bias"), (filters,))}
        parts |= dict.fromkeys(("2.running_mean", "2.running_var"), (filters,))
        tensors |= {f"{name}.{part}": rng.random(shape).astype(np.float32) for part, shape in parts.items()}
    return tensors


def serve_weights(what, tensors, server, folder, monkeypatch):
    """Serves a file of these tensors where the authors' is looked for, as if it had the right size."""
    write_old_format(folder / "served", tensors, monkeypatch)
    (file,) = SOURCES[what].files()
    body = (folder / "served").read_bytes()
    server.files[f"/{file.address}"] = body
    files = [replace(file, size=len(body))]
    monkeypatch.setitem(SOURCES, what, replace(SOURCES[what], bases=(server.base,), files=lambda: files))
    return folder / "out" / file.name


def test_where_the_weights_of_others_are():
    addresses = [
        f"{base}/{file.address}"
        for name in ("ifcnn", "sesf")
        for base in SOURCES[name].bases
        for file in SOURCES[name].files()
    ]
    assert addresses[:2] == [
        "https://raw.githubusercontent.com/uzeful/IFCNN/master/Code/snapshots/IFCNN-MAX.pth",
        "https://raw.githubusercontent.com/Keep-Passion/SESF-Fuse/master/nets/parameters/lp+lssim_se_sf_net_times30.pkl",
    ]
    assert [file.size for name in ("ifcnn", "sesf") for file in SOURCES[name].files()] == [337_094, 311_937]


@pytest.mark.parametrize("counted", [True, False])
@pytest.mark.parametrize("what", ["ifcnn", "sesf"])
def test_weights_of_others_are_told_by_their_tensors(what, counted, server, tmp_path, monkeypatch, capsys):
    tensors = published(what)
    if counted:  # as versions of PyTorch from 0.4.1 on write it
        counters = [name.replace("running_mean", "num_batches_tracked") for name in tensors if "running_mean" in name]
        tensors |= dict.fromkeys(counters, np.array(3, np.int64))
    target = serve_weights(what, tensors, server, tmp_path, monkeypatch)
    assert main([what, "-o", str(target.parent)]) == 0
    assert f"its sha256 is {hashlib.sha256(target.read_bytes()).hexdigest()}." in capsys.readouterr().out
    BASELINES[what].method(target)
    assert "0 fetched, 1 there before" in download(what, target.parent, quiet=True)
    target.write_bytes(target.read_bytes() + b"x")
    with pytest.raises(InputError, match=r"not the file expected \(it has \d+ bytes, not \d+\); remove or rename"):
        download(what, target.parent, quiet=True)


@pytest.mark.parametrize(
    ("what", "change", "message"),
    [
        ("ifcnn", {"conv5.weight": np.zeros(3, np.float32)}, r"'conv5.weight' is \[3\] and should be None"),
        ("ifcnn", {"conv4.bias": None}, r"'conv4.bias' is None and should be \[3\]"),
        ("ifcnn", {"conv4.bias": np.zeros((3, 1), np.float32)}, r"'conv4.bias' is \[3, 1\] and should be \[3\]"),
        ("ifcnn", {"conv4.bias": np.full(3, np.nan, np.float32)}, "NaN"),
        ("sesf", {"se_1.fc.0.weight": None}, r"'se_1.fc.0.weight' is None and should be \[2, 16\]"),
        ("sesf", {"se_1.fc.0.weight": None, "se_1.SSE.fc.0.weight": np.zeros((1, 16, 1, 1), np.float32)}, "SSE"),
    ],
)
def test_weights_of_another_network_are_deleted(what, change, message, server, tmp_path, monkeypatch):
    changed = {name: values for name, values in (published(what) | change).items() if values is not None}
    target = serve_weights(what, changed, server, tmp_path, monkeypatch)
    with pytest.raises(InputError, match=rf"{message}.*so it was deleted"):
        download(what, target.parent, quiet=True)
    assert list(target.parent.iterdir()) == []


def test_what_is_no_weights_file_is_deleted(server, tmp_path, monkeypatch):
    target = serve_weights("ifcnn", published("ifcnn"), server, tmp_path, monkeypatch)
    body = server.files["/Code/snapshots/IFCNN-MAX.pth"]
    server.files["/Code/snapshots/IFCNN-MAX.pth"] = b"import os".ljust(len(body))
    with pytest.raises(InputError, match=r"no dictionary of tensors.*so it was deleted"):
        download("ifcnn", target.parent, quiet=True)
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({**VOC_MEMBERS, "VOCdevkit/VOC2012/JPEGImages/../../../../evil": b"x"}, "cannot unpack .*outside"),
        ({"VOCdevkit/VOC2012/JPEGImages/a.jpg": b"image"}, "has no VOCdevkit/VOC2012/SegmentationClass"),
    ],
)
def test_archives_that_are_refused_leave_nothing(tmp_path, members, message):
    voc_archive(tmp_path / "voc.tar", members)
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match=message):
        unpack_voc(tmp_path / "voc.tar", tmp_path / "inner", quiet=True)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["inner", "voc.tar"]


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_archives_are_refused(tmp_path, kind):
    secret = tmp_path / "secret"
    secret.write_text("not for others")
    voc_archive(tmp_path / "voc.tar", VOC_MEMBERS)
    with tarfile.open(tmp_path / "voc.tar", "a") as tar:
        info = tarfile.TarInfo("VOCdevkit/VOC2012/JPEGImages/b.jpg")
        info.type, info.linkname = kind, str(secret)
        tar.addfile(info)
    (tmp_path / "inner").mkdir()
    with pytest.raises(InputError, match=r"cannot unpack .*voc.tar"):
        unpack_voc(tmp_path / "voc.tar", tmp_path / "inner", quiet=True)
    assert list((tmp_path / "inner").iterdir()) == []
    assert secret.read_text() == "not for others"


@pytest.mark.parametrize("keep", [0, 300, 3000])
def test_damaged_archive_is_one_sentence(tmp_path, keep):
    path = tmp_path / "voc.tar"
    path.write_bytes(voc_archive(path, VOC_MEMBERS)[:keep] if keep else b"no tar at all" * 100)
    with pytest.raises(InputError, match=r"voc.tar"):
        unpack_voc(path, tmp_path, quiet=True)
    assert list(tmp_path.iterdir()) == [path]


def test_command_line(server, tmp_path, capsys, monkeypatch):
    files = [FILE]
    monkeypatch.setitem(SOURCES, "vgg19", replace(SOURCES["vgg19"], bases=(server.base,), files=lambda: files))
    assert run_command(main, ["vgg19", "-o", str(tmp_path / "new"), "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")
    assert run_command(main, ["vgg19", "-o", str(tmp_path / "new" / "big.bin")]) == 1
    assert "is a file" in capsys.readouterr().err
    assert run_command(main, ["vgg19", "-o", str(tmp_path), "--url", "ftp://x"]) == 1
    assert "must begin with http" in capsys.readouterr().err
    assert run_command(main, ["vgg19", "-o", str(tmp_path), "--url", "ftp://x", "--debug"]) == 1
    assert "Traceback" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["imagenet", "-o", str(tmp_path)])
    assert stopped.value.code == 2
