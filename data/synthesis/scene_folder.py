"""A plain folder as scenes: photographs in `images/`, and a mask of the same name for each in `masks/`.

There are no lists as VOC has: a tenth of the scenes, drawn by digests of their names, is the validation part, whatever
the seed of a run.
"""

from hashlib import sha256
from pathlib import Path

from data.io.image_header import READ_SUFFIXES, read_size
from data.runtime.errors import InputError
from data.runtime.names import checked_name
from data.synthesis.scene import Scene, held_out

IMAGES, MASKS = "images", "masks"
"""The two folders."""


def is_scene_folder(folder: Path) -> bool:
    """Returns whether a folder holds both."""
    return (folder / IMAGES).is_dir() and (folder / MASKS).is_dir()


def list_scenes(folder: Path, list_name: str) -> list[Scene]:
    """Lists a part of the scenes, sorted by name.

    Args:
        folder: Holds `images/` and `masks/`; masks without a photograph are ignored.
        list_name: `"trainval"` is all, `"val"` the tenth held out, `"train"` the others.

    Raises:
        InputError: There is no photograph, or no such part; a photograph has no mask, or one of another size; two files
            have one name; the header of a file cannot be read.
    """
    photographs, masks = (_by_name(folder / name) for name in (IMAGES, MASKS))
    if not photographs:
        raise InputError(f"{folder / IMAGES} holds no images ({', '.join(READ_SUFFIXES)}).")
    missing = [path for name, path in photographs.items() if name not in masks]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(photographs)} photographs have no mask, the first is {missing[0]}; "
            f"an image called {missing[0].stem} is needed in {folder / MASKS}."
        )
    names = _part(folder, list(photographs), list_name)
    scenes = [Scene(checked_name(name, "a scene"), photographs[name], masks[name]) for name in names]
    for scene in scenes:
        scene.check_sizes(read_size(scene.image_path), read_size(scene.mask_path))
    return scenes


def _by_name(folder: Path) -> dict[str, Path]:
    """Returns the image files of a folder by name without suffix, sorted; hidden files are ignored."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.stem, path.suffix)):
        if path.suffix.lower() in READ_SUFFIXES and not path.name.startswith("."):
            other = found.setdefault(path.stem, path)
            if other != path:
                raise InputError(f"{other} and {path} are of one name; keep one.")
    return found


def _part(folder: Path, names: list[str], list_name: str) -> list[str]:
    if list_name == "trainval":
        return names
    if list_name not in ("train", "val"):
        raise InputError(f"{folder} has the lists train, val and trainval, not {list_name!r}.")
    drawn = sorted(names, key=lambda name: sha256(name.encode("utf-8", "surrogateescape")).digest())
    validation = set(drawn[: held_out(len(names))])
    return [name for name in names if (name in validation) == (list_name == "val")]
