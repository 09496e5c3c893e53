"""TIFF files of several pages as stacks: pages taken out as they are stored, hyperstacks along their slices."""

import io
import json

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

import fuse
from data.io.image_header import open_image_file, read_header
from data.io.image_io import read_image, write_image
from data.io.listing import check_stack, find_scene, find_stacks
from data.io.tiff_stack import is_page, stored_in
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, InputError
from tests.conftest import drawn_photograph

RNG = np.random.default_rng(2)
GRAY = RNG.integers(0, 65536, (6, 40, 56), dtype=np.uint16)
COLOR = RNG.integers(0, 256, (3, 40, 56, 3), dtype=np.uint8)

FORMS = {
    "plain": {},
    "big": {"bigtiff": True},
    "motorola": {"byteorder": ">"},
    "tiles": {"tile": (16, 32)},
    "strips": {"rowsperstrip": 7},
    "deflated": {"compression": "zlib", "predictor": True},
}


def pages_of(path):
    return [read_image(page) for page in find_scene(path).stacks[0].images]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("pixels", [GRAY, COLOR], ids=["gray16", "color8"])
def test_each_page_is_read_as_it_is_stored(tmp_path, form, pixels):
    path = tmp_path / "cells.tif"
    photometric = "rgb" if pixels.ndim == 4 else "minisblack"
    with tifffile.TiffWriter(
        path, **{key: value for key, value in FORMS[form].items() if key in ("bigtiff", "byteorder")}
    ) as file:
        for page in pixels:
            rest = {key: value for key, value in FORMS[form].items() if key not in ("bigtiff", "byteorder")}
            file.write(page, photometric=photometric, **rest)
        file.write(pixels[0][::4, ::4], photometric=photometric, subfiletype=1)
    (stack,) = find_scene(path).stacks
    assert stack.name == "cells" and stack.extent == f"{len(pixels)} frames, 0001 to {len(pixels):04d}"
    np.testing.assert_array_equal(pages_of(path), pixels)
    assert read_header(stack.images[0]).shape == pixels.shape[1:]


def test_pillow_s_compressions_go_through(tmp_path):
    for name in ("tiff_lzw", "packbits", "tiff_adobe_deflate"):
        pictures = [Image.fromarray(page) for page in COLOR]
        pictures[0].save(tmp_path / f"{name}.tif", save_all=True, append_images=pictures[1:], compression=name)
        np.testing.assert_array_equal(pages_of(tmp_path / f"{name}.tif"), COLOR)


