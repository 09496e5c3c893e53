"""Scenes from their files to their files: read, align, fuse, and write all that belongs to a scene at once."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from data.align import align_images, match_exposure, notice_shift
from data.io.batch import Job, Manifest
from data.io.files import atomic_files
from data.io.frames import Frames
from data.io.image_io import checked_suffix, write_image
from data.io.stacks import Stack
from data.parts import alone


@dataclass(frozen=True)
class SceneOptions:
    """What is done with a scene besides fusing it.

    Attributes:
        method: The name of the method, for what is said of the result.
        alpha: See `data.io.image_io.read_image`.
        align: A name in `data.align.MODES`.
        match_exposure: Whether all images get the brightness of the first.
        save_maps: Whether the maps are written; for the proposed method.
        panel: Whether a panel is drawn; for the proposed method.
    """

    method: str = "proposed"
    alpha: Literal["refuse", "drop"] = "refuse"
    align: str = "none"
    match_exposure: bool = False
    save_maps: bool = False
    panel: bool = False


def make_job(stack: Stack, output: Path, options: SceneOptions, strategy: str | None) -> Job:
    """A scene and everything that will be written for it.

    Args:
        stack: The sources.
        output: The fused image.
        options: Of the scene.
        strategy: The fuser's, which decides which maps there are; None for a method of others.
    """
    if not (options.save_maps or options.panel):
        return Job(stack, output)
    from model.fusion.pictures import companions  # loads matplotlib, which nothing else here needs

    return Job(stack, output, tuple(companions(output, strategy, options.save_maps, options.panel)))


def fuse_scenes(
    fuser: Callable[..., np.ndarray], jobs: Iterable[Job], options: SceneOptions, manifest: Manifest | None = None
) -> Iterator[dict[str, Any]]:
    """Fuses scene by scene; one that fails is reported by its name, and the others go on.

    Args:
        fuser: As in `fuse_scene`, and so are `options` and `manifest`.
        jobs: The scenes.

    Yields:
        For each scene what was done: JSON values, with an "error" where it failed.
    """
    for job in jobs:
        with alone(job.stack.name) as part:
            summary = fuse_scene(fuser, job, options, manifest)
        yield job.describe() | ({"output": None, "error": part.failure} if part.failure else summary)


def fuse_scene(
    fuser: Callable[..., np.ndarray], job: Job, options: SceneOptions, manifest: Manifest | None = None
) -> dict[str, Any]:
    """Fuses the images of one scene; the files of the job appear together, or none does.

    Args:
        fuser: A `Fuser`, or a method of others.
        job: The sources, and what is written.
        options: Of the scene.
        manifest: Records what was written; None where nobody will ask.

    Returns:
        What was done: JSON values.

    Raises:
        InputError: An image cannot be read, aligned or fused, or a file cannot be written.
    """
    frames = Frames(job.stack, options.alpha)
    images, motions = _align(job.stack, list(frames), options)
    checked_suffix(job.output, images[0].dtype, images[0].shape)
    decision = fuser.decide(*images) if hasattr(fuser, "decide") else None
    fused = fuser(*images) if decision is None else decision.fused
    summary = {"method": options.method} if decision is None else decision.summary()
    if motions:
        summary["aligned"] = motions
    with atomic_files(job.output.parent, job.output.name) as folder:
        written = folder / job.output.name
        write_image(written, fused, metadata=frames.metadata)
        if decision is not None and (options.save_maps or options.panel):
            from model.fusion.pictures import (  # loads matplotlib, which nothing else here needs
                beside,
                draw_panel,
                write_maps,
            )

            if options.save_maps:
                write_maps(written, decision, {"output": str(job.output), **summary})
            if options.panel:
                draw_panel(beside(written, "panel.png"), images, decision, job.stack.name)
        if manifest is not None:
            manifest.write(job, folder)
    return summary


def _align(
    stack: Stack, images: list[np.ndarray], options: SceneOptions
) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """The images laid on the first and matched to it as asked, and what was done; unasked, a shift is only said."""
    notice = notice_shift(images) if options.align == "none" else None
    if notice:
        warnings.warn(f"{stack.name}: {notice}", stacklevel=2)
    images, found = align_images(images, options.align)
    if options.match_exposure:
        images = [images[0], *(match_exposure(images[0], image) for image in images[1:])]
    return images, [{"warp": one.warp.tolist(), "correlation": round(one.correlation, 4)} for one in found]
