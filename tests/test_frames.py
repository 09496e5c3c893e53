"""The frames of a stack: known from their headers, read one by one, few in memory."""

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, ImageCms
from PIL.ExifTags import Base as Tag

from data.imaging.opacity import opaque_part
from data.io.frames import MOST_CACHED, Frames
from data.io.image_io import read_photograph, write_image
from data.io.listing import Stack, check_stack
from data.runtime.errors import InputError


def stack_of(folder, pictures, suffix="png"):
    paths = tuple(folder / f"x_{number:03}.{suffix}" for number in range(len(pictures)))
    for path, picture in zip(paths, pictures, strict=True):
        write_image(path, picture)
    return Stack("x", paths)


def numbered(count, shape=(6, 8, 3), dtype=np.uint8):
    return [np.full(shape, number, dtype) for number in range(count)]


@pytest.fixture
def reads(monkeypatch):
    """The names of the files that were decoded, in their order."""
    names = []

    def read(path, **options):
        names.append(path.name)
        return read_photograph(path, **options)

    monkeypatch.setattr("data.io.frames.read_photograph", read)
    return names


@pytest.mark.parametrize("shape", [(6, 8, 3), (6, 8)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_headers_tell_everything_but_the_pixels(tmp_path, reads, shape, dtype):
    frames = Frames(stack_of(tmp_path, numbered(5, shape, dtype), "tif"))
    assert (len(frames), frames.shape, frames.dtype) == (5, shape, dtype)
    assert reads == []
    assert [int(frame.max()) for frame in frames] == [0, 1, 2, 3, 4]
    assert all(frame.shape == shape and frame.dtype == dtype for frame in frames)


def test_they_are_a_sequence(tmp_path):
    frames = Frames(stack_of(tmp_path, numbered(4)))
    assert frames[-1].max() == 3 and frames[np.int64(2)].max() == 2
    assert [int(frame.max()) for frame in reversed(frames)] == [3, 2, 1, 0]
    with pytest.raises(IndexError):
        frames[4]
    with pytest.raises(TypeError):
        frames[1:]  # which would hold more than `MOST_CACHED`


def test_neighbors_stay_in_memory_and_no_more(tmp_path, reads):
    frames = Frames(stack_of(tmp_path, numbered(5)))
    for first, second in ((0, 1), (1, 2), (2, 3)):
        assert frames[first].max() + 1 == frames[second].max()
    assert reads == [f"x_{number:03}.png" for number in range(4)]
    frames[0]
    assert reads[4:] == ["x_000.png"]
    assert frames[3] is frames[3] and MOST_CACHED == 2 and len(reads) == 5


def test_a_frame_cannot_be_changed_for_the_next_who_asks(tmp_path):
    frames = Frames(stack_of(tmp_path, numbered(2)))
    with pytest.raises(ValueError, match="read-only"):
        frames[0][:] = 7


def test_sizes_that_differ_a_little_are_cut_to_the_common_center(tmp_path):
    row = np.arange(300, dtype=np.uint16)
    wide = np.broadcast_to(row, (200, 300)).copy()
    frames = Frames(stack_of(tmp_path, [wide, wide[:199, 1:299], wide[:, :299]]))
    assert frames.shape == (199, 298)
    np.testing.assert_array_equal(frames[0][0], row[1:299])
    np.testing.assert_array_equal(frames[1][0], row[1:299])
    np.testing.assert_array_equal(frames[2][0], row[:298])
    assert all(frame.flags.c_contiguous for frame in frames)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (np.zeros((6, 8), np.uint8), "x_000.png is 8x6 RGB uint8 but .*x_002.png is 8x6 gray uint8"),
        (np.zeros((6, 8, 3), np.uint16), "x_002.png is 8x6 RGB uint16"),
        (np.zeros((8, 6, 3), np.uint8), "x_000.png is 8x6 pixels but .*x_002.png is 6x8"),
    ],
)
def test_a_frame_of_another_kind_is_named_before_any_is_read(tmp_path, reads, other, message):
    with pytest.raises(InputError, match=message):
        Frames(stack_of(tmp_path, [*numbered(2), other]))
    assert reads == []


def test_a_file_that_becomes_another(tmp_path):
    frames = Frames(stack_of(tmp_path, numbered(3)))
    write_image(tmp_path / "x_001.png", np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "x_002.png").write_bytes(b"")
    assert frames[0].max() == 0
    with pytest.raises(InputError, match=r"x_001.png is 9x9 RGB uint8 and not 8x6 RGB uint8"):
        frames[1]
    with pytest.raises(InputError, match=r"x_002.png: the file is empty"):
        frames[2]


def profile(space):
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def test_the_first_ones_metadata_and_one_remark_about_others(tmp_path):
    paths = tuple(tmp_path / f"x_{number}.png" for number in range(4))
    exif = Image.Exif()
    for path, space in zip(paths, ("sRGB", "sRGB", "XYZ", "LAB"), strict=True):
        exif[0x010F] = path.stem
        Image.new("RGB", (8, 6)).save(path, icc_profile=profile(space), exif=exif)
    frames = Frames(Stack("x", paths))
    assert frames[1].shape == (6, 8, 3)
    assert b"x_0" in frames.metadata.exif and frames.metadata.profile == read_photograph(paths[0])[1].profile
    assert frames.remarks == []
    for number in (2, 3, 2, 0, 1):
        frames[number]
    assert frames.remarks == ["the images of x differ in color profile; the first one's is kept"]


