"""PASCAL VOC 2012 as scenes: photographs with segmentation masks, split such that no scene is in both parts.

A plain folder (`scene_folder.py`) can be given in place of VOC's.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010; the folder layout is VOCdevkit's.
"""

import re
import reprlib
from collections import Counter
from pathlib import Path

import numpy as np

from data.io.files import LARGEST_TEXT, read_bytes
from data.runtime.errors import InputError
from data.synthesis.scene import Scene, held_out
from data.synthesis.scene_folder import IMAGES, MASKS, is_scene_folder, list_scenes

PAPER_SCENES = 2000
"""Number of photographs that the paper uses (Wang, Jin et al. 2022)."""

SPLITS = ("seeded", "voc")
"""A seeded draw with a tenth held out; or the lists of the data set: VOC's own, or those of a plain folder."""

_FILE_NAME = re.compile(r"[\w.\-]{1,100}")
"""Allowed names of scenes, which become parts of file names; VOC's consist of digits and "_"."""


def voc_root(folder: Path | str) -> Path:
    """Finds the folder that holds JPEGImages: `folder` itself, `folder/VOC2012` or `folder/VOCdevkit/VOC2012`.

    Raises:
        InputError: None of them does.
    """
    folder = Path(folder)
    for root in (folder, folder / "VOC2012", folder / "VOCdevkit" / "VOC2012"):
        if (root / "JPEGImages").is_dir():
            return root
    raise InputError(
        f"{folder} holds no VOC data (no JPEGImages folder), nor {IMAGES}/ and {MASKS}/ of your own; give "
        "VOCdevkit/VOC2012, or fetch it with `python -m data.download voc2012 -o DIR`."
    )


def read_scenes(folder: Path | str, list_name: str) -> list[Scene]:
    """Reads one of VOC's lists, ImageSets/Segmentation/`list_name`.txt; or that of a plain folder, see `list_scenes`.

    Raises:
        InputError: The list is absent, empty or not text, or it names a scene twice (which could be in both parts), or
            one whose photograph or mask is absent.
    """
    if is_scene_folder(Path(folder)):
        return list_scenes(Path(folder), list_name)
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
    folder: Path | str, split: str = "seeded", *, seed: int = 0, limit: int | None = PAPER_SCENES
) -> tuple[list[Scene], list[Scene]]:
    """Splits the scenes into a training and a validation part that share no scene.

    Args:
        folder: VOCdevkit/VOC2012 or a folder above it; or one with `images/` and `masks/`.
        split: `"seeded"` draws `limit` scenes from trainval by `seed` and holds a tenth out (the paper's numbers);
            `"voc"` takes the data's own lists: the whole of val, and `limit` scenes of train.
        seed: Random seed of the draw.
        limit: Largest number of scenes to draw; None takes all.

    Raises:
        InputError: A list cannot be read or leaves a part empty, or VOC's lists share a scene.
        ValueError: `split` is neither of the two.
    """
    if split == "voc":
        train, validation = read_scenes(folder, "train"), read_scenes(folder, "val")
        shared = {scene.id for scene in train} & {scene.id for scene in validation}
        if shared:
            raise InputError(f"{len(shared)} scenes are in both train.txt and val.txt, one is {min(shared)}.")
        if limit is not None and limit < len(train):
            train = [train[i] for i in np.random.default_rng(seed).permutation(len(train))[:limit]]
        return train, validation
    if split != "seeded":
        raise ValueError(f"split must be 'seeded' or 'voc', received {split!r}.")
    scenes = sorted(read_scenes(folder, "trainval"), key=lambda scene: scene.id)
    order = np.random.default_rng(seed).permutation(len(scenes))[:limit]
    count = held_out(len(order))
    return [scenes[i] for i in order[count:]], [scenes[i] for i in order[:count]]
