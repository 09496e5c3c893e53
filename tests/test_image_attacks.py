"""Image files that lie: about their size, their end, their range, their metadata, or how much work they are."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from data.io.image_header import read_size
from data.io.image_io import read_image, read_photograph, write_image
from data.io.metadata import LARGEST_BLOCK, Metadata
from data.runtime.errors import InputError
from tests.conftest import drawn_photograph, put_endless
from tests.test_image_io import png_chunk

CLAIMED = 13_000


def photograph(height=32, width=32, gray=False):
    image = drawn_photograph(np.random.default_rng(0), height, width)
    return image[..., 0].copy() if gray else image


def encoded(kind, image=None, **options):
    content = io.BytesIO()
    Image.fromarray(photograph() if image is None else image).save(content, kind, **options)
    return content.getvalue()


def refused(path, content, message):
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_image(path)


def true_profile():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def large_profile(size):
    """A profile of so many bytes, with a true header, that compresses badly."""
    body = np.random.default_rng(0).integers(0, 256, size - 128, np.uint8).tobytes()
    header = bytearray(true_profile()[:128])
    header[:4] = struct.pack(">I", size)
    return bytes(header) + body


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 4}])
@pytest.mark.parametrize("gray", [False, True])
def test_a_jpeg_with_half_of_its_data_and_an_end_marker(tmp_path, options, gray):
    content = encoded("JPEG", photograph(64, 64, gray), quality=90, **options)
    refused(tmp_path / "x.jpg", content[: len(content) // 2] + b"\xff\xd9", "damaged or cut short")


def test_what_cameras_do_to_jpegs_is_no_damage(tmp_path):
    content = encoded("JPEG", quality=90)
    (tmp_path / "x.jpg").write_bytes(content)
    expected = read_image(tmp_path / "x.jpg")
    for changed in (content[:-2] + bytes(16) + b"\xff\xd9", content + b"a video behind it", content + bytes(1000)):
        (tmp_path / "x.jpg").write_bytes(changed)
        np.testing.assert_array_equal(read_image(tmp_path / "x.jpg"), expected)


def claiming_jpeg():
    content = bytearray(encoded("JPEG"))
    place = content.index(b"\xff\xc0") + 5
    content[place : place + 4] = struct.pack(">HH", CLAIMED, CLAIMED)
    return bytes(content)


def claiming_png(depth=8, color=2, interlaced=0):
    """Rows of 32 pixels that claim to be 13,000 of 13,000, with right checksums."""
    channels = {0: 1, 2: 3, 3: 1, 6: 4}[color]
    row = b"\0" + bytes(range(1, 1 + 32 * channels * depth // 8))
    header = struct.pack(">IIBBBBB", CLAIMED, CLAIMED, depth, color, 0, 0, interlaced)
    palette = png_chunk(b"PLTE", bytes(range(255)) * 3 + b"abc") if color == 3 else b""
    parts = png_chunk(b"IHDR", header) + palette + png_chunk(b"IDAT", zlib.compress(row * 32))
    return b"\x89PNG\r\n\x1a\n" + parts + png_chunk(b"IEND", b"")


def claiming_tiff(sides=(256, 257), **options):
    content = bytearray(encoded("TIFF", **options))
    (start,) = struct.unpack_from("<I", content, 4)
    for number in range(struct.unpack_from("<H", content, start)[0]):
        place = start + 2 + 12 * number
        if struct.unpack_from("<H", content, place)[0] in sides:
            content[place + 2 : place + 12] = struct.pack("<HII", 4, 1, CLAIMED)
    return bytes(content)


def claiming_bmp():
    content = bytearray(encoded("BMP"))
    content[18:26] = struct.pack("<II", CLAIMED, CLAIMED)
    return bytes(content)


CLAIMING = {
    "jpeg": claiming_jpeg,
    "png": claiming_png,
    "palette png": lambda: claiming_png(color=3),
    "gray png": lambda: claiming_png(color=0),
    "16-bit png": lambda: claiming_png(16, 2),
    "16-bit gray png": lambda: claiming_png(16, 0),
    "interlaced png": lambda: claiming_png(interlaced=1),
    "tiff": claiming_tiff,
    "tall tiff": lambda: claiming_tiff((257,)),
    "tall deflated tiff": lambda: claiming_tiff((257,), compression="tiff_adobe_deflate"),
    "lzw tiff": lambda: claiming_tiff(compression="tiff_lzw"),
    "deflated tiff": lambda: claiming_tiff(compression="tiff_adobe_deflate"),
    "bmp": claiming_bmp,
}


@pytest.mark.parametrize("kind", CLAIMING)
def test_few_pixels_that_claim_to_be_many(tmp_path, kind):
    refused(tmp_path / "x", CLAIMING[kind](), r"damaged or cut short|fewer pixels than it says|not supported")


@pytest.mark.parametrize(("depth", "color"), [(8, 2), (8, 0), (16, 2), (16, 0), (8, 3)])
@pytest.mark.parametrize("interlaced", [0, 1])
@pytest.mark.parametrize("size", [(1, 1), (2, 3), (9, 5), (1, 40)])
def test_a_black_png_is_whole_and_one_row_less_is_not(tmp_path, depth, color, interlaced, size):
    height, width = size
    bits = depth * {0: 1, 2: 3, 3: 1}[color]
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    sides = [(-(-(width - x) // dx), -(-(height - y) // dy)) for x, y, dx, dy in passes] if interlaced else [size[::-1]]
    rows = b"".join(bytes(1 + -(-columns * bits // 8)) * lines for columns, lines in sides if columns > 0)
    parts = [png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, interlaced))]
    parts += [png_chunk(b"PLTE", bytes(6))] if color == 3 else []
    for content in (rows, rows[:-1]):
        whole = b"".join([b"\x89PNG\r\n\x1a\n", *parts, png_chunk(b"IDAT", zlib.compress(content))])
        path = tmp_path / "x.png"
        path.write_bytes(whole + png_chunk(b"IEND", b""))
        if content == rows:
            assert not read_image(path).any()
        else:
            with pytest.raises(InputError):
                read_image(path)


def test_12_bits_of_a_tiff_reach_white(tmp_path):
    values = np.array([[0, 1, 2047, 4095], [4095, 1000, 16, 0]], np.uint16)
    packed = b"".join(struct.pack(">I", int(a) << 12 | int(b))[1:] for a, b in values.reshape(-1, 2))
    entries = [(256, 3, 1, 4), (257, 3, 1, 2), (258, 3, 1, 12), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 122)]
    entries += [(277, 3, 1, 1), (278, 3, 1, 2), (279, 4, 1, len(packed))]
    head = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *one) for one in entries)
    (tmp_path / "x.tif").write_bytes(head + bytes(122 - len(head)) + packed)
    image = read_image(tmp_path / "x.tif")
    assert image.dtype == np.uint16
    np.testing.assert_array_equal(image, np.rint(values.astype(np.float64) * 65535 / 4095))
    assert image.max() == 65535


@pytest.mark.parametrize("filling", [b"", b"\0", b"\xff\xff"])
def test_a_progressive_jpeg_of_thousands_of_scans(tmp_path, filling):
    content = encoded("JPEG", photograph(64, 64), progressive=True)
    (tmp_path / "x.jpg").write_bytes(content)
    assert read_image(tmp_path / "x.jpg").shape == (64, 64, 3)
    last = content.rindex(b"\xff\xda")
    second = content.index(b"\xff\xdb")
    many = content[:second] + filling + content[second:last] + content[last:-2] * 5000 + b"\xff\xd9"
    refused(tmp_path / "x.jpg", many, "more than 100 scans")


def test_a_tiff_of_many_pages(tmp_path):
    pages = 50_000
    entry = struct.pack("<HHHII", 1, 256, 4, 1, 8)
    content = bytearray(encoded("TIFF"))
    first = len(content)
    (start,) = struct.unpack_from("<I", content, 4)
    link = start + 2 + 12 * struct.unpack_from("<H", content, start)[0]
    content[link : link + 4] = struct.pack("<I", first)
    moved = b"".join(
        entry + struct.pack("<I", first + 18 * (number + 1) if number < pages - 1 else 0) for number in range(pages)
    )
    refused(tmp_path / "x.tif", bytes(content) + moved, "holds several images")


@pytest.mark.parametrize("name", ["pipe", "device", "sparse"])
def test_what_is_no_regular_file(tmp_path, name):
    path = tmp_path / "x.png"
    put_endless(path, name)
    for read in (read_image, read_size):
        with pytest.raises(InputError, match="pipe, socket or device" if name != "sparse" else "at most"):
            read(path)


def described():
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0132] = "Maker", "Model", "2026:01:01 00:00:00"
    exif[0x8769] = {0x829A: 0.02, 0x829D: 2.8, 0x9003: "2026:01:01 00:00:00", 0x927C: bytes(range(40))}
    exif[0x8825] = {1: "N", 2: (1.0, 2.0, 3.0), 3: "E", 4: (4.0, 5.0, 6.0)}
    return exif.tobytes()


def read_with_mutated_exif(kind, path, data):
    exif = described()
    content = bytearray(encoded(kind, exif=exif))
    body = exif.removeprefix(b"Exif\0\0")
    start = bytes(content).index(body)
    for _ in range(data.draw(st.integers(1, 5))):
        content[start + data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    if kind == "PNG":
        content[start + len(body) : start + len(body) + 4] = struct.pack(
            ">I", zlib.crc32(content[start - 4 : start + len(body)])
        )
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image, metadata = read_photograph(path)
    # Whatever the block says, it is the same photograph, turned at most.
    path.write_bytes(encoded(kind))
    np.testing.assert_array_equal(np.sort(image, axis=None), np.sort(read_image(path), axis=None))
    read_size(path)
    for suffix in (".jpg", ".png", ".tif", ".webp"):  # and what is carried over can be read again
        result = path.with_suffix(suffix)
        write_image(result, image, metadata=metadata)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            again, carried = read_photograph(result)
        assert again.shape == image.shape
        assert bool(carried.exif) == bool(metadata.exif)


IN_ONE_FILE = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=60, deadline=None, suppress_health_check=IN_ONE_FILE)
@given(data=st.data())
def test_mutated_exif_keeps_no_photograph_from_being_read(kind, tmp_path, data):
    read_with_mutated_exif(kind, tmp_path / "x", data)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@settings(max_examples=4_000, deadline=None, database=None, suppress_health_check=IN_ONE_FILE)
@given(data=st.data())
def test_many_mutated_exif_blocks(kind, tmp_path, data):
    read_with_mutated_exif(kind, tmp_path / "x", data)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_metadata_that_cannot_be_read_are_left_out_with_a_warning(tmp_path, kind):
    exif = b"Exif\0\0II*\0" + b"\xff" * 20
    (tmp_path / "x").write_bytes(encoded(kind, exif=exif))
    with pytest.warns(UserWarning, match="left out of the result"):
        image, metadata = read_photograph(tmp_path / "x")
    assert image.shape == (32, 32, 3)
    assert not metadata


@pytest.mark.parametrize(
    ("profile", "reason"),
    [(b"no profile", "that is damaged"), (large_profile(LARGEST_BLOCK + 1), "more than 1,048,576 bytes"), (b"", None)],
)
@pytest.mark.parametrize("kind", ["JPEG", "TIFF", "WEBP"])
def test_profiles_that_others_could_not_read_are_left_out(tmp_path, profile, reason, kind):
    (tmp_path / "x").write_bytes(encoded(kind, icc_profile=profile))
    if reason:
        with pytest.warns(UserWarning, match=reason):
            metadata = read_photograph(tmp_path / "x")[1]
    else:
        metadata = read_photograph(tmp_path / "x")[1]
    assert metadata.profile is None


def test_a_png_with_a_profile_that_pillow_refuses_is_read_without_it(tmp_path):
    content = encoded("PNG")
    chunk = png_chunk(b"iCCP", b"profile\0\0" + zlib.compress(large_profile(2 * LARGEST_BLOCK)))
    (tmp_path / "x.png").write_bytes(content[:33] + chunk + content[33:])
    with pytest.warns(UserWarning, match="damaged and left out"):
        image, metadata = read_photograph(tmp_path / "x.png")
    np.testing.assert_array_equal(image, photograph())
    assert metadata.profile is None


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".tif", ".webp", ".bmp", "16.png", "16.tif"])
def test_what_is_written_is_read_back(tmp_path, suffix):
    """The largest profile and the largest EXIF block that are carried over, in each kind of file."""
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    exif[0x8769] = {0x829A: 0.02, 0x927C: bytes(200_000)}
    metadata = Metadata(large_profile(LARGEST_BLOCK), exif.tobytes())
    image = photograph()
    if "16" in suffix:
        image = image.astype(np.uint16) * 257
    path = tmp_path / f"x{suffix}"
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        write_image(path, image, metadata=metadata)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again, carried = read_photograph(path)
    if suffix != ".jpg":
        np.testing.assert_array_equal(again, image)
    if suffix != ".bmp":
        assert carried.profile == metadata.profile
        assert b"Maker" in carried.exif
    assert [str(one.message).split(" and ")[0] for one in said] == {
        ".jpg": ["the camera maker's note does not fit into a JPEG"],
    }.get(suffix, [])


def test_exif_data_above_what_a_jpeg_holds(tmp_path):
    exif = Image.Exif()
    exif[0x010E] = "x" * 70_000
    with pytest.warns(UserWarning, match="do not fit into a JPEG"):
        write_image(tmp_path / "x.jpg", photograph(), metadata=Metadata(None, exif.tobytes()))
    assert read_photograph(tmp_path / "x.jpg")[1].exif is None


@pytest.mark.parametrize(("suffix", "longest"), [("webp", 16_383), ("jpg", 65_500)])
def test_sides_that_a_type_cannot_hold(tmp_path, suffix, longest):
    path = tmp_path / f"x.{suffix}"
    write_image(path, np.zeros((2, longest, 3), np.uint8))
    assert read_size(path) == (2, longest)
    with pytest.raises(InputError, match=f"holds at most {longest} pixels a side; use .png or .tif"):
        write_image(tmp_path / f"y.{suffix}", np.zeros((longest + 1, 1), np.uint8))
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