def test_transparency_is_refused_or_dropped_as_asked(tmp_path):
    paths = (tmp_path / "x_1.png", tmp_path / "x_2.png")
    for path in paths:
        Image.new("RGBA", (8, 6), (1, 2, 3, 4)).save(path)
    with pytest.raises(InputError, match=r"x_1.png: it has transparent pixels"):
        Frames(Stack("x", paths))[0]
    with pytest.warns(UserWarning, match="alpha channel"):
        assert Frames(Stack("x", paths), alpha="drop")[1].shape == (6, 8, 3)


@pytest.mark.parametrize("tag", [3, 6, 8])
def test_frames_whose_orientation_differs_are_laid_as_most_are(tmp_path, tag):
    """A camera that looks down does not know where up is: the stored pixels are alike."""
    pixels = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    paths = []
    for number, orientation in enumerate((1, 1, tag), 1):
        exif = Image.Exif()
        exif[Tag.Orientation] = orientation
        paths.append(tmp_path / f"x_{number}.png")
        Image.fromarray(pixels).save(paths[-1], exif=exif)
    frames = Frames(check_stack(*paths))
    assert all(np.array_equal(frames[index], pixels) for index in range(3))
    (remark,) = frames.remarks
    assert "EXIF orientation of x_3.png differs" in remark
    assert len(Frames(check_stack(*paths[:2])).remarks) == 0


# Transparency


def with_alpha(path, picture, opaque):
    alpha = np.where(opaque, np.iinfo(picture.dtype).max, 0).astype(picture.dtype)
    channels = picture[..., ::-1] if picture.ndim == 3 else picture[..., None].repeat(3, 2)
    cv2.imwrite(str(path), np.dstack([channels, alpha]))


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_transparent_in_any_frame_is_cut_off_all(tmp_path, dtype, suffix):
    rng, paths = np.random.default_rng(0), []
    pictures = [rng.integers(0, 256, (60, 80, 3)).astype(dtype) for _ in range(3)]
    edges = np.s_[:, :7], np.s_[50:, :], np.s_[:3, 75:]
    for number, (picture, edge) in enumerate(zip(pictures, edges, strict=True)):
        opaque = np.ones((60, 80), bool)
        opaque[edge] = False
        paths.append(tmp_path / f"x{number}.{suffix}")
        with_alpha(paths[-1], picture, opaque)
    frames = Frames(check_stack(*paths))
    assert frames.shape == (47, 73, 3)
    for frame, picture in zip(frames, pictures, strict=True):
        np.testing.assert_array_equal(frame, picture[3:50, 7:])
    assert frames.remarks == ["transparent pixels are cut off: 73x47 pixels from 7, 3 are left"]
    with pytest.raises(InputError, match="it has transparent pixels"):
        Frames(check_stack(*paths), "refuse")[0]
    with pytest.warns(UserWarning, match="is dropped"):
        assert Frames(check_stack(*paths), "drop")[0].shape == (60, 80, 3)


def test_an_alpha_channel_that_is_opaque_changes_nothing(tmp_path):
    pictures = numbered(2, (20, 30, 3))
    for number, picture in enumerate(pictures):
        with_alpha(tmp_path / f"x{number}.png", picture, np.ones((20, 30), bool))
    frames = Frames(check_stack(tmp_path / "x0.png", tmp_path / "x1.png"))
    assert frames.shape == (20, 30, 3) and not frames.remarks


def test_little_that_is_opaque_is_refused(tmp_path):
    opaque = np.zeros((20, 30), bool)
    opaque[:9] = True
    for number in range(2):
        with_alpha(tmp_path / f"x{number}.png", np.zeros((20, 30, 3), np.uint8), opaque)
    with pytest.raises(InputError, match=r"cannot use .*x0\.png: it has transparent pixels"):
        Frames(check_stack(tmp_path / "x0.png", tmp_path / "x1.png"))


@given(hnp.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_the_opaque_part_is_the_largest_rectangle(opaque):
    rows, columns = opaque_part(opaque)
    found = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert opaque[rows, columns].all()
    height, width = opaque.shape
    areas = [
        (bottom - top) * (right - left)
        for top in range(height)
        for bottom in range(top + 1, height + 1)
        for left in range(width)
        for right in range(left + 1, width + 1)
        if opaque[top:bottom, left:right].all()
    ]
    assert found == max(areas, default=0)


def test_the_opaque_part_of_a_large_picture_is_found_in_steps():
    opaque = np.ones((1000, 2001), bool)
    opaque[:101], opaque[:, 1990:] = False, False
    rows, columns = opaque_part(opaque)
    assert opaque[rows, columns].all() and rows.start < 110 and columns.stop > 1980 and rows.stop == 1000
