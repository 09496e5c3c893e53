"""Finds images of a folder by the name of their scene: results of fusion, ground truth."""

import re
from collections.abc import Iterable
from pathlib import Path

from data.io.image_header import IMAGE_SUFFIXES
from data.runtime.errors import InputError

JPEG_NOTE = "JPEG changes the metrics, up or down by the method: compare JPEG rows with lossless rows with care."
"""Note under a table that has both."""

_JPEG_SUFFIXES = (".jpg", ".jpeg")
"""Suffixes of JPEG files."""


class ImageFolder:
    """The image files of a folder, or of several that hold parts of one set.

    Args:
        folders: The folders; their subfolders and hidden files are ignored.

    Raises:
        InputError: A folder is missing or a file.
    """

    def __init__(self, *folders: Path):
        self._files: dict[str, list[Path]] = {}
        for folder in folders:
            if not folder.is_dir():
                kind = "is a file; give its folder" if folder.exists() else "does not exist; check the name"
                raise InputError(f"cannot list the images of {folder}: it {kind}.")
            for path in sorted(folder.iterdir()):
                if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith("."):
                    self._files.setdefault(path.stem, []).append(path)

    def find(self, name: str) -> Path:
        """Returns the image called `name`, with any image suffix.

        Another case, `name-fused` and `fused-name` (with - or _) count only where the exact name is absent.

        Raises:
            InputError: There is none, or several.
        """
        wanted = re.compile(rf"(fused[-_])?{re.escape(name)}|{re.escape(name)}[-_]fused", re.IGNORECASE)
        found = self._files.get(name) or [
            path for stem, paths in self._files.items() if wanted.fullmatch(stem) for path in paths
        ]
        if not found:
            raise InputError(f"no image {name} with one of the suffixes {', '.join(IMAGE_SUFFIXES)}")
        if len(found) > 1:
            raise InputError(f"several images for one name: {', '.join(map(str, found))}; keep one")
        return found[0]


def title_with_type(method: str, files: Iterable[Path]) -> str:
    """Returns a method's name, with a remark where its images are JPEG."""
    lossy = [path.suffix.lower() in _JPEG_SUFFIXES for path in files]
    if not any(lossy):
        return method
    return f"{method} (JPEG)" if all(lossy) else f"{method} (JPEG in part)"
