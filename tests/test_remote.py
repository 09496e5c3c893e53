"""Fetching one file from servers that lie, send too much, drip, or redirect to nowhere."""

import hashlib
import threading
from contextlib import suppress
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.datasets import remote
from data.datasets.remote import RemoteFile, check_address, fetch
from data.download import main
from data.runtime.errors import InputError, run_command

CONTENT = bytes(range(256)) * 400
FILE = RemoteFile("f.bin", "f.bin", len(CONTENT), "sha256", hashlib.sha256(CONTENT).hexdigest())
HALF = len(CONTENT) // 2
WHOLE = f"Content-Length: {len(CONTENT)}"


class Handler(BaseHTTPRequestHandler):
    """Sends what `server.answer` gives for a path and a Range header: the lines of the head, then blocks."""

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Range")))
        head, *blocks = self.server.answer(self.path, self.headers.get("Range"))
        with suppress(ConnectionError):  # the client hangs up when it has seen enough
            self.wfile.write("\r\n".join(["HTTP/1.1 " + head[0], *head[1:], "", ""]).encode("latin-1"))
            for block in blocks[0] if blocks else ():
                self.wfile.write(block)
                self.server.sent += len(block)

    def log_message(self, *_):
        """Keeps the test's output clean."""


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        running.asked, running.sent, running.stopped = [], 0, threading.Event()
        running.base = f"http://127.0.0.1:{running.server_port}"
        thread = threading.Thread(target=partial(running.serve_forever, poll_interval=0.01))
        thread.start()
        yield running
        running.stopped.set()
        running.shutdown()
        thread.join()


def always(*head, blocks=(CONTENT,)):
    return lambda path, asked: (head, blocks)


def endless(block=b"x" * 65536):
    while True:
        yield block


def get(server, folder):
    return fetch(f"{server.base}/f.bin", folder / "f.bin", FILE, quiet=True)


def begin(folder):
    (folder / "f.bin.partial").write_bytes(CONTENT[:HALF])


def assert_kept(folder):
    assert (folder / "f.bin.partial").read_bytes() == CONTENT[:HALF]
    assert [path.name for path in folder.iterdir()] == ["f.bin.partial"]


@pytest.mark.parametrize("begun", [False, True])
def test_an_endless_body_is_cut_off_and_leaves_what_was_there(server, tmp_path, begun):
    part = f"Content-Range: bytes {HALF}-{len(CONTENT) - 1}/{len(CONTENT)}"
    server.answer = lambda path, asked: (["206 Partial Content", part] if asked else ["200 OK"], endless())
    if begun:
        begin(tmp_path)
    with pytest.raises(InputError, match=f"sends more than the {FILE.size} bytes of f.bin"):
        get(server, tmp_path)
    if begun:
        assert_kept(tmp_path)
    else:
        assert list(tmp_path.iterdir()) == []
    assert server.sent < 20_000_000  # what the sockets hold


