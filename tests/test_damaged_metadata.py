"""Photographs whose pixels are whole and whose metadata are not: on every way in they are left out with a warning."""

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from data.io.image_header import read_header
from data.io.image_io import read_image
from data.io.listing import check_stack

PICTURE = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
HUGE = zlib.compress(bytes(3 * 2**20))


def chunk(kind, content, damage=0):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content) ^ damage)


KINDS = {
    "a profile of 3 MB": chunk(b"iCCP", b"profile\0\0" + HUGE),
    "a text of 3 MB": chunk(b"iTXt", b"note\0\1\0\0\0" + HUGE),
    "a wrong checksum": chunk(b"tEXt", b"note\0hello", damage=1),
    "a short size of pixels": chunk(b"pHYs", b"\0\0\0"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_png(tmp_path, kind):
    path, other = tmp_path / "x-A.png", tmp_path / "x-B.png"
    for one in (path, other):
        Image.fromarray(PICTURE).save(one)
    whole = path.read_bytes()
    path.write_bytes(whole[:33] + KINDS[kind] + whole[33:])
    assert read_header(path).shape == (24, 32, 3)
    assert check_stack(path, other).name == "x"
    with pytest.warns(UserWarning, match="metadata of .* are damaged and left out"):
        np.testing.assert_array_equal(read_image(path), PICTURE)


def test_an_empty_profile_of_a_jpeg(tmp_path):
    path = tmp_path / "x.jpg"
    Image.fromarray(PICTURE).save(path, quality=95)
    whole = path.read_bytes()
    path.write_bytes(whole[:2] + b"\xff\xe2" + struct.pack(">H", 14) + b"ICC_PROFILE\0" + whole[2:])
    assert read_header(path).shape == (24, 32, 3)
    with pytest.warns(UserWarning, match="metadata of"):
        assert read_image(path).shape == (24, 32, 3)
