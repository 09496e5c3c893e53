"""Scenes from their files to their files: read, align, fuse, and write all that belongs to a scene at once."""

import dataclasses
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.io.batch import Job, Manifest
from data.io.files import atomic_files
from data.io.frames import Frames
from data.io.image_io import checked_suffix, write_image
from data.io.listing import Stack
from data.io.metadata import Metadata
from data.registration.prepared import ByNumber, Observer, PreparedFrames
from data.runtime.errors import InputError
from data.runtime.parts import alone
from model.fusion.paper import PaperDecision
from model.fusion.refined import MapDecision
from model.fusion.retouch import Stroke, retouch


@dataclass(frozen=True)
class SceneOptions:
    """What is done with a scene besides fusing it.

    Attributes:
        method: The name of the method, for what is said of the result.
        alpha: See `data.io.image_io.read_image`.
        align: As `crop` and `match_exposure`, see `data.registration.prepared.PreparedFrames`.
        strict: Whether a frame that fits nowhere is an error.
        align_only: Whether the aligned frames are written, and nothing is fused.
        save_maps: Whether the maps are written; for the proposed method.
        panel: Whether a panel is drawn; for the proposed method.
        depth_map: Whether the depth map is written, or its file where that is not NAME-depth.png; for the strategy
            `learned`.
        strokes: Painted over the result of the proposed method.
    """

    method: str = "proposed"
    alpha: Literal["refuse", "drop"] = "refuse"
    align: str = "auto"
    crop: str = "common"
    match_exposure: str = "auto"
    strict: bool = False
    align_only: bool = False
    save_maps: bool = False
    panel: bool = False
    depth_map: bool | Path = False
    strokes: tuple[Stroke, ...] = ()


def make_job(stack: Stack, output: Path, options: SceneOptions, strategy: str | None) -> Job:
    """A scene and everything that will be written for it.

    Args:
        stack: The sources.
        output: The fused image.
        options: Of the scene.
        strategy: The fuser's, which decides which maps there are; None for a method of others.
    """
    if not (options.save_maps or options.panel or options.depth_map):
        return Job(stack, output)
    from model.fusion.pictures import companions  # loads matplotlib, which nothing else here needs

    return Job(stack, output, tuple(companions(output, strategy, options)))


def make_alignment_job(stack: Stack, folder: Path, suffix: str) -> Job:
    """A scene whose aligned frames will be written into a folder, each under its own name with another suffix."""
    stems = [path.stem for path in stack.images]
    if len({stem.casefold() for stem in stems}) < len(stems):  # folders A and B with equal names
        stems = [f"{number}-{stem}" for number, stem in enumerate(stems, start=1)]
    first, *others = (folder / f"{stem}.{suffix}" for stem in stems)
    return Job(stack, first, tuple(others))


def fuse_scenes(
    load: Callable[[], Callable[..., np.ndarray]],
    jobs: Iterable[Job],
    options: SceneOptions,
    manifest: Manifest | None = None,
    observe: Observer | None = None,
) -> Iterator[dict[str, Any]]:
    """Fuses scene by scene; one that fails is reported by its name, and the others go on.

    Args:
        load: Gives the fuser, or a method of others; called when a scene is ready for it. Not in a thread beside that:
            what is warned of meanwhile would go astray.
        jobs: The scenes.
        options: Of each.
        manifest: As in `fuse_scene`.
        observe: Told of the progress of what is done before fusing.

    Yields:
        For each scene what was done: JSON values, with an "error" where it failed.

    Raises:
        InputError: What `load` raised.
    """
    for job in jobs:
        with alone(job.stack.name) as part:
            scene = prepare_scene(job, options, observe)
        if not part.failure:
            fuser = None if options.align_only else load()
            with alone(job.stack.name) as part:
                summary = fuse_scene(fuser, scene, options, manifest)
        yield job.describe() | ({"output": None, "error": part.failure} if part.failure else summary)


@dataclass(frozen=True)
class Scene:
    """A scene that is ready to be fused.

    Attributes:
        job: Its files, and what is written.
        images: Its images, laid on each other.
        metadata: What the result takes over.
    """

    job: Job
    images: PreparedFrames
    metadata: Metadata


