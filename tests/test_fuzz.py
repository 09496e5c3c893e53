"""Damaged image files end in one sentence or in an image, never in anything else."""

import io
import types

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from data.io.image_header import read_size
from data.io.image_io import read_photograph
from data.io.metadata import Metadata
from data.io.tiff import encode_tiff
from data.runtime.errors import InputError
from tests.conftest import drawn_photograph

KINDS = {
    "JPEG": {"quality": 90},
    "PNG": {},
    "TIFF": {"compression": "tiff_lzw"},
    "WEBP": {"quality": 80},
    "BMP": {},
    "TIFF of 16 bits": {},
}
"""How each is written; that of 16 bits by this project, the others by Pillow."""

LARGEST = 64 * 2**20
"""Pixels that a file of a few kilobytes may claim before it is refused here."""


def encoded(kind):
    image = drawn_photograph(np.random.default_rng(0), 24, 32)
    if kind == "TIFF of 16 bits":
        return encode_tiff(image.astype(np.uint16) * 257, Metadata())
    picture = Image.fromarray(image)
    content = io.BytesIO()
    picture.save(content, kind, **KINDS[kind])
    return content.getvalue()


def read_mutated(kind, path, monkeypatch, data):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", LARGEST // 2)
    content = bytearray(encoded(kind))
    for _ in range(data.draw(st.integers(1, 6))):
        # Headers are where sizes and offsets stand.
        last = data.draw(st.sampled_from([min(200, len(content)), len(content)])) - 1
        content[data.draw(st.integers(0, last))] = data.draw(st.integers(0, 255))
    length = data.draw(st.one_of(st.just(len(content)), st.integers(1, len(content))))
    path.write_bytes(content[:length])
    for read in (read_size, read_photograph):
        try:
            result = read(path)
        except InputError:
            continue
        image = result[0] if read is read_photograph else types.SimpleNamespace(size=result[0] * result[1])
        assert 0 < image.size <= 3 * LARGEST


IN_ONE_FILE = [HealthCheck.function_scoped_fixture]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None, suppress_health_check=IN_ONE_FILE)
@given(data=st.data())
def test_mutated_files(kind, tmp_path, monkeypatch, data):
    read_mutated(kind, tmp_path / "image", monkeypatch, data)


@pytest.mark.long
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10_000, deadline=None, database=None, suppress_health_check=IN_ONE_FILE)
@given(data=st.data())
def test_many_mutated_files(kind, tmp_path, monkeypatch, data):
    read_mutated(kind, tmp_path / "image", monkeypatch, data)
