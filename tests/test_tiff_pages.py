"""Forms of TIFF: thumbnails beside the picture, several pages, floating point."""

import io
import struct

import numpy as np
import pytest
import tifffile

from data.io.image_io import read_image
from data.io.tiff_pages import count_pages, is_floating
from data.runtime.errors import InputError

PICTURE = np.random.default_rng(0).integers(0, 65536, (40, 56, 3), dtype=np.uint16)


@pytest.mark.parametrize("form", [{}, {"bigtiff": True}, {"byteorder": ">"}])
def test_a_thumbnail_is_no_page(tmp_path, form):
    path = tmp_path / "x.tif"
    with tifffile.TiffWriter(path, **form) as file:
        file.write(PICTURE, photometric="rgb")
        file.write(PICTURE[::4, ::4], photometric="rgb", subfiletype=1)
    with path.open("rb") as opened:
        assert count_pages(opened) == 1 and not is_floating(opened)
    np.testing.assert_array_equal(read_image(path), PICTURE)


def test_several_pages_are_refused_with_their_number(tmp_path):
    path = tmp_path / "zstack.tif"
    tifffile.imwrite(path, np.zeros((8, 20, 30), np.uint8))
    with pytest.raises(InputError, match=r"several images, 8 pages; fuse\.py takes such a file alone"):
        read_image(path)


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.float64])
@pytest.mark.parametrize("channels", [1, 3])
def test_floating_point_is_refused_for_its_reason(tmp_path, kind, channels):
    path = tmp_path / "x.tif"
    tifffile.imwrite(
        path, np.zeros((20, 30, 3)[: 2 + channels // 3], kind), photometric="rgb" if channels == 3 else "minisblack"
    )
    with pytest.raises(InputError, match="its pixels are floating-point; convert it"):
        read_image(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"II*\0", b"II*\0\x08\0\0\0" + b"\xff" * 40, b"MM\0*\0\0\0\x08\0\x01" + bytes(20), b"II+\0" + bytes(30)],
)
def test_damage_is_no_page(content):
    assert count_pages(io.BytesIO(content)) in (0, 1) and not is_floating(io.BytesIO(content))


@pytest.mark.parametrize("value", [2**62, 2**64 - 1])
def test_places_beyond_any_file_are_no_page(value):
    start = b"II+\0\x08\0\0\0"
    assert count_pages(io.BytesIO(start + struct.pack("<Q", value))) == 0
    entry = struct.pack("<HHQQ", 339, 3, 9, value)  # SampleFormat, nine values elsewhere
    content = start + struct.pack("<QQ", 16, 1) + entry + bytes(8)
    assert not is_floating(io.BytesIO(content))


def test_directories_in_a_circle_end():
    directory = b"\x00\x00" + b"\x08\0\0\0"
    assert count_pages(io.BytesIO(b"II*\0\x08\0\0\0" + directory + bytes(10))) == 1
