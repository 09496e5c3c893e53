"""Where the tests find the photographs that cannot be committed.

Set MFF_DATASETS to a folder that holds `lytro/`, `lytro_fused/` and `VOCdevkit/`; without it, `../shared/datasets` is
tried. Tests that need them are skipped where they are absent.
"""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
DATASETS = Path(os.environ.get("MFF_DATASETS", REPOSITORY.parent / "shared" / "datasets"))


def dataset_folder(name: str) -> Path:
    folder = DATASETS / name
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set MFF_DATASETS to a folder that holds {name}/")
    return folder


@pytest.fixture(scope="session")
def lytro() -> Path:
    return dataset_folder("lytro")


@pytest.fixture(scope="session")
def lytro_fused() -> Path:
    return dataset_folder("lytro_fused")


@pytest.fixture(scope="session")
def voc() -> Path:
    return dataset_folder("VOCdevkit") / "VOC2012"
