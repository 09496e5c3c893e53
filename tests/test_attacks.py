"""Attacks at random: whatever is in a folder and whatever is asked, nothing is replaced, nothing hangs, no traceback.

`make test` tries some for seconds, `make test-long` for ten minutes, each attack from a number that a failure names.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import cv2
import numpy as np
import pytest
from PIL import Image

import evaluate
import fuse
from data.io.image_io import read_image, write_image
from data.runtime.errors import run_command
from tests.conftest import REPOSITORY, drawn_photograph

HANGS_AFTER = 120
"""Seconds for an attack on images of a thousand pixels, on a busy machine."""

SUFFIXES = ("png", "jpg", "tif", "webp", "bmp")
KINDS = {"png": "PNG", "jpg": "JPEG", "tif": "TIFF", "webp": "WEBP", "bmp": "BMP"}
NAMES = ("x", "pic", "pic-panel", "$x^{$", "=cmd()", "a b", "[l](u)", "..x", "\udcff", "x\u202ey", "x\ny", "\u0130")
IMAGES = {f".{suffix}" for suffix in SUFFIXES}
SIZES = ((24, 32), (24, 32), (24, 32), (1, 1), (1, 40), (40, 1), (2, 2), (8, 9), (33, 17))
METHODS = ("pca", "dwt", "msvd", "gd", "mgivf", "nmei", "mst-sr")


class Hang(BaseException):
    """Not an Exception, so that nothing takes it for a scene's failure."""


def picture(rng, size):
    image = drawn_photograph(rng, *size)
    kind = rng.integers(4)
    return image[..., 0] if kind == 0 else image.astype(np.uint16) * 257 if kind == 1 else image


def encoded(rng, image, suffix):
    content = io.BytesIO()
    exif = Image.Exif()
    exif[0x010F], exif[0x8769] = "Maker", {0x829A: 0.02, 0x927C: bytes(int(rng.choice([10, 70_000])))}
    if image.dtype == np.uint16:
        return cv2.imencode(".png", image)[1].tobytes()
    with contextlib.suppress(ValueError):
        options = {"exif": exif.tobytes()} if rng.random() < 0.3 else {}
        Image.fromarray(image).save(content, KINDS[suffix], **options)
    return content.getvalue()


def damaged(rng, content):
    data = bytearray(content)
    for _ in range(int(rng.integers(0, 6))):
        if data:
            last = len(data) if rng.random() < 0.5 else min(300, len(data))
            data[rng.integers(last)] = rng.integers(256)
    if rng.random() < 0.3:
        data = data[: rng.integers(len(data) + 1)]
    if rng.random() < 0.2:
        data += b"\xff\xd9"
    return bytes(data)


def plant(rng, folder, name):
    """Puts one thing into a folder that looks like a photograph by its name."""
    path = folder / name
    kind = rng.integers(12)
    if os.path.lexists(path):
        return
    if kind == 0:
        os.mkfifo(path)
    elif kind == 1:
        path.symlink_to(rng.choice(["/dev/zero", "/dev/null", "absent", str(folder), str(path)]))
    elif kind == 2:
        path.mkdir()
    elif kind == 3:
        with path.open("wb") as file:
            file.truncate(40 * 2**30)
    else:
        size = SIZES[rng.integers(len(SIZES))]
        content = encoded(rng, picture(rng, size), str(rng.choice(SUFFIXES)))
        path.write_bytes(damaged(rng, content) if kind < 8 else content)


def fill(rng, folder):
    """Scenes of which some are whole."""
    for number in range(int(rng.integers(1, 4))):
        name = str(rng.choice(NAMES)) + str(rng.choice(["", str(number)]))
        size, whole = SIZES[rng.integers(len(SIZES))], rng.random() < 0.5
        for side in "AB" if rng.random() < 0.8 else "ABC":
            path = folder / f"{name}-{side}.{rng.choice(SUFFIXES) if not whole else 'png'}"
            if whole and not os.path.lexists(path):
                path.write_bytes(encoded(rng, drawn_photograph(rng, *size), "png"))
            else:
                plant(rng, folder, path.name)
    if rng.random() < 0.3:
        plant(rng, folder, str(rng.choice(["stray.png", "pic-panel.png", "pic-labels.png", "x-M1.png", "A.png"])))


def command(rng, folder, output):
    """Words of a command line that may or may not make sense."""
    words = []
    files = sorted(folder.iterdir())
    if rng.random() < 0.6:
        words += ["-i", folder]
    else:
        words += [files[rng.integers(len(files))] for _ in range(int(rng.integers(2, 4)))]
    targets = [output, output, folder, output / "pic.png", folder / "pic.png", files[rng.integers(len(files))]]
    words += ["-o", targets[rng.integers(len(targets))]]
    words += ["--method", str(rng.choice(METHODS))] if rng.random() < 0.5 else ["--strategy", "refined"]
    for option, share in {"--overwrite": 0.4, "--resume": 0.3, "--panel": 0.2, "--save-maps": 0.3}.items():
        words += [option] if rng.random() < share else []
    if rng.random() < 0.3:
        reports = ["-", output / "report.json", files[0], folder / "report.json", output / ".fused" / "pic.png.json"]
        words += ["--json", reports[rng.integers(len(reports))]]
    for option in ("--no-align", "--align-only", "--strict", "--depth-map"):
        words += [option] if rng.random() < 0.1 else []
    words += ["--crop", "none"] if rng.random() < 0.1 else []
    words += ["--alpha", "drop"] if rng.random() < 0.2 else []
    words += ["--format", str(rng.choice(["jpg", "tif", "bmp"]))] if rng.random() < 0.3 else []
    words += ["--shard", str(rng.choice(["1/2", "2/2"]))] if rng.random() < 0.1 else []
    return [str(word) for word in words]


