"""PASCAL VOC 2012 as scenes: photographs with a segmentation mask, split so that no scene is in both parts.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010; the folder layout is VOCdevkit's.
"""

import re
import reprlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import InputError
from data.io.files import LARGEST_TEXT, read_bytes
from data.io.image_io import read_image, read_index_image

PAPER_SCENES = 2000
"""Photographs that the paper takes (Wang, Jin et al. 2022)."""

VALIDATION_SHARE = 0.1
"""The paper's: 1,000 of 10,000 pairs."""

SPLITS = ("seeded", "voc")
"""A seeded draw, a tenth of it held out; or VOC's own lists."""

_FILE_NAME = re.compile(r"[\w.\-]{1,100}")
"""A scene's name is a part of file names: VOC's are of digits and "_"."""


@dataclass(frozen=True)
class Scene:
    """One photograph and its mask, by file."""

    id: str
    image_path: Path
    mask_path: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Reads both files.

        Returns:
            The photograph, (H, W, 3) uint8 RGB, and its foreground, (H, W) uint8: 1 on every object and on VOC's
            border index 255 (chosen), 0 on the background.

        Raises:
            InputError: if a file cannot be read, or the two differ in size.
        """
        image = read_image(self.image_path)
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        mask = read_index_image(self.mask_path)
        if image.shape[:2] != mask.shape:
            raise InputError(
                f"{self.mask_path} is {mask.shape[1]}x{mask.shape[0]} pixels and its photograph "
                f"{image.shape[1]}x{image.shape[0]}; both must be of one size."
            )
        return image, (mask > 0).astype(np.uint8)


def voc_root(folder: Path | str) -> Path:
    """Finds the folder that holds JPEGImages: `folder` itself, `folder/VOC2012` or `folder/VOCdevkit/VOC2012`.

    Raises:
        InputError: if none of them does.
    """
    folder = Path(folder)
    for root in (folder, folder / "VOC2012", folder / "VOCdevkit" / "VOC2012"):
        if (root / "JPEGImages").is_dir():
            return root
    raise InputError(
        f"{folder} holds no VOC data (no JPEGImages folder); give VOCdevkit/VOC2012, or fetch it with "
        "`python -m data.download voc2012 -o DIR`."
    )


def read_scenes(folder: Path | str, list_name: str) -> list[Scene]:
    """Reads one of VOC's lists, ImageSets/Segmentation/`list_name`.txt.

    Raises:
        InputError: if the list is absent, empty or no text, or names a scene twice (it could be in both parts), or one
            whose photograph or mask is absent.
    """
    root = voc_root(folder)
    list_path = root / "ImageSets" / "Segmentation" / f"{list_name}.txt"
    ids = _read_list(list_path)
    scenes = [Scene(i, root / "JPEGImages" / f"{i}.jpg", root / "SegmentationClass" / f"{i}.png") for i in ids]
    missing = [path for scene in scenes for path in (scene.image_path, scene.mask_path) if not path.is_file()]
    if missing:
        raise InputError(f"{len(missing)} files that {list_path} names are missing, the first is {missing[0]}.")
    return scenes


def _read_list(path: Path) -> list[str]:
    if not path.exists():
        raise InputError(f"{path} is missing; VOC's lists train, val and trainval are needed.")
    try:
        ids = read_bytes(path, LARGEST_TEXT).decode("utf-8").split()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged: it is no text in UTF-8 ({error.reason}); fetch VOC again.") from error
    if not ids:
        raise InputError(f"{path} names no scene.")
    for scene, count in Counter(ids).items():
        if not _FILE_NAME.fullmatch(scene):
            raise InputError(f"{path} names {reprlib.repr(scene)}, which is no scene; fetch VOC again.")
        if count > 1:
            raise InputError(f"{path} names the scene {scene} {count} times; leave it there once.")
    return ids


def split_scenes(
    folder: Path | str, split: str = "seeded", *, seed: int = 0, limit: int = PAPER_SCENES
) -> tuple[list[Scene], list[Scene]]:
    """Splits the scenes into a training and a validation part that share no scene.

    Args:
        folder: VOCdevkit/VOC2012 or a folder above it.
        split: `"seeded"` draws `limit` scenes from trainval by `seed` and holds a tenth out (the paper's numbers);
            `"voc"` takes VOC's own lists: the whole of val, and `limit` scenes of train.
        seed: Seed of the draw.
        limit: How many scenes to draw; all of them where there are fewer, in the order of the list.

    Raises:
        InputError: if a list cannot be read or leaves a part empty, or VOC's lists share a scene.
        ValueError: if `split` is neither of the two.
    """
    if split == "voc":
        train, validation = read_scenes(folder, "train"), read_scenes(folder, "val")
        shared = {scene.id for scene in train} & {scene.id for scene in validation}
        if shared:
            raise InputError(f"{len(shared)} scenes are in both train.txt and val.txt, one is {min(shared)}.")
        if limit < len(train):
            train = [train[i] for i in np.random.default_rng(seed).permutation(len(train))[:limit]]
        return train, validation
    if split != "seeded":
        raise ValueError(f"split must be 'seeded' or 'voc', received {split!r}.")
    scenes = sorted(read_scenes(folder, "trainval"), key=lambda scene: scene.id)
    order = np.random.default_rng(seed).permutation(len(scenes))[:limit]
    held_out = round(len(order) * VALIDATION_SHARE)
    if not 0 < held_out < len(order):
        raise InputError(f"{len(order)} scenes are too few to hold a tenth out for validation; at least 6 are needed.")
    return [scenes[i] for i in order[held_out:]], [scenes[i] for i in order[:held_out]]