def prepare_scene(job: Job, options: SceneOptions, observe: Observer | None = None) -> Scene:
    """Reads and aligns the images of a scene, and says what was noticed.

    Args:
        job: The sources, and what is written.
        options: Of the scene.
        observe: Told of the progress.

    Raises:
        InputError: An image cannot be read or aligned, or the result cannot be written under its name.
    """
    frames = Frames(job.stack, options.alpha)
    images = PreparedFrames(
        frames,
        align=options.align,
        crop=options.crop,
        match_exposure=options.match_exposure,
        observe=observe or (lambda *_: None),
    )
    _say_what_was_noticed(job.stack, images, options.strict)
    checked_suffix(job.output, images[0].dtype, images[0].shape)
    return Scene(job, images, frames.metadata)


def fuse_scene(
    fuser: Callable[..., np.ndarray] | None, scene: Scene, options: SceneOptions, manifest: Manifest | None = None
) -> dict[str, Any]:
    """Fuses the images of one scene; the files of the job appear together, or none does.

    Args:
        fuser: A `Fuser`, or a method of others; None where the aligned images are written alone.
        scene: Made by `prepare_scene`.
        options: Of the scene.
        manifest: Records what was written; None where nobody will ask.

    Returns:
        What was done: JSON values.

    Raises:
        InputError: The images cannot be fused, or a file cannot be written.
    """
    job, images = scene.job, scene.images
    if options.align_only:
        summary = {"method": "alignment"}
    elif hasattr(fuser, "decide"):
        decision = number_by_stack(fuser.decide(images), images.kept)
        summary = decision.summary()
    else:
        decision, summary = None, {"method": options.method}
    summary |= images.describe()
    with ExitStack() as unfinished:  # the depth map takes its place before the result, which says that all is there
        folder = unfinished.enter_context(atomic_files(job.output.parent, job.output.name))
        if isinstance(options.depth_map, Path):
            place = options.depth_map
            depth_folder = unfinished.enter_context(atomic_files(place.parent, place.name))
            options = dataclasses.replace(options, depth_map=depth_folder / place.name)
        written = folder / job.output.name
        if options.align_only:
            for place, image in zip(images.kept, images, strict=True):
                write_image(folder / job.files[place].name, image, metadata=scene.metadata)
        else:
            fused = fuser(*images) if decision is None else decision.fused
            if options.strokes:
                fused = retouch(fused, ByNumber(images), options.strokes)
            write_image(written, fused, metadata=scene.metadata)
            if decision is not None and (options.save_maps or options.panel or options.depth_map):
                from model.fusion.pictures import write_companions  # loads matplotlib, which nothing else here needs

                names = {str(place): job.stack.images[place].name for place in images.kept}
                report = {"output": str(job.output), "sources": names, **summary}
                write_companions(written, decision, images, job.stack.name, report, options)
        if manifest is not None:
            manifest.write(job, folder)
    return summary


def _say_what_was_noticed(stack: Stack, images: PreparedFrames, strict: bool) -> None:
    """Warns of frames that are left out and of what else was noticed; raises InputError for the first if strict."""
    if images.alignment is None:
        return
    left_out = [f"{stack.images[index].name} {reason}" for index, reason in images.alignment.left_out.items()]
    if left_out and strict:
        raise InputError(f"{left_out[0]}; without --strict it is left out.")
    if strict and not images.fits:
        raise InputError("the images do not fit on each other: is it one scene?")
    for text in (*(f"{text}, and is left out" for text in left_out), *images.alignment.remarks):
        warnings.warn(f"{stack.name}: {text}", stacklevel=3)


def number_by_stack(decision: PaperDecision | MapDecision, kept: Sequence[int]) -> PaperDecision | MapDecision:
    """The decision with the sources' numbers in the whole stack, frames that were left out included; `kept` are those
    that were not."""
    if not hasattr(decision, "decision_map") or list(kept) == list(range(len(kept))):
        return decision
    return dataclasses.replace(decision, decision_map=np.array(kept, np.uint8)[decision.decision_map])
