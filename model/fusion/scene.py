"""One scene from its files to its files: read, align, fuse, and write all that belongs together at once."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from data.align import align_images, match_exposure, notice_shift
from data.io.batch import Job, Manifest
from data.io.files import atomic_files
from data.io.image_io import checked_suffix, read_photograph, write_image
from data.io.metadata import Metadata
from data.io.stacks import Stack


@dataclass(frozen=True)
class SceneOptions:
    """What is done with a scene besides fusing it.

    Attributes:
        alpha: See `data.io.image_io.read_image`.
        align: A name in `data.align.MODES`.
        match_exposure: Whether all images get the brightness of the first.
        save_maps: Whether the maps are written; for the proposed method.
        panel: Whether a panel is drawn; for the proposed method.
    """

    alpha: Literal["refuse", "drop"] = "refuse"
    align: str = "none"
    match_exposure: bool = False
    save_maps: bool = False
    panel: bool = False


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
    images, metadata = _read(job.stack, options)
    images, motions = _align(job.stack, images, options)
    checked_suffix(job.output, images[0].dtype, images[0].shape)
    decision = fuser.decide(*images) if hasattr(fuser, "decide") else None
    fused = fuser(*images) if decision is None else decision.fused
    summary = {} if decision is None else decision.summary()
    if motions:
        summary["aligned"] = motions
    with atomic_files(job.output.parent, job.output.name) as folder:
        written = folder / job.output.name
        write_image(written, fused, metadata=metadata)
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


def _read(stack: Stack, options: SceneOptions) -> tuple[list[np.ndarray], Metadata]:
    """The images, and what the result takes over from the first."""
    photographs = [read_photograph(path, alpha=options.alpha) for path in stack.images]
    images, metadata = zip(*photographs, strict=True)
    if len({one.profile for one in metadata}) > 1:
        warnings.warn(f"the images of {stack.name} differ in color profile; the first one's is kept", stacklevel=2)
    return list(images), metadata[0]


def _align(
    stack: Stack, images: list[np.ndarray], options: SceneOptions
) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """The images laid on the first and matched to it as asked, and what was done; unasked, a shift is only said."""
    first = images[0]
    if any(image.shape != first.shape or image.dtype != first.dtype for image in images):
        return images, []  # fusion says what is wrong
    notice = notice_shift(images) if options.align == "none" else None
    if notice:
        warnings.warn(f"{stack.name}: {notice}", stacklevel=2)
    images, found = align_images(images, options.align)
    if options.match_exposure:
        images = [first, *(match_exposure(first, image) for image in images[1:])]
    return images, [{"warp": one.warp.tolist(), "correlation": round(one.correlation, 4)} for one in found]
