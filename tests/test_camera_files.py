"""HEIC and camera raw files: read where pillow-heif and rawpy are installed, else refused with what to install."""

import io
import re
import sys
import warnings

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from data.io.frames import Frames
from data.io.image_header import read_header
from data.io.image_io import read_image, read_photograph, write_image
from data.io.listing import Stack, find_stacks
from data.runtime.errors import InputError
from data.runtime.installation import install_hint
from tests.conftest import drawn_photograph

PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

HEIC_START = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"

BAYER = (0, 1, 1, 2)
"""Red, green, green, blue."""


@pytest.fixture
def heif():
    library = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed: requirements-photos.txt")
    library.register_heif_opener()
    return library


@pytest.fixture
def raw():
    return pytest.importorskip("rawpy", reason="rawpy is not installed: requirements-photos.txt")


def dng(levels, orientation=1, white=10_000, balance=((1, 2), (1, 1), (1, 2))):
    """A raw file of (H, W) uint16, as small as rawpy reads it; the camera's primaries are those of sRGB."""
    tifffile = pytest.importorskip("tifffile")
    # From XYZ (D65) to linear sRGB (IEC 61966-2-1), in ten-thousandths.
    matrix = (32405, -15371, -4985, -9693, 18760, 416, 556, -2040, 10572)
    tags = [
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Model", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (2, 2), True),  # the pattern of colors
        (33422, "B", 4, BAYER, True),
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNG's version
        (50708, "s", 0, "Maker Model", True),
        (50714, "I", 1, 0, True),
        (50717, "I", 1, white, True),
        (50721, "2i", 9, [part for value in matrix for part in (value, 10_000)], True),
        (50728, "2I", 3, [part for one in balance for part in one], True),  # a neutral surface in the camera's colors
        (50778, "H", 1, 21, True),  # D65
    ]
    content = io.BytesIO()
    tifffile.imwrite(content, levels, photometric=32803, extratags=tags, metadata=None, software=False)
    return content.getvalue()