def contents(folder):
    """Path to a digest, or to what kind of thing it is."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_symlink():
            found[path] = os.readlink(path)  # noqa: PTH115 - as it is written
        elif path.is_file():
            large = path.stat().st_size > 2**30
            found[path] = "large" if large else hashlib.sha256(path.read_bytes()).hexdigest()
        elif not path.is_dir():
            found[path] = "special"
    return found


def may_change(words, source, before):
    """What a command may replace: manifests; with --overwrite all but the photographs that it reads."""
    manifests = {path for path in before if path.parent.name == ".fused"}
    if "--overwrite" not in words:
        return manifests
    if "-i" in words:
        return {path for path in before if path.parent != source or path.stem[-2:] not in ("-A", "-B", "-C")}
    images = words[: words.index("-o")]
    return {
        path
        for path in before
        if str(path) not in images and os.path.realpath(path) not in map(os.path.realpath, images)
    }


def run(main, words):
    """Exit code, and what was said; a hang is an error."""

    def hang(*_):
        raise Hang

    said = io.StringIO()
    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(HANGS_AFTER)
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
            code = run_command(main, words)
    except SystemExit as stop:
        code = stop.code
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return code, said.getvalue()


def attack(number, folder):
    rng = np.random.default_rng(number)
    source, output = folder / "in", folder / "out"
    source.mkdir()
    output.mkdir()
    fill(rng, source)
    if not any(source.iterdir()):
        return
    if rng.random() < 0.3:
        (output / "pic.png").write_bytes(b"mine")
    for _ in range(2):
        words = command(rng, source, output)
        before = contents(folder)
        code, said = run(fuse.main, words)
        what = f"attack {number}: {words}\n{said}"
        assert code in (0, 1, 2), what
        assert "Traceback" not in said and "unexpected" not in said, what
        after = contents(folder)
        for path, digest in before.items():
            if path in may_change(words, source, before):
                continue
            assert after.get(path) == digest, f"{path} was replaced by {what}"
        for path in after.keys() - before.keys():
            if path.suffix in IMAGES:  # what is new is whole, whatever else went wrong
                assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED) is not None, what
    manifest = output / ".fused"
    if manifest.is_dir() and rng.random() < 0.5:
        for path in manifest.iterdir():
            path.write_text(str(rng.choice(["{", "[]", '{"results": 3}', json.dumps({"sources": {}})])))
        run(fuse.main, ["-i", str(source), "-o", str(output), "--resume", "--method", "pca"])
    words = ["--source", source, "--fused", f"m={output}", "-o", folder / "tables", "--metrics", "q_sf"]
    code, said = run(evaluate.main, list(map(str, words)))
    assert code in (0, 1) and "Traceback" not in said and "unexpected" not in said, f"attack {number}: {said}"


@pytest.fixture
def loaded_once(monkeypatch):
    """A fuser for all attacks: loading one takes longer than fusing."""
    from model import load_fuser

    once = functools.cache(lambda: load_fuser(strategy="refined"))
    monkeypatch.setattr("model.load_fuser", lambda *_, **__: once())


def attack_for(seconds, first, tmp_path):
    end, number = time.monotonic() + seconds, first
    while time.monotonic() < end:
        folder = tmp_path / str(number)
        folder.mkdir()
        attack(number, folder)
        shutil.rmtree(folder)
        number += 1
    assert number > first


def test_attacks(tmp_path, loaded_once):
    attack_for(8, 0, tmp_path)


@pytest.mark.long
def test_attacks_for_ten_minutes(tmp_path, loaded_once):
    attack_for(600, 1000, tmp_path)


@pytest.mark.long
def test_kills_with_the_default_strategy(tmp_path):
    """Thirty kills at any moment; what is there is whole, and the end is that of a run that nobody disturbed."""
    rng = np.random.default_rng(0)
    for scene in range(12):
        sharp = drawn_photograph(rng, 96, 128)
        blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
        near = np.arange(128)[None, :, None] < 40 + 4 * scene
        write_image(tmp_path / "in" / f"s{scene}-A.png", np.where(near, sharp, blurred))
        write_image(tmp_path / "in" / f"s{scene}-B.png", np.where(near, blurred, sharp))
    sources = contents(tmp_path / "in")
    options = ["--save-maps", "--panel", "--quiet", "--resume"]
    words = [sys.executable, REPOSITORY / "fuse.py", "-i", tmp_path / "in", "-o", "out", *options]
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    undisturbed.mkdir()
    disturbed.mkdir()
    started = time.monotonic()
    subprocess.run(words, cwd=undisturbed, check=True)
    whole = time.monotonic() - started
    for _ in range(30):
        for path in (disturbed / "out").glob("s*.png"):
            if rng.random() < 0.2:
                path.unlink()  # so that there is always something to do
        process = subprocess.Popen(words, cwd=disturbed, stderr=subprocess.PIPE, text=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(rng.uniform(0.5, 1) * whole)
        process.kill()
        assert "Traceback" not in process.communicate()[1]
        for path in (disturbed / "out").glob("s*.png"):
            assert read_image(path).size
    assert contents(tmp_path / "in") == sources
    subprocess.run(words, cwd=disturbed, check=True)
    # The settings and sources are the same, so the manifests are too; nothing of the killed runs is left.
    first, second = (
        {path.relative_to(folder): digest for path, digest in contents(folder).items()}
        for folder in (undisturbed, disturbed)
    )
    assert first == second
