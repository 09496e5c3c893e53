"""Rating, creator, keywords and resolution of the first frame go into the result, as EXIF data and profile do."""

import numpy as np
import pytest
from PIL import Image

from data.io.image_io import read_photograph, write_image
from data.io.metadata import LARGEST_BLOCK, Metadata

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/" '
    b'xmp:Rating="4" tiff:Orientation="1"/></rdf:RDF></x:xmpmeta>'
)
PICTURE = np.random.default_rng(0).integers(0, 256, (16, 24, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("suffix", "bits"), [("jpg", 8), ("png", 8), ("png", 16), ("tif", 8), ("tif", 16), ("webp", 8)]
)
def test_they_come_back_from_every_type(tmp_path, suffix, bits):
    path = tmp_path / f"x.{suffix}"
    image = PICTURE if bits == 8 else PICTURE.astype(np.uint16) * 257
    write_image(path, image, metadata=Metadata(xmp=XMP, dpi=(300.0, 240.0)))
    read, metadata = read_photograph(path)
    assert read.dtype == image.dtype and metadata.xmp == XMP
    if suffix in ("jpg", "png"):  # a TIFF has it among its EXIF data, WebP has none
        np.testing.assert_allclose(metadata.dpi, (300, 240), atol=0.02)


@pytest.mark.parametrize("form", [b'tiff:Orientation="6"', b"<tiff:Orientation>8</tiff:Orientation>"])
def test_the_orientation_is_that_of_the_upright_image(tmp_path, form):
    packet = XMP.replace(b'tiff:Orientation="1"', form)
    Image.fromarray(PICTURE).save(tmp_path / "x.jpg", xmp=packet)
    _, metadata = read_photograph(tmp_path / "x.jpg")
    assert b"Orientation" in metadata.xmp and b'"6"' not in metadata.xmp and b">8<" not in metadata.xmp


def test_what_does_not_fit_or_is_damaged_is_left_out_with_a_warning(tmp_path):
    large = XMP + b" " * 70_000
    with pytest.warns(UserWarning, match="XMP data do not fit into a JPEG"):
        write_image(tmp_path / "x.jpg", PICTURE, metadata=Metadata(xmp=large))
    assert read_photograph(tmp_path / "x.jpg")[1].xmp is None
    Image.fromarray(PICTURE).save(tmp_path / "x.webp", xmp=b"\xff\xfe" * 20, lossless=True)
    with pytest.warns(UserWarning, match="an XMP packet that is damaged"):
        assert read_photograph(tmp_path / "x.webp")[1].xmp is None
    Image.fromarray(PICTURE).save(tmp_path / "y.webp", xmp=bytes([32]) * (LARGEST_BLOCK + 1) + XMP, lossless=True)
    with pytest.warns(UserWarning, match="an XMP packet of more than"):
        assert read_photograph(tmp_path / "y.webp")[1].xmp is None
