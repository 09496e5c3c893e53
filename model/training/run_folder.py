"""Files of a training run that it is resumed from besides its checkpoint: settings, scenes, and the transfer's report.

Each file is checked like any input, because a run may be resumed years later and on another machine.
"""

import warnings
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from data.io.fields import check_values, read_object
from data.io.files import file_digest, read_json, write_json
from data.runtime.errors import InputError
from data.synthesis.scene import Scene
from model.training.settings import CONFIG, SCENES, TRANSFER, TrainingConfig

DIGESTS = "sha256"
"""The key of the digests in scenes.json."""

PHOTOGRAPH, MASK = "photograph", "mask"
"""The keys of a scene's two files in it: {"sha256": {scene: {"photograph": ..., "mask": ...}}}."""

_REMEDY = "put back the file of that run, or start a new run"
"""Remedy for a damaged file, as messages give it."""


@dataclass(frozen=True)
class RunScenes:
    """The scenes of a run.

    Attributes:
        voc: Their folder, as the user gave it.
        train: Training scenes.
        validation: Held-out scenes.
    """

    voc: Path
    train: list[Scene]
    validation: list[Scene]

    @cached_property
    def digests(self) -> dict[str, dict[str, str]]:
        """The sha256 of each scene's photograph and mask, by scene; computed by reading all files.

        Raises:
            InputError: A file cannot be read.
        """
        return {
            scene.id: {PHOTOGRAPH: file_digest(scene.image_path, DIGESTS), MASK: file_digest(scene.mask_path, DIGESTS)}
            for scene in (*self.train, *self.validation)
        }

    def write(self, folder: Path) -> None:
        """Writes scenes.json into a run's folder."""
        write_json(folder / SCENES, {"voc": str(self.voc), **self._names(), DIGESTS: self.digests})

    def check(self, folder: Path) -> None:
        """Compares the scenes, byte by byte, with those that the run in `folder` was trained on.

        Raises:
            InputError: A scene differs by name, photograph or mask, or the run's list is damaged.
        """
        saved = read_scenes(folder)
        for part, names in self._names().items():
            if saved[part] != names:
                raise InputError(f"the {part} scenes of {self.voc} are not those that {folder} was trained on.")
        if DIGESTS not in saved:
            warnings.warn(
                f"{folder / SCENES} is of an earlier version and has no digests: that photographs and masks are those "
                f"that {folder} was trained on could not be checked",
                stacklevel=2,
            )
            return
        for scene in (*self.train, *self.validation):
            for what, path in ((PHOTOGRAPH, scene.image_path), (MASK, scene.mask_path)):
                if saved[DIGESTS][scene.id][what] != self.digests[scene.id][what]:
                    raise InputError(
                        f"the {what} of the scene {scene.id} is not the one that {folder} was trained on: {path} has "
                        "other content; put it back, or start a new run."
                    )

    def _names(self) -> dict[str, list[str]]:
        return {"train": [scene.id for scene in self.train], "validation": [scene.id for scene in self.validation]}


def read_scenes(folder: Path) -> dict[str, Any]:
    """Reads a run's scenes.json: "voc", "train", "validation" (names) and, except in old runs, "sha256".

    Raises:
        InputError: It is missing or damaged.
    """
    path = folder / SCENES
    saved = read_object(path, {"voc": str, "train": list[str], "validation": list[str]}, _REMEDY)
    if DIGESTS in saved:
        try:
            check_values({DIGESTS: dict[str, dict[str, str]]}, saved)
            for name in (*saved["train"], *saved["validation"]):
                check_values({name: dict}, saved[DIGESTS])
                check_values({PHOTOGRAPH: str, MASK: str}, saved[DIGESTS][name])
        except ValueError as error:
            raise InputError(f"{path} is damaged: {error}; {_REMEDY}.") from error
    return saved


def read_settings(folder: Path) -> tuple[TrainingConfig, Path]:
    """Reads the settings of the run in `folder`, and the folder of its scenes.

    Raises:
        InputError: There is no run, or its files are damaged.
    """
    path = folder / CONFIG
    if not path.exists():
        raise InputError(f"{path} is missing: there is no run in {folder} to resume.")
    try:
        config = TrainingConfig.from_json(read_json(path))
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{path} is damaged: {str(error).removesuffix('.')}; {_REMEDY}.") from error
    return config, Path(read_scenes(folder)["voc"])


def read_transferred(folder: Path) -> list[str]:
    """Reads the report of a run's transfer: which weights, and a line for each layer.

    Raises:
        InputError: It is missing or damaged.
    """
    path = folder / TRANSFER
    report = read_json(path)
    try:
        check_values({"report": list[str]}, {"report": report})
    except ValueError as error:
        raise InputError(f"{path} is damaged: the {error}; {_REMEDY}.") from error
    return report
