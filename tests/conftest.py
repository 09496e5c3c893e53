"""What the tests share: photographs that cannot be committed, and a small VOC folder drawn by the tests themselves.

Set MFF_DATASETS to a folder that holds `lytro/`, `lytro_fused/`, `stacks/` and `VOCdevkit/`; without it,
`../shared/datasets` is tried. Tests that need them are skipped where they are absent.
"""

import os
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from data.io.image_io import write_image
from data.runtime.errors import run_command

REPOSITORY = Path(__file__).resolve().parent.parent
DATASETS = Path(os.environ.get("MFF_DATASETS", REPOSITORY.parent / "shared" / "datasets"))
os.environ["MFF_CACHE"] = str(REPOSITORY / ".pytest_cache" / "graphs")  # not the user's own


def dataset_folder(name: str) -> Path:
    folder = DATASETS / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set MFF_DATASETS to a folder that holds {name}/")
    return folder


@pytest.fixture(autouse=True)
def precision_of_its_own():
    """Training sets the precision of its process: what the next test computes does not depend on it."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].config.set_dtype_policy("float32")


@pytest.fixture(scope="session")
def lytro() -> Path:
    return dataset_folder("lytro")


@pytest.fixture(scope="session")
def lytro_fused() -> Path:
    return dataset_folder("lytro_fused")


@pytest.fixture(scope="session")
def stacks() -> Path:
    return dataset_folder("stacks")


@pytest.fixture(scope="session")
def voc() -> Path:
    return dataset_folder("VOCdevkit") / "VOC2012"


def put_endless(path: Path, kind: str) -> None:
    """Puts something where reading never begins ("pipe"), never ends ("device"), or takes 40 GB of holes ("sparse")."""
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        with path.open("wb") as file:
            file.truncate(40 * 2**30)


def fails(capsys, main, *arguments) -> tuple[int, str]:
    """Runs a command that must fail; returns its exit code, of wrong usage as well, and what it says."""
    try:
        code = run_command(main, [str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return code, said


def drawn_photograph(rng: np.random.Generator, height: int, width: int) -> np.ndarray:
    """Sharp detail on two scales, (height, width, 3) uint8 RGB."""
    coarse = rng.integers(0, 256, (height // 4 + 1, width // 4 + 1, 3), dtype=np.uint8)
    image = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST).astype(np.int16)
    return np.clip(image + rng.integers(-30, 31, image.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="session")
def small_voc(tmp_path_factory) -> Path:
    """Ten scenes in VOC's layout, eight in train and two in val; masks are palette PNGs, 255 at the border."""
    root = tmp_path_factory.mktemp("voc") / "VOCdevkit" / "VOC2012"
    folders = [root / name for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")]
    for folder in folders:
        folder.mkdir(parents=True)
    rng = np.random.default_rng(7)
    ids = [f"2007_{number:06d}" for number in range(10)]
    for number, name in enumerate(ids):
        height, width = 72 + 4 * number, 96
        Image.fromarray(drawn_photograph(rng, height, width)).save(folders[0] / f"{name}.jpg", quality=95)
        mask = np.zeros((height, width), np.uint8)
        cv2.circle(mask, (40 + number, 36), 22, 255, -1)
        cv2.circle(mask, (40 + number, 36), 20, 1 + number, -1)
        image = Image.fromarray(mask, mode="P")
        image.putpalette([value for index in range(256) for value in (index, 255 - index, index // 2)])
        image.save(folders[1] / f"{name}.png")
    for part, members in (("train", ids[:8]), ("val", ids[8:]), ("trainval", ids)):
        (folders[2] / f"{part}.txt").write_text("\n".join(members) + "\n")
    return root


@pytest.fixture(scope="session")
def small_pairs(tmp_path_factory):
    """Three pairs of 48x64, sharp on one side each."""
    folder = tmp_path_factory.mktemp("pairs")
    for number in range(3):
        sharp = drawn_photograph(np.random.default_rng(number), 48, 64)
        blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
        left = np.arange(64)[None, :, None] < 32
        write_image(folder / f"scene.{number}-A.png", np.where(left, sharp, blurred))
        write_image(folder / f"scene.{number}-B.png", np.where(left, blurred, sharp))
    return folder
