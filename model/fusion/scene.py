"""Scenes from their files to their files: fuses each and writes all that belongs to it at once."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from data.io.batch import Job, Manifest
from data.io.files import atomic_files, file_digest
from data.io.image_io import checked_suffix, write_image
from data.io.listing import Stack
from data.registration.prepared import Observer
from data.runtime.parts import isolate_errors
from model.fusion.fuser import Fuser
from model.fusion.outputs import OutputOptions, Slabs
from model.fusion.pipeline import Method, PreparedStack, Result, decide, prepare
from model.fusion.settings import FusionSettings

NOT_DECIDING = {"strict", "strategy", "weights", "comparer", "warps", "dust", "engine", "device"}
"""Settings that `SceneWork.describe` records in another way, or that change no result."""


@dataclasses.dataclass(frozen=True)
class SceneWork:
    """What is done with each scene of a batch.

    Attributes:
        settings: How it is fused.
        outputs: What is written.
        method: "proposed", or the name of a method of others.
        weights: The file of weights of a method of others that needs one.
    """

    settings: FusionSettings = dataclasses.field(default_factory=FusionSettings)
    outputs: OutputOptions = dataclasses.field(default_factory=OutputOptions)
    method: str = "proposed"
    weights: Path | None = None

    @property
    def pairs_only(self) -> bool:
        """Whether the method takes two images and no more."""
        return self.method != "proposed" or self.settings.chosen_strategy == "paper"

    @property
    def files(self) -> dict[str, Path]:
        """The files that are read besides the images: weights, warps and a map of dust."""
        settings = self.settings
        if self.method == "proposed":
            weights = {"weights": settings.weights, "comparer": settings.chosen_comparer}
        else:
            weights = {"weights": self.weights}
        named = {**weights, "warps": settings.warps, "dust": settings.dust}
        return {name: path for name, path in named.items() if path}

    def describe(self) -> dict[str, Any]:
        """Returns all that decides a result besides its sources, as JSON values: files by their digests."""
        settings = self.settings
        names = {field.name for field in dataclasses.fields(settings)} - NOT_DECIDING
        described: dict[str, Any] = {name: getattr(settings, name) for name in sorted(names)}
        described |= {"method": self.method, "align_only": self.outputs.align_only, "weights": None}
        for name, path in self.files.items():
            if path.is_file():  # loading reports a file that is missing
                described[name] = file_digest(path, "sha256")
        if self.method == "proposed":
            described["strategy"] = settings.chosen_strategy
        if self.outputs.slabs:
            described["slabs"] = [self.outputs.slabs.size, self.outputs.slabs.overlap]
        return described


def make_job(stack: Stack, output: Path, work: SceneWork) -> Job:
    """Lists everything that will be written for a scene whose fused image is `output`."""
    slabs = work.outputs.slabs
    others = slabs.files(output, len(stack.images)) if slabs else []
    if work.outputs.companions:
        from model.fusion.pictures import companions  # loads matplotlib, which nothing else here needs

        others += companions(output, work.settings.chosen_strategy, work.outputs)
    return Job(stack, output, tuple(others))


def make_alignment_job(stack: Stack, folder: Path, suffix: str) -> Job:
    """Lists the aligned frames of a scene in a folder, each under its own name with another suffix."""
    stems = [path.stem for path in stack.images]
    if len({stem.casefold() for stem in stems}) < len(stems):  # folders A and B with equal names
        stems = [f"{number}-{stem}" for number, stem in enumerate(stems, start=1)]
    first, *others = (folder / f"{stem}.{suffix}" for stem in stems)
    return Job(stack, first, tuple(others))


def fuse_scenes(
    load: Callable[[], Fuser | Method],
    jobs: Iterable[Job],
    work: SceneWork,
    manifest: Manifest | None = None,
    observe: Observer | None = None,
) -> Iterator[dict[str, Any]]:
    """Fuses scene by scene; one that fails is reported by its name, and the others go on.

    Args:
        load: Returns the fuser, or a method of others; called when a scene is ready for it, not in a thread beside
            that, where warnings would be lost.
        jobs: The scenes.
        work: What is done with each.
        manifest: Records what was written; None where nobody will ask.
        observe: Progress callback (stage, done, total).

    Yields:
        For each scene what was done: JSON values, with an "error" where it failed.

    Raises:
        InputError: What `load` raised.
    """
    for job in jobs:
        with isolate_errors(job.stack.name) as part:
            prepared = prepare_scene(job, work, observe)
        if not part.failure:
            fuser = None if work.outputs.align_only else load()
            with isolate_errors(job.stack.name) as part:
                summary = fuse_scene(fuser, job, prepared, work, manifest)
        yield job.describe() | ({"output": None, "error": part.failure} if part.failure else summary)


def prepare_scene(job: Job, work: SceneWork, observe: Observer | None = None) -> PreparedStack:
    """Reads and aligns the images of a scene, and warns of what was noticed.

    Raises:
        InputError: An image cannot be read or aligned, or the result cannot be written under its name.
    """
    settings = work.settings
    if work.method != "proposed" and settings.crop == "auto":  # others know of no uncovered pixels
        settings = dataclasses.replace(settings, crop="common")
    prepared = prepare(job.stack, settings, observe)
    _warn(job, prepared.noticed)
    checked_suffix(job.output, prepared.images[0].dtype, prepared.images[0].shape)
    return prepared


def fuse_scene(
    fuser: Fuser | Method | None, job: Job, prepared: PreparedStack, work: SceneWork, manifest: Manifest | None = None
) -> dict[str, Any]:
    """Fuses the images of one scene; the files of the job appear together, or none does.

    Args:
        fuser: A `Fuser`, or a method of others; None where only the aligned images are written.
        job: The scene and its files.
        prepared: Made by `prepare_scene`.
        work: What is done.
        manifest: As in `fuse_scenes`.

    Returns:
        What was done: JSON values.

    Raises:
        InputError: The images cannot be fused, or a file cannot be written.
    """
    result, outputs = None, work.outputs
    if fuser:
        result = decide(prepared, fuser, method=work.method, strokes=outputs.strokes, second=outputs.second)
    if result:
        summary = result.describe()
    else:
        summary = {"method": "alignment", **prepared.images.describe(), "remarks": list(prepared.remarks)}
    _warn(job, prepared.files.remarks if prepared.files else ())
    with ExitStack() as unfinished:  # the depth map takes its place before the result, which says that all is there
        folder = unfinished.enter_context(atomic_files(job.output.parent, job.output.name))
        if isinstance(outputs.depth_map, Path):
            place = outputs.depth_map
            depth_folder = unfinished.enter_context(atomic_files(place.parent, place.name))
            outputs = dataclasses.replace(outputs, depth_map=depth_folder / place.name)
        if result:
            _write_result(folder / job.output.name, job, result, summary, outputs)
            if outputs.slabs and isinstance(fuser, Fuser):
                _write_slabs(folder / job.output.name, fuser, result, len(job.stack.images), outputs.slabs)
        else:
            for number, image in zip(prepared.images.frame_numbers, prepared.images, strict=True):
                aligned = prepared.as_given(image)
                write_image(folder / job.files[number].name, aligned, metadata=prepared.metadata)
        if manifest is not None:
            manifest.write(job, folder, prepared.files.digests if prepared.files else {})
    return summary


def _write_slabs(path: Path, fuser: Fuser, result: Result, count: int, slabs: Slabs) -> None:
    """Writes the result of each slab, aligned and cut as the whole stack."""
    images = result.stack.images
    for frames, file in zip(slabs.spans(count), slabs.files(path, count), strict=True):
        part = images.part(frames)
        fused = fuser.decide(part).fused if len(part) > 1 else part[0]
        write_image(file, result.stack.as_given(fused), metadata=result.stack.metadata)


def _warn(job: Job, remarks: Sequence[str]) -> None:
    for remark in remarks:
        warnings.warn(f"{job.stack.name}: {remark}", stacklevel=3)


def _write_result(path: Path, job: Job, result: Result, summary: dict[str, Any], outputs: OutputOptions) -> None:
    """Writes the fused image and what is asked for beside it."""
    write_image(path, result.image, metadata=result.stack.metadata)
    if result.decision is not None and outputs.companions:
        from model.fusion.pictures import write_companions  # loads matplotlib, which nothing else here needs

        names = {str(place): job.stack.images[place].name for place in result.stack.images.frame_numbers}
        report = {"output": str(job.output), "sources": names, **summary}
        write_companions(path, result.decision, result.stack.images, job.stack.name, report, outputs, result.fused)
