"""docs/api.md does what it says."""

import pickle
import re

import numpy as np
import pytest
from PIL import Image

from data.demo import rendered_scene
from data.io.image_io import write_image
from data.runtime.errors import InputError
from model import load_fuser
from model.fusion.fuser import Fuser
from tests.conftest import REPOSITORY


@pytest.fixture
def folder(tmp_path, monkeypatch):
    near, far = (image[:128, :160] for image in rendered_scene().photographs())
    for name, image in (("A.jpg", near), ("B.jpg", far), ("stack/f_8.png", near), ("stack/f_9.png", far)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, image)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_its_examples(folder):
    text = (REPOSITORY / "docs" / "api.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(blocks) > 6
    names = {}
    for block in blocks:
        exec(compile(block, "docs/api.md", "exec"), names)
    assert names["fused"].shape == (128, 160, 3)
    assert (names["retouched"] != names["fused"]).any()
    assert (folder / "fused.png").exists()


def test_what_is_no_image_is_refused_with_the_remedy(folder):
    fuser = load_fuser()
    near, far = (np.asarray(Image.open(name)) for name in ("A.jpg", "B.jpg"))
    for images, sentence in (
        ((near / 255, far / 255), r"convert values in 0\.\.1 by"),
        ((Image.open("A.jpg").convert("RGBA"), far), "a Pillow image of mode RGBA"),
        ((near, None), "received NoneType"),
        ((near,), "received 1"),
        (("A.jpg", "missing.jpg"), "missing.jpg"),
    ):
        with pytest.raises(InputError, match=sentence):
            fuser(*images)


def test_a_fuser_made_by_hand_cannot_be_pickled():
    with pytest.raises(TypeError, match="load_fuser"):
        pickle.dumps(Fuser(None, None))