def neutral(share, height=48, width=64):
    """What a camera with half as sensitive red and blue records of a gray surface, as a share of white."""
    pattern = np.array([[0.5, 1.0], [1.0, 0.5]])
    return np.rint(np.tile(pattern, (height // 2, width // 2)) * share * 10_000).astype(np.uint16)


def srgb_curve(linear):
    return 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055


def test_a_raw_file_is_developed_by_the_cameras_balance_and_nothing_else(raw, tmp_path):
    """Gray stays gray, and as bright as sRGB's curve makes it, whatever else is in the picture."""
    for share in (0.05, 0.2, 0.6):
        (tmp_path / "x.dng").write_bytes(dng(neutral(share)))
        image = read_image(tmp_path / "x.dng")
        assert image.shape == (48, 64, 3) and image.dtype == np.uint16
        center = image[8:-8, 8:-8].reshape(-1, 3) / 65535
        np.testing.assert_allclose(center, srgb_curve(share), atol=0.004)
    beside = neutral(0.2)
    beside[:, 40:] = neutral(0.9)[:, 40:]
    (tmp_path / "x.dng").write_bytes(dng(beside))
    np.testing.assert_allclose(read_image(tmp_path / "x.dng")[8:-8, 8:30] / 65535, srgb_curve(0.2), atol=0.004)


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (3, 2), (6, -1), (8, 1)])
def test_a_raw_file_is_upright_and_says_so_before_it_is_developed(raw, tmp_path, orientation, turns):
    levels = neutral(0.3)
    levels[:24, :32] = neutral(0.05)[:24, :32]
    (tmp_path / "x.DNG").write_bytes(dng(levels, orientation))
    header = read_header(tmp_path / "x.DNG")
    image, metadata = read_photograph(tmp_path / "x.DNG")
    assert (header.shape, header.dtype) == (image.shape, image.dtype)
    dark = image[..., 1] < 65535 * srgb_curve(0.12)
    expected = np.rot90(np.pad(np.ones((24, 32), bool), ((0, 24), (0, 32))), turns)
    assert (dark == expected).mean() > 0.95
    write_image(tmp_path / "y.tif", image, metadata=metadata)
    with Image.open(tmp_path / "y.tif") as result:
        assert result.getexif()[271] == "Maker" and result.getexif().get(274, 1) == 1
        assert "sRGB" in ImageCms.getProfileDescription(io.BytesIO(result.info["icc_profile"]))


def test_a_folder_of_raw_files_is_a_stack(raw, tmp_path):
    for number in (9, 10, 11):
        (tmp_path / f"DSC_{number:04}.dng").write_bytes(dng(neutral(number / 50)))
    (stack,) = find_stacks(tmp_path).stacks
    frames = Frames(stack)
    assert (frames.shape, frames.dtype) == ((48, 64, 3), np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # their profiles are the same bytes
        assert [int(frame[20, 20, 1] > frames[0][20, 20, 1]) for frame in frames] == [0, 1, 1]


def test_frames_of_a_stack_have_the_white_balance_of_the_first(raw, tmp_path):
    """A camera that balances each frame anew, here by 1.6 in red, makes no difference."""
    paths = tuple(tmp_path / f"x_{number}.dng" for number in (1, 2))
    for path, red in zip(paths, ((1, 2), (16, 20)), strict=True):
        path.write_bytes(dng(neutral(0.2), balance=(red, (1, 1), (1, 2))))
    assert not np.allclose(read_image(paths[0]), read_image(paths[1]), atol=2000)
    first, second = Frames(Stack("x", paths))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_allclose(first[8:-8, 8:-8] / 65535, srgb_curve(0.2), atol=0.004)


@pytest.mark.parametrize("content", [b"no raw file at all", b"II*\0\x08\0\0\0\0\0", bytes(3000)])
def test_raw_files_that_are_none(raw, tmp_path, content):
    (tmp_path / "x.nef").write_bytes(content)
    for read in (read_header, read_image):
        with pytest.raises(InputError, match=r"cannot read .*x.nef as a camera raw file \(.*\); copy it again"):
            read(tmp_path / "x.nef")


def test_raw_files_that_are_cut(raw, tmp_path):
    content = dng(neutral(0.3))
    for length in (100, 400, len(content) // 2, len(content) - 200):
        (tmp_path / "x.dng").write_bytes(content[:length])
        with pytest.raises(InputError, match=r"cannot read .*x.dng as a camera raw file"):
            read_image(tmp_path / "x.dng")


def test_a_raw_file_with_too_many_pixels(raw, tmp_path, monkeypatch):
    (tmp_path / "x.dng").write_bytes(dng(neutral(0.3)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for read in (read_header, read_image):
        with pytest.raises(InputError, match=r"more than .* megapixels"):
            read(tmp_path / "x.dng")


def photograph(height=48, width=64):
    y, x = np.mgrid[:height, :width]
    return np.stack([40 + 2 * x, 60 + 3 * y, 200 - x - y], -1).astype(np.uint8)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_is_read_upright_with_its_metadata(heif, tmp_path, orientation):
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    exif[0x8769], exif[0x8825] = {0x829A: 0.02, 0x927C: bytes(500)}, {1: "N", 2: (1.0, 2.0, 3.0)}
    path = tmp_path / "x.heic"
    Image.fromarray(photograph()).save(path, format="HEIF", quality=95, exif=exif.tobytes(), icc_profile=PROFILE)
    image, metadata = read_photograph(path)
    upright = np.rot90(photograph(), {1: 0, 3: 2, 6: -1, 8: 1}[orientation])
    assert np.abs(image.astype(int) - upright).mean() < 4
    header = read_header(path)
    assert (header.shape, header.dtype) == (image.shape, np.uint8)
    assert metadata.profile == PROFILE
    write_image(tmp_path / "y.tif", image, metadata=metadata)
    with Image.open(tmp_path / "y.tif") as result:
        tags = result.getexif()
        assert tags[0x010F] == "Maker" and tags.get(0x0112, 1) == 1
        assert tags.get_ifd(0x8825)[1] == "N" and len(tags.get_ifd(0x8769)[0x927C]) == 500


def test_a_heic_of_10_bits_becomes_16(heif, tmp_path):
    levels = np.linspace(0, 65535, 64).astype(np.uint16)
    picture = np.broadcast_to(levels[None, :, None], (48, 64, 3)).copy()
    heif.from_bytes("RGB;16", (64, 48), picture.tobytes()).save(tmp_path / "x.hif", quality=-1)
    image = read_image(tmp_path / "x.hif")
    header = read_header(tmp_path / "x.hif")
    assert (header.shape, header.dtype) == (image.shape, image.dtype) == ((48, 64, 3), np.uint16)
    assert image.max() == 65535 and image.min() == 0  # white is white, and no longer 1023
    assert np.abs(image.astype(int) - picture).mean() < 200


def test_gray_and_transparent_heic(heif, tmp_path):
    gray = Image.fromarray(photograph()).convert("L")
    gray.save(tmp_path / "gray.heic", format="HEIF")
    assert read_image(tmp_path / "gray.heic").shape == read_header(tmp_path / "gray.heic").shape == (48, 64)
    clear = Image.fromarray(np.dstack([photograph(), np.full((48, 64), 90, np.uint8)]))
    clear.save(tmp_path / "clear.heic", format="HEIF")
    with pytest.raises(InputError, match="transparent pixels"):
        read_image(tmp_path / "clear.heic")
    with pytest.warns(UserWarning, match="alpha channel"):
        assert read_image(tmp_path / "clear.heic", alpha="drop").shape == (48, 64, 3)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_bytes_of_a_heic(heif, tmp_path, data):
    content = io.BytesIO()
    Image.fromarray(drawn_photograph(np.random.default_rng(0), 32, 32)).save(content, format="HEIF")
    changed = bytearray(content.getvalue())
    for _ in range(data.draw(st.integers(1, 6))):
        last = data.draw(st.sampled_from([min(300, len(changed)), len(changed)])) - 1
        changed[data.draw(st.integers(12, last))] = data.draw(st.integers(0, 255))
    (tmp_path / "x.heic").write_bytes(changed[: data.draw(st.integers(1, len(changed)))])
    for read in (read_header, read_image):
        try:
            shape = read(tmp_path / "x.heic").shape
        except InputError:
            continue
        assert 0 < np.prod(shape) <= 3 * 2 * Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize(
    ("name", "content", "module", "package"),
    [
        ("x.heic", HEIC_START, "pillow_heif", "pillow-heif"),
        ("x.jpg", HEIC_START, "pillow_heif", "pillow-heif"),  # the content decides
        ("x.NEF", b"anything", "rawpy", "rawpy"),
    ],
)
def test_without_its_library_a_file_is_refused_with_what_to_install(
    tmp_path, monkeypatch, name, content, module, package
):
    (tmp_path / name).write_bytes(content)
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    sentence = rf"{name}: it is a .*, which needs {package}; {re.escape(install_hint('photos'))}\.$"
    for read in (read_header, read_image):
        with pytest.raises(InputError, match=sentence):
            read(tmp_path / name)


def test_results_are_not_written_as_raw_or_heic(tmp_path):
    for suffix in ("heic", "dng", "nef"):
        with pytest.raises(InputError, match="the name must end in one of"):
            write_image(tmp_path / f"x.{suffix}", photograph())