def test_a_page_that_is_taken_out_is_a_sound_file(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", GRAY, imagej=True, resolution=(300, 300))
    with open_image_file(tmp_path / "x.tif" / "0004.tif") as file, tifffile.TiffFile(io.BytesIO(file.read())) as found:
        assert len(found.pages) == 1 and not found.is_imagej
        np.testing.assert_array_equal(found.asarray(), GRAY[3])
        assert found.pages[0].tags["XResolution"].value == (300, 1)


@pytest.mark.parametrize("kind", ["imagej", "ome"])
def test_hyperstacks_are_divided_into_channels_and_times(tmp_path, kind):
    values = RNG.integers(0, 256, (2, 5, 3, 20, 30), dtype=np.uint8)  # T, Z, C
    if kind == "imagej":
        path = tmp_path / "cells.tif"
        tifffile.imwrite(path, values, imagej=True, metadata={"axes": "TZCYX"})
    else:
        path = tmp_path / "cells.ome.tif"
        tifffile.imwrite(path, values.swapaxes(1, 2), ome=True, metadata={"axes": "TCZYX"}, photometric="minisblack")
    stacks = {stack.name: stack.images for stack in find_stacks(path).stacks}
    assert sorted(stacks) == [f"cells-t{time}-c{channel}" for time in (1, 2) for channel in (1, 2, 3)]
    for time in range(2):
        for channel in range(3):
            found = [read_image(page) for page in stacks[f"cells-t{time + 1}-c{channel + 1}"]]
            np.testing.assert_array_equal(found, values[time, :, channel])
    with pytest.raises(InputError, match="6 scenes"):
        find_scene(path)


@pytest.mark.parametrize("text", ["ImageJ=1.5\nslices=4\nchannels=2", "<OME damaged", "<OME><Pixels/></OME>", "x"])
def test_a_description_that_does_not_fit_is_not_used(tmp_path, text):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        for index, page in enumerate(GRAY):
            file.write(page, description=text if index == 0 else None, metadata=None)
    np.testing.assert_array_equal(pages_of(tmp_path / "x.tif"), GRAY)


def test_ome_counts_samples_of_color_as_one_channel(tmp_path):
    tifffile.imwrite(tmp_path / "x.ome.tif", COLOR, ome=True, metadata={"axes": "ZYXS"}, photometric="rgb")
    np.testing.assert_array_equal(pages_of(tmp_path / "x.ome.tif"), COLOR)


def test_pages_of_unequal_sizes_are_no_stack(tmp_path):
    with tifffile.TiffWriter(tmp_path / "x.tif") as file:
        file.write(GRAY[0])
        file.write(GRAY[0][:20])
    with pytest.raises(InputError, match="2 pages that differ in size or kind"):
        find_stacks(tmp_path)


def test_pages_that_are_not_there_are_said(tmp_path):
    path = tmp_path / "x.tif"
    tifffile.imwrite(path, GRAY)
    for name, words in (
        ("0007.tif", "x.tif has 6 pages"),
        ("0000.tif", "x.tif has 6 pages"),
        ("a.tif", "Not a directory"),
    ):
        with pytest.raises(InputError, match=words):
            read_image(path / name)
    with pytest.raises(InputError, match=r"cannot pair .*0002\.tif with itself"):
        check_stack(path / "0002.tif", path / "0003.tif", path / "0002.tif")
    assert is_page(path / "0001.tif") and stored_in(path / "0001.tif") == path == stored_in(path)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_file_that_is_cut_short_is_said(tmp_path, cut):
    content = io.BytesIO()
    with tifffile.TiffWriter(content) as file:
        for page in GRAY:
            file.write(page, contiguous=False)
    (tmp_path / "x.tif").write_bytes(content.getvalue()[: int(cut * len(content.getvalue()))])
    for number in range(1, 7):
        try:
            np.testing.assert_array_equal(read_image(tmp_path / "x.tif" / f"{number:04d}.tif"), GRAY[number - 1])
        except InputError as problem:
            assert "damaged or cut short" in str(problem) or "pages" in str(problem)


@pytest.fixture
def volume(tmp_path):
    """A TIFF of three pages, each sharp in another third, and the sharp picture."""
    sharp = drawn_photograph(np.random.default_rng(0), 96, 144)
    pages = []
    for index in range(3):
        page = cv2.GaussianBlur(sharp, (0, 0), 3)
        page[:, 48 * index : 48 * index + 48] = sharp[:, 48 * index : 48 * index + 48]
        pages.append(page)
    path = tmp_path / "in" / "volume.tif"
    path.parent.mkdir()
    tifffile.imwrite(path, np.stack(pages), photometric="rgb")
    return path, sharp


def test_fuse_takes_a_file_of_pages(volume, tmp_path, capsys):
    path, sharp = volume
    still = ["--align", "none", "--match-exposure", "none"]
    assert fuse.main([str(path), "-o", str(tmp_path / "fused.png"), *still]) == EXIT_DONE
    assert "volume: 3 frames, 0001 to 0003" in capsys.readouterr().err
    fused = read_image(tmp_path / "fused.png")
    assert cv2.PSNR(fused, sharp) > 30
    for index, name in enumerate(("a", "b")):
        write_image(tmp_path / "in" / f"{name}{index}.png", sharp)
    assert fuse.main(["-i", str(path.parent), "-o", str(tmp_path / "out"), "--quiet", *still]) == EXIT_FAILED
    np.testing.assert_array_equal(read_image(tmp_path / "out" / "volume.png"), fused)
    capsys.readouterr()
    arguments = ["-i", str(path.parent), "-o", str(tmp_path / "out"), "--resume", "--json", "-", *still]
    fuse.main(arguments)
    assert [result["kept"] for result in json.loads(capsys.readouterr().out)["results"]] == [True]


def test_a_file_of_pages_is_protected(volume):
    path, _ = volume
    before = path.read_bytes()
    with pytest.raises(InputError, match="choose another output"):
        fuse.main([str(path), "-o", str(path), "--overwrite"])
    assert path.read_bytes() == before


def test_a_tiff_of_one_page_alone_is_wrong_usage(tmp_path, capsys):
    write_image(tmp_path / "x.tif", GRAY[0])
    with pytest.raises(SystemExit, match=str(EXIT_USAGE)):
        fuse.main([str(tmp_path / "x.tif"), "-o", str(tmp_path / "y.png")])
    assert "a TIFF of several pages" in capsys.readouterr().err
