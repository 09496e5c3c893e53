import struct
import warnings
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from data.io.files import atomic_path, file_digest
from data.io.image_header import read_header, read_size
from data.io.image_io import checked_suffix, read_image, read_index_image, write_image
from data.runtime.errors import InputError

ORIENTED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def noise(shape: tuple[int, ...], dtype: type, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, np.iinfo(dtype).max + 1, shape, dtype)


def png_chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_16_bit(pixels: np.ndarray, color_type: int, extra: bytes = b"") -> bytes:
    """Builds a 16-bit PNG by the specification, since no library here writes every kind."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + extra + png_chunk(b"IDAT", zlib.compress(rows)) + png_chunk(b"IEND", b"")


def tiff_16_bit(pixels: np.ndarray, orientation: int, planar: int = 1) -> bytes:
    """Builds an uncompressed 16-bit RGB TIFF with what neither Pillow nor OpenCV writes.

    Its channels are interleaved (planar 1) or one plane after the other (planar 2).
    """
    body = (pixels.transpose(2, 0, 1) if planar == 2 else pixels).astype("<u2").tobytes()
    strips = 3 if planar == 2 else 1
    strip = len(body) // strips
    end = 8 + 2 + 12 * 11 + 4
    offsets, counts, content = end + 6, end + 6 + 4 * strips, end + 6 + 8 * strips
    starts = [content + strip * index for index in range(strips)]
    entries = [(256, 3, 1, pixels.shape[1]), (257, 3, 1, pixels.shape[0]), (258, 3, 3, end), (259, 3, 1, 1)]
    entries += [(262, 3, 1, 2), (273, 4, strips, offsets if strips > 1 else content), (274, 3, 1, orientation)]
    entries += [(277, 3, 1, 3), (278, 3, 1, pixels.shape[0]), (279, 4, strips, counts if strips > 1 else strip)]
    entries += [(284, 3, 1, planar)]
    out = b"II*\0" + struct.pack("<IH", 8, len(entries)) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    out += struct.pack("<I3H", 0, 16, 16, 16) + struct.pack(f"<{2 * strips}I", *starts, *[strip] * strips)
    return out + body


def exif(orientation: int) -> Image.Exif:
    block = Image.Exif()
    block[274] = orientation
    return block


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@st.composite
def lossless_images(draw):
    dtype = draw(st.sampled_from([np.uint8, np.uint16]))
    suffix = draw(st.sampled_from([".png", ".tif", ".TIFF", ".bmp"] if dtype == np.uint8 else [".png", ".tif"]))
    size = (draw(st.integers(1, 33)), draw(st.integers(1, 33)))
    return draw(hnp.arrays(dtype, size if draw(st.booleans()) else (*size, 3))), suffix


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lossless_images())
def test_lossless_types_give_back_every_pixel(tmp_path, case):
    image, suffix = case
    path = tmp_path / f"image{suffix}"
    write_image(path, image)
    back = read_image(path)
    assert back.dtype == image.dtype and back.flags.c_contiguous
    np.testing.assert_array_equal(back, image)
    assert read_size(path) == image.shape[:2]


def test_write_takes_views_and_makes_folders(tmp_path):
    image = noise((9, 8, 3), np.uint8)[::2, ::-1]
    write_image(tmp_path / "new" / "folder" / "x.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "folder" / "x.png"), image)


def test_jpeg_is_decoded_as_pillow_does_and_written_with_full_color(tmp_path):
    image = cv2.GaussianBlur(noise((48, 40, 3), np.uint8), (5, 5), 0)
    path = tmp_path / "x.jpg"
    write_image(path, image)
    with Image.open(path) as opened:
        assert {component[1:3] for component in opened.layer} == {(1, 1)}
        np.testing.assert_array_equal(read_image(path), np.asarray(opened))
    assert np.abs(read_image(path).astype(int) - image).mean() < 4
    write_image(tmp_path / "low.jpg", image, quality=30)
    assert (tmp_path / "low.jpg").stat().st_size < path.stat().st_size / 2


@pytest.mark.parametrize("orientation", ORIENTED)
@pytest.mark.parametrize("kind", ["8.png", "8.tif", "8.jpg", "gray16.png", "gray16.tif", "rgb16.png", "rgb16.tif"])
def test_orientation_is_applied(tmp_path, orientation, kind):
    name, suffix = kind.split(".")
    dtype = np.uint8 if name == "8" else np.uint16
    stored = noise((4, 6) if name == "gray16" else (4, 6, 3), dtype)
    path = tmp_path / f"x.{suffix}"
    if kind == "rgb16.png":
        path.write_bytes(
            png_16_bit(stored, 2, png_chunk(b"eXIf", exif(orientation).tobytes().removeprefix(b"Exif\0\0")))
        )
    elif kind == "rgb16.tif":
        path.write_bytes(tiff_16_bit(stored, orientation))
    else:
        saved(path, Image.fromarray(stored), exif=exif(orientation))
    if suffix == "jpg":
        with Image.open(path) as opened:
            stored = np.asarray(opened)
    expected = ORIENTED[orientation](stored)
    image = read_image(path)
    assert image.dtype == dtype and image.flags.c_contiguous
    np.testing.assert_array_equal(image, expected)
    assert read_size(path) == expected.shape[:2]


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_color_is_kept_as_opencv_writes_it(tmp_path, suffix):
    image = noise((5, 7, 3), np.uint16)
    path = tmp_path / f"x.{suffix}"
    assert cv2.imwrite(str(path), image[..., ::-1])
    np.testing.assert_array_equal(read_image(path), image)


def test_separate_16_bit_planes_are_refused_because_opencv_mixes_them_up(tmp_path):
    pixels = noise((4, 6, 3), np.uint16)
    path = tmp_path / "x.tif"
    path.write_bytes(tiff_16_bit(pixels, 1))
    np.testing.assert_array_equal(read_image(path), pixels)
    path.write_bytes(tiff_16_bit(pixels, 1, planar=2))
    with pytest.raises(InputError, match="form of 16-bit image is not supported"):
        read_image(path)


def test_photographs_are_decoded_as_pillow_does(lytro):
    for path in sorted(lytro.glob("*.jpg")):
        with Image.open(path) as opened:
            np.testing.assert_array_equal(read_image(path), np.asarray(opened))


def test_palette_becomes_rgb_and_one_bit_becomes_gray(tmp_path):
    picture = Image.fromarray(noise((6, 5, 3), np.uint8))
    palette = picture.quantize(8)
    for suffix in ("png", "bmp", "tif"):
        path = saved(tmp_path / f"p.{suffix}", palette)
        np.testing.assert_array_equal(read_image(path), np.asarray(palette.convert("RGB")))
        path = saved(tmp_path / f"b.{suffix}", picture.convert("1"))
        np.testing.assert_array_equal(read_image(path), np.asarray(picture.convert("1").convert("L")))


def test_index_image_gives_indices_not_colors(tmp_path):
    indices = np.array([[0, 1, 255], [15, 255, 0]], np.uint8)
    picture = Image.fromarray(indices, "L")
    gray = saved(tmp_path / "gray.png", picture)
    picture.putpalette(list(noise((768,), np.uint8)))
    for path in (gray, saved(tmp_path / "mask.png", picture)):
        np.testing.assert_array_equal(read_index_image(path), indices)
    write_image(tmp_path / "color.png", noise((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match=r"color.png as a mask: it is RGB"):
        read_index_image(tmp_path / "color.png")
    gray.write_bytes(gray.read_bytes()[:-20])
    with pytest.raises(InputError, match="cut short"):
        read_index_image(gray)


def test_content_decides_the_type(tmp_path):
    path = saved(tmp_path / "really_a_png.jpg", Image.fromarray(noise((3, 4, 3), np.uint8)), format="PNG")
    assert read_image(path).shape == (3, 4, 3)


def transparent_files(folder: Path) -> list[Path]:
    rgba, la = noise((4, 5, 4), np.uint8), noise((4, 5, 2), np.uint16)
    keyed = Image.fromarray(np.zeros((4, 5), np.uint8))
    files = [saved(folder / f"rgba.{suffix}", Image.fromarray(rgba)) for suffix in ("png", "tif")]
    files.append(saved(folder / "la.png", Image.fromarray(rgba).convert("LA")))
    files.append(saved(folder / "palette.png", Image.fromarray(rgba[..., :3]).quantize(4), transparency=1))
    files.append(saved(folder / "keyed.png", keyed, transparency=0))
    files.append(saved(folder / "keyed1.png", keyed.convert("1"), transparency=0))
    (folder / "la16.png").write_bytes(png_16_bit(la, 4))
    (folder / "rgba16.png").write_bytes(png_16_bit(noise((4, 5, 4), np.uint16), 6))
    return [*files, folder / "la16.png", folder / "rgba16.png"]


def test_transparency_is_refused_or_dropped_with_a_warning(tmp_path):
    for path in transparent_files(tmp_path):
        with pytest.raises(InputError, match=f"{path.name}: it has transparent pixels"):
            read_image(path)
        with pytest.warns(UserWarning, match=f"alpha channel of .*{path.name} is dropped"):
            image = read_image(path, alpha="drop")
        gray = path.stem.startswith(("la", "keyed"))
        assert image.shape == ((4, 5) if gray else (4, 5, 3))
        assert image.dtype == (np.uint16 if "16" in path.stem else np.uint8)


@pytest.mark.filterwarnings("ignore:the alpha channel")
def test_a_header_tells_shape_and_type_of_every_kind(tmp_path):
    picture, wide = Image.fromarray(noise((6, 5, 3), np.uint8)), noise((6, 5, 3), np.uint16)
    files = transparent_files(tmp_path)
    files += [saved(tmp_path / f"p.{suffix}", picture.quantize(8)) for suffix in ("png", "bmp", "tif")]
    for mode in ("1", "L", "RGB"):
        suffixes = ("png", "tif", "bmp") if mode == "1" else ("png", "tif", "bmp", "jpg", "webp")
        files += [saved(tmp_path / f"{mode}.{suffix}", picture.convert(mode)) for suffix in suffixes]
    for number, image in enumerate((wide, wide[..., 0])):
        for suffix in ("png", "tif"):
            files.append(tmp_path / f"wide{number}.{suffix}")
            write_image(files[-1], image)
    for path in files:
        header, image = read_header(path), read_image(path, alpha="drop")
        assert (header.shape, header.dtype) == (image.shape, image.dtype), path.name


def test_a_png_that_says_behind_its_pixels_how_it_is_turned(tmp_path):
    saved(tmp_path / "x.png", Image.fromarray(noise((4, 6, 3), np.uint8)))
    content = (tmp_path / "x.png").read_bytes()
    block = png_chunk(b"eXIf", exif(6).tobytes().removeprefix(b"Exif\0\0"))
    (tmp_path / "x.png").write_bytes(content[:-12] + block + content[-12:])
    assert read_header(tmp_path / "x.png").shape == read_image(tmp_path / "x.png").shape == (6, 4, 3)
    (tmp_path / "x.png").write_bytes(content[:-12] + png_chunk(b"eXIf", b"II*\0\xff\xff") + content[-12:])
    assert read_header(tmp_path / "x.png").shape == (4, 6, 3)


def test_dropped_alpha_leaves_the_colors_as_they_were(tmp_path):
    rgba, la = noise((4, 5, 4), np.uint16), noise((4, 5, 2), np.uint16)
    (tmp_path / "rgba.png").write_bytes(png_16_bit(rgba, 6))
    (tmp_path / "la.png").write_bytes(png_16_bit(la, 4))
    with pytest.warns(UserWarning):
        np.testing.assert_array_equal(read_image(tmp_path / "rgba.png", alpha="drop"), rgba[..., :3])
        np.testing.assert_array_equal(read_image(tmp_path / "la.png", alpha="drop"), la[..., 0])


def test_opaque_alpha_is_left_out_without_a_word(tmp_path):
    rgba, wide = noise((4, 5, 4), np.uint8), noise((4, 5, 4), np.uint16)
    rgba[..., 3], wide[..., 3] = 255, 65535
    path = saved(tmp_path / "x.png", Image.fromarray(rgba))
    (tmp_path / "wide.png").write_bytes(png_16_bit(wide, 6))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(read_image(path), rgba[..., :3])
        np.testing.assert_array_equal(read_image(tmp_path / "wide.png"), wide[..., :3])


@pytest.mark.parametrize("name", ["8.png", "8.jpg", "8.tif", "8.bmp", "16.png", "16.tif", "lzw.tif"])
def test_truncated_files_are_refused_wherever_they_are_cut(tmp_path, name):
    image = noise((24, 20, 3), np.uint16 if name.startswith("16") else np.uint8)
    path = tmp_path / name
    if name == "8.tif":
        saved(path, Image.fromarray(image))
    else:
        write_image(path, image)
    whole = path.read_bytes()
    for length in [1, 9, *range(20, len(whole), 97), len(whole) - 9, len(whole) - 1]:
        path.write_bytes(whole[:length])
        with pytest.raises(InputError, match=f"{name}: "):
            read_image(path)


def test_damaged_png_is_refused(tmp_path):
    path = tmp_path / "x.png"
    write_image(path, noise((30, 30, 3), np.uint8))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(InputError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.png", None, "no such file"),
        ("empty.png", b"", "file is empty"),
        ("text.png", b"not an image at all", "no JPEG, PNG, TIFF, BMP or WebP"),
    ],
)
def test_files_that_are_no_images(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    for read in (read_image, read_size):
        with pytest.raises(InputError, match=message):
            read(tmp_path / name)
        with pytest.raises(InputError, match="folder"):
            read(tmp_path)


def test_kinds_without_a_faithful_reading_are_refused(tmp_path):
    rgb = Image.fromarray(noise((4, 5, 3), np.uint8))
    gif = saved(tmp_path / "x.gif", rgb)
    cases = {
        saved(tmp_path / "cmyk.jpg", rgb.convert("CMYK")): "pixels are CMYK",
        saved(tmp_path / "float.tif", Image.new("F", (4, 5))): "floating-point",
        saved(tmp_path / "int.tif", Image.new("I", (4, 5))): "32-bit or signed integer",
        saved(tmp_path / "pages.tif", rgb, save_all=True, append_images=[rgb, rgb]): "holds several images",
        saved(tmp_path / "moving.png", rgb, save_all=True, append_images=[rgb.rotate(180)]): "holds several images",
        gif.rename(tmp_path / "gif.png"): "no JPEG, PNG, TIFF, BMP or WebP",
    }
    for path, message in cases.items():
        with pytest.raises(InputError, match=f"{path.name}: .*{message}"):
            read_image(path)


def test_first_image_of_a_phone_jpeg_is_read(tmp_path):
    rgb = Image.fromarray(np.full((8, 8, 3), 200, np.uint8))
    path = saved(tmp_path / "x.jpg", rgb, format="MPO", save_all=True, append_images=[Image.new("RGB", (8, 8))])
    np.testing.assert_array_equal(read_image(path), 200)


def test_too_many_pixels_are_one_sentence(tmp_path, monkeypatch):
    path = saved(tmp_path / "x.png", Image.new("L", (50, 50)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for read in (read_image, read_size):
        with pytest.raises(InputError, match=r"more than .* megapixels"):
            read(path)


@pytest.mark.parametrize("suffix", [".jpg", ".bmp"])
def test_16_bit_needs_png_or_tiff(tmp_path, suffix):
    with pytest.raises(InputError, match=r"16 bits a channel; use .png or .tif"):
        write_image(tmp_path / f"x{suffix}", noise((3, 3), np.uint16))
    assert checked_suffix(tmp_path / "X.PNG", np.uint16) == ".png"


def test_write_refuses_what_it_cannot_write(tmp_path):
    image = noise((3, 3, 3), np.uint8)
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("kept")
    cases = {"x": "must end in", "x.gif": "must end in", "folder.png": "is a folder", "file/x.png": "is a file"}
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            write_image(tmp_path / name, image)
    for wrong in (image.astype(np.float32), image[..., :2], image[:0]):
        with pytest.raises(ValueError, match="image must be"):
            write_image(tmp_path / "x.png", wrong)
    with pytest.raises(ValueError, match="quality"):
        write_image(tmp_path / "x.jpg", image, quality=0)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_failed_write_keeps_the_old_file_and_leaves_nothing(tmp_path):
    path = tmp_path / "x.png"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_path(path) as temporary:
        assert temporary.parent == tmp_path and temporary.suffix == ".png"
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
    with atomic_path(path) as temporary:
        temporary.write_text("new")
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_file_digest(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x", "md5") == "900150983cd24fb0d6963f7d28e17f72"