@pytest.mark.parametrize("length", [str(2 * FILE.size), str(FILE.size - 1), "abc", "-1", "1e5", "9" * 30])
def test_another_length_is_said_before_anything_is_read(server, tmp_path, length):
    server.answer = always("200 OK", f"Content-Length: {length}")
    with pytest.raises(InputError, match="announces "):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_without_a_length_the_body_counts(server, tmp_path):
    server.answer = always("200 OK")
    assert get(server, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


def test_chunks_are_read_and_bounded(server, tmp_path):
    chunks = [
        b"%x\r\n%s\r\n" % (len(CONTENT[at : at + 5000]), CONTENT[at : at + 5000]) for at in range(0, FILE.size, 5000)
    ]
    server.answer = always("200 OK", "Transfer-Encoding: chunked", blocks=[*chunks, b"0\r\n\r\n"])
    assert get(server, tmp_path)
    (tmp_path / "f.bin").unlink()

    def trailers():
        yield from [*chunks, b"0\r\n"]
        yield from endless(b"x: y\r\n" * 10000)

    server.answer = always("200 OK", "Transfer-Encoding: chunked", blocks=trailers())
    assert get(server, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT and server.sent < 20_000_000


def test_chunks_that_never_end_are_not_read_on(server, tmp_path):
    chunk = b"10000\r\n" + b"x" * 65536 + b"\r\n"
    server.answer = always("200 OK", "Transfer-Encoding: chunked", blocks=endless(chunk))
    with pytest.raises(InputError, match="so it was deleted"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == [] and server.sent < 20_000_000


def test_a_head_of_endless_lines_is_cut_off(server, tmp_path):
    server.answer = always("200 OK", *["x: y"] * 1000)
    with pytest.raises(InputError, match=r"cannot reach .*headers"):
        get(server, tmp_path)


def test_a_server_that_sends_the_whole_again_is_skipped_through(server, tmp_path):
    begin(tmp_path)
    server.answer = always("200 OK", WHOLE)
    assert get(server, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT
    assert server.asked == [("/f.bin", f"bytes={HALF}-")]


@pytest.mark.parametrize(
    "head",
    [
        ["200 OK"],
        ["200 OK", "Content-Length: 12"],
        ["200 OK", "Content-Length: abc"],
        ["404 Not Found"],
        ["416 Range Not Satisfiable"],
        ["206 Partial Content"],
        ["206 Partial Content", f"Content-Range: bytes 0-{FILE.size - 1}/{FILE.size}"],
        ["206 Partial Content", f"Content-Range: bytes {HALF}-{FILE.size - 1}/{FILE.size + 1}"],
        ["206 Partial Content", f"Content-Range: bytes {HALF}-{FILE.size + 5}/{FILE.size}"],
        ["206 Partial Content", "Content-Range: nonsense"],
        ["206 Partial Content", f"Content-Range: bytes {HALF}-{FILE.size - 1}/{FILE.size}", "Content-Length: 3"],
    ],
)
def test_what_came_before_is_kept_whatever_a_server_answers(server, tmp_path, head):
    begin(tmp_path)
    server.answer = always(*head, blocks=[b"<html>no such page</html>"])
    with pytest.raises(InputError):
        get(server, tmp_path)
    assert_kept(tmp_path)


def test_a_part_that_nobody_asked_for_is_refused(server, tmp_path):
    server.answer = always("206 Partial Content", f"Content-Range: bytes 0-{FILE.size - 1}/{FILE.size}", WHOLE)
    with pytest.raises(InputError, match="was asked for the whole file"):
        get(server, tmp_path)


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See Other", "307 Moved", "308 Moved"])
def test_redirects_are_followed(server, tmp_path, status):
    server.answer = lambda path, asked: (
        [["200 OK", WHOLE], [CONTENT]] if path == "/b%FC%20x" else [[status, "Location: /b\xfc x"], endless()]
    )
    assert get(server, tmp_path)
    assert (tmp_path / "f.bin").read_bytes() == CONTENT


@pytest.mark.parametrize(
    "location",
    [
        "/f.bin",
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "http://[bad",
        "http://x:99999999/",
        "http://",
        "data:,x",
    ],
)
def test_redirects_to_nowhere(server, tmp_path, location):
    server.answer = always("302 Found", f"Location: {location}")
    with pytest.raises(InputError, match=r"redirects .*save it as"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_host_in_other_letters_is_an_address():
    check_address("http://b\xfccher.example")


def test_a_redirect_without_an_address(server, tmp_path):
    server.answer = always("302 Found")
    with pytest.raises(InputError, match=r"answers 302 Found; .*save it as"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "address",
    ["http://[bad", "http://x:port", "http://a b", "http:///x", "ftp://x", "http://x\n"],
)
def test_addresses_that_are_none(tmp_path, capsys, address):
    assert run_command(main, ["lytro", "-o", str(tmp_path / "new"), "--url", address]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and "is no address to fetch from" in message and message.count("\n") == 1
    assert "unexpected" not in message


@pytest.mark.parametrize("head", [["200 OK", WHOLE], ["200 OK"]])
def test_a_server_that_only_drips_is_cut_off(server, tmp_path, monkeypatch, head):
    monkeypatch.setattr(remote, "RATE_SECONDS", 0.3)

    def drops():
        while not server.stopped.wait(0.05):
            yield b"1"

    server.answer = always(*head, blocks=drops())
    with pytest.raises(InputError, match="less than 1000 bytes a second"):
        get(server, tmp_path)


def test_a_silent_server_is_cut_off(server, tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "TIMEOUT_SECONDS", 0.3)

    def silence():
        yield CONTENT[:HALF]
        server.stopped.wait(20)

    server.answer = always("200 OK", WHOLE, blocks=silence())
    with pytest.raises(InputError, match=r"was cut off .timed out.; give the same command again"):
        get(server, tmp_path)
    assert_kept(tmp_path)


def test_a_part_that_is_no_file_is_not_written_through(server, tmp_path):
    server.answer = always("200 OK", WHOLE)
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "f.bin.partial").symlink_to(tmp_path / "mine")
    with pytest.raises(InputError, match="no regular file"):
        get(server, tmp_path)
    assert (tmp_path / "mine").read_bytes() == b"mine" and server.asked == []


def test_a_part_that_is_too_long_is_checked_and_removed(server, tmp_path):
    (tmp_path / "f.bin.partial").write_bytes(CONTENT + b"x")
    with pytest.raises(InputError, match="so it was deleted"):
        get(server, tmp_path)
    assert list(tmp_path.iterdir()) == [] and server.asked == []
