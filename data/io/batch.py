"""Plans a batch: what a run will write, what it must not replace, what it keeps, and what each result was made from.

The manifest of DIR/NAME.png is DIR/.fused/NAME.png.json, a record with the digests of the sources, the settings, and
the digests of the files that were written from them. Each scene has one, because several processes may work on one
folder at once. It is written before the files take their places, so a file that another run wrote does not fit it.
"""

import os
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from data.io.files import file_digest
from data.io.image_header import image_digest
from data.io.listing import Stack
from data.io.records import Record
from data.io.stack_names import MANIFESTS
from data.io.tiff_stack import stored_in
from data.runtime.errors import InputError


@dataclass(frozen=True)
class Job:
    """A scene and all files that are written for it.

    Attributes:
        stack: The sources.
        output: The fused image.
        companions: Further files of it: maps, a panel, a report.
    """

    stack: Stack
    output: Path
    companions: tuple[Path, ...] = ()

    @property
    def files(self) -> tuple[Path, ...]:
        """The fused image and its companions."""
        return (self.output, *self.companions)

    @property
    def manifest(self) -> Path:
        """Path of the manifest."""
        return self.output.parent / MANIFESTS / f"{self.output.name}.json"

    def describe(self) -> dict[str, Any]:
        """Returns name, sources and output as JSON values."""
        sources = [str(path) for path in self.stack.images]
        return {"name": self.stack.name, "sources": sources, "output": str(self.output)}


def protect_files(outputs: Iterable[Path], inputs: Iterable[Path]) -> None:
    """Refuses, before any work, files that must not be written; the one place that decides it.

    Args:
        outputs: All files that a run will write.
        inputs: All files that it reads.

    Raises:
        InputError: An output is an input, under whatever name; or a folder, pipe or device stands in its place, or a
            file in that of its folder; or two outputs are one file, on a file system that does not tell case apart.
    """
    inputs = [stored_in(path) for path in inputs]
    resolved = {os.path.realpath(path) for path in inputs}
    files = {_identity(path) for path in inputs} - {None}
    names: dict[str, Path] = {}
    for output in outputs:
        if os.path.realpath(output) in resolved or _identity(output) in files:
            raise InputError(f"{output} is one of the files that are read; choose another output.")
        if os.path.lexists(output) and not output.is_symlink() and not output.is_file():
            kind = "a folder" if output.is_dir() else "a pipe, socket or device"
            raise InputError(f"cannot write {output}: it is {kind}; choose another name.")
        above = next((folder for folder in output.parents if folder.exists()), None)
        if above is not None and not above.is_dir():
            raise InputError(f"cannot make the folder {output.parent}: {above} is a file; choose another name.")
        other = names.setdefault(unicodedata.normalize("NFC", str(output)).casefold(), output)
        if other is not output:
            equal = "are one file" if str(other) == str(output) else "differ by case alone"
            raise InputError(f"{other} and {output} {equal}; rename one scene, or choose another output.")


def refuse_existing(files: Sequence[Path], reason: str = "") -> None:
    """Refuses to replace files that exist.

    Raises:
        InputError: One does; `reason` is added to the sentence.
    """
    existing = [path for path in files if os.path.lexists(path)]
    if existing:
        more = f" and {len(existing) - 1} more" if len(existing) > 1 else ""
        raise InputError(f"{existing[0]}{more} exists already{reason}; --overwrite replaces it.")


class Manifest:
    """Manifests of results that are made with the same settings.

    Args:
        settings: Everything besides the sources that decides a result; JSON values.
    """

    def __init__(self, settings: Mapping[str, Any]):
        self._settings = dict(settings)

    def written(self, job: Job) -> set[Path]:
        """Returns the files of a job that exist and are what these sources and settings gave."""
        record = self._record(job).read({"results": dict[str, str]})
        digests = record["results"] if record else {}
        return {path for path in job.files if path.is_file() and digests.get(path.name) == file_digest(path, "sha256")}

    def write(self, job: Job, folder: Path, digests: Mapping[int, str]) -> None:
        """Records what is about to take its place.

        Args:
            job: What it belongs to.
            folder: Holds the complete files, under their final names.
            digests: Of the sources as they were read, by their index; those that nobody read are read now.

        Raises:
            InputError: The manifest cannot be written.
        """
        self._record(job, digests).write(
            {"results": {path.name: file_digest(path, "sha256") for path in sorted(folder.iterdir())}}
        )

    def _record(self, job: Job, digests: Mapping[int, str] = MappingProxyType({})) -> Record:
        sources = [
            [path.name, digests[index] if index in digests else image_digest(path)]
            for index, path in enumerate(job.stack.images)
        ]
        return Record(job.manifest, {"sources": sources, "settings": self._settings})


def plan(jobs: Sequence[Job], manifest: Manifest, *, resume: bool, overwrite: bool) -> tuple[list[Job], list[Job]]:
    """Decides which results are made and which are kept.

    Args:
        jobs: All jobs of the batch.
        manifest: Tells which results are up to date.
        resume: Whether those are kept.
        overwrite: Whether other existing files are replaced.

    Returns:
        The jobs to do, and those to keep.

    Raises:
        InputError: A file would be replaced without being asked for.
    """
    rest: list[Job] = []
    kept: list[Job] = []
    others: list[Path] = []
    for job in jobs:
        written = manifest.written(job) if resume else set()
        (kept if written == set(job.files) else rest).append(job)
        others += [path for path in job.files if path not in written]
    if not overwrite:
        refuse_existing(others, ", made from other images or settings" if resume else "")
    return rest, kept


def _identity(path: Path) -> tuple[int, int] | None:
    """Returns device and number of the file that a name leads to; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino
