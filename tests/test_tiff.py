"""TIFF files with color profile and EXIF data: as this project, Pillow, OpenCV and tifffile read them."""

import io
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms

from data.io.image_header import read_header
from data.io.image_io import read_image, read_photograph, write_image
from data.io.metadata import Metadata
from data.io.tiff import encode_tiff
from tests.conftest import drawn_photograph
from tests.test_image_io import png_16_bit, png_chunk

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

MAKER_NOTE = bytes(range(256)) * 40

TEXT, PLACE = "© Jörg", (51.0, 30.0, 12.34)


def photograph(dtype, gray=False, height=400, width=511):
    image = drawn_photograph(np.random.default_rng(3), height, width).astype(dtype)
    if dtype == np.uint16:
        image = image * 257 - np.random.default_rng(4).integers(0, 256, image.shape).astype(np.uint16)
    return image[..., 0].copy() if gray else image


def camera_exif(orientation=1, order=">"):
    """An EXIF block with a maker's note, a place, and texts that are UTF-8, which Pillow itself does not write."""
    exif, text = Image.Exif(), "x" * len(TEXT.encode())
    exif.endian = order
    exif[0x010F], exif[0x0110], exif[0x0112] = "Maker", "Model 3", orientation
    exif[0x0132], exif[0x8298], exif[0x011A] = "2026:01:31 12:00:00", text, 300.0
    exif[0x8769] = {0x829A: 1 / 50, 0x829D: 2.8, 0x8827: 100, 0x9003: "2026:01:31 12:00:00", 0x927C: MAKER_NOTE}
    exif[0x8769][0xA434] = text
    exif[0x8825] = {1: "N", 2: PLACE, 3: "E", 4: (7.0, 8.0, 9.5), 6: 123.5}
    content = exif.tobytes()
    assert content.count(text.encode()) == 2
    return content.replace(text.encode(), TEXT.encode())


@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_a_camera_says_goes_through_a_tiff_and_back(tmp_path, dtype, gray):
    """A turned photograph with everything that a camera writes, read, written as TIFF, read, and written once more."""
    stored = photograph(dtype, gray)
    source = tmp_path / "source"
    if gray or dtype == np.uint8:
        Image.fromarray(stored).save(source, "PNG", exif=camera_exif(6), icc_profile=PROFILE)
    else:
        described = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(PROFILE))
        described += png_chunk(b"eXIf", camera_exif(6).removeprefix(b"Exif\0\0"))
        source.write_bytes(png_16_bit(stored, 2, described))
    image, metadata = read_photograph(source)
    np.testing.assert_array_equal(image, np.rot90(stored, -1))
    for name in ("once.tif", "twice.TIFF"):
        write_image(tmp_path / name, image, metadata=metadata)
        again, metadata = read_photograph(tmp_path / name)
        np.testing.assert_array_equal(again, image)
        assert read_header(tmp_path / name).shape == again.shape and read_header(tmp_path / name).dtype == dtype
        with Image.open(tmp_path / name) as opened:
            exif = opened.getexif()
            exposure, place = exif.get_ifd(0x8769), exif.get_ifd(0x8825)
            assert opened.info["icc_profile"] == metadata.profile == PROFILE
        assert (exif[0x010F], exif[0x0110]) == ("Maker", "Model 3")
        assert exif[0x8298].encode("latin-1").decode() == exposure[0xA434].encode("latin-1").decode() == TEXT
        assert exif.get(0x0112, 1) == 1
        assert (float(exposure[0x829A]), float(exposure[0x829D]), exposure[0x8827]) == pytest.approx((0.02, 2.8, 100))
        assert exposure[0x927C] == MAKER_NOTE
        assert [float(part) for part in place[2]] == pytest.approx(PLACE)
        assert (place[1], place[3], float(place[6])) == ("N", "E", 123.5)


@pytest.mark.parametrize("exif", [None, camera_exif()])
@pytest.mark.parametrize("gray", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_others_read_the_same_pixels(tmp_path, dtype, gray, exif):
    image, path = photograph(dtype, gray), tmp_path / "x.tif"
    write_image(path, image, metadata=Metadata(PROFILE, exif))
    decoded = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(decoded if gray else decoded[..., ::-1], image)
    with Image.open(path) as opened:
        expected = image if gray or dtype == np.uint8 else image >> 8  # of 16-bit color Pillow keeps the high bytes
        np.testing.assert_array_equal(np.asarray(opened), expected)
    with tifffile.TiffFile(path) as file:
        (page,) = file.pages
        assert page.iccprofile == PROFILE
        assert bool(file.pages[0].tags.get(34665)) == bool(exif)
        assert (page.dtype, page.shape) == (dtype, image.shape)
        assert len(page.dataoffsets) > 1 or image.nbytes < 2**18


def test_photographs_become_smaller(tmp_path):
    image = cv2.GaussianBlur(photograph(np.uint16), (0, 0), 4)
    for metadata in (None, Metadata(PROFILE, camera_exif())):
        write_image(tmp_path / "x.tif", image, metadata=metadata)
        assert (tmp_path / "x.tif").stat().st_size < 0.9 * image.nbytes


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_image_with_any_byte_order_of_its_metadata(tmp_path, data):
    dtype = data.draw(st.sampled_from([np.uint8, np.uint16]))
    size = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 40)))
    image = data.draw(hnp.arrays(dtype, size if data.draw(st.booleans()) else (*size, 3)))
    content = encode_tiff(image, Metadata(None, camera_exif(1, data.draw(st.sampled_from("<>")))))
    (tmp_path / "x.tif").write_bytes(content)
    np.testing.assert_array_equal(read_image(tmp_path / "x.tif"), image)
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(content)).reshape(image.shape), image)
