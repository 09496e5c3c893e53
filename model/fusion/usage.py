"""What the options of `fuse.py` ask for, and which of them do not go together."""

import argparse
from collections.abc import Collection
from dataclasses import replace

from data.io.sequences import parse_division
from data.io.stack_names import members_of_file
from data.runtime.errors import InputError
from model.fusion.arguments import given_settings
from model.fusion.outputs import OutputOptions, Slabs
from model.fusion.project import Project, read_project
from model.fusion.scene import SceneWork
from model.fusion.settings import FusionSettings, shared_settings

COMPANIONS = ("save_maps", "panel", "depth_map", "rocking", "stereo")
"""Options for what is written beside a result, by their attributes."""


def make_work(parser: argparse.ArgumentParser, arguments: argparse.Namespace, weighted: Collection[str]) -> SceneWork:
    """Makes what the options ask for; ends the process with wrong usage where they do not go together.

    Args:
        parser: Says what is wrong.
        arguments: The command line; the images become those of a project that is given.
        weighted: The methods of others that need a file of weights.

    Raises:
        InputError: The project cannot be read.
    """
    project = _take_project(parser, arguments)
    given = given_settings(arguments)
    weights = None if arguments.method == "proposed" else given.pop("weights", None)
    if arguments.method != "proposed":
        own = [name for name in ("size", "average", "strategy", "prefer", "comparer") if name in given]
        given_outputs = [name for name in COMPANIONS if getattr(arguments, name)]
        if own or given_outputs:
            option = [*own, *given_outputs][0].replace("_", "-")
            parser.error(f"--{option} is for the proposed method; others have nothing of the kind.")
    try:
        settings = FusionSettings(**{**given, **(project.settings.shared() if project else {})})
    except InputError as error:
        parser.error(str(error))
    try:
        slabs = Slabs.parse(arguments.slabs) if arguments.slabs else None
    except InputError as error:
        parser.error(f"--slabs: {error}")
    outputs = OutputOptions(**{name: getattr(arguments, name) for name in ("align_only", *COMPANIONS)}, slabs=slabs)
    if project:
        outputs = replace(outputs, strokes=project.strokes, second=project.second)
    work = SceneWork(settings, outputs, arguments.method, weights)
    _check_input(parser, arguments)
    if not arguments.benchmark:
        _check_method(parser, arguments, work, weighted)
        _check_batch(parser, arguments)
    return work


def _take_project(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Project | None:
    """Reads the project that is given, and takes its frames; returns None without one."""
    if arguments.project is None:
        return None
    if arguments.images or arguments.input or arguments.align_only or arguments.method != "proposed":
        parser.error("--project says which frames are fused, and how: give no images, -i, --align-only or --method.")
    given = [setting.name for setting in shared_settings() if setting.name in given_settings(arguments)]
    if given:
        parser.error(f"--project says how frames are fused: leave --{given[0].replace('_', '-')} out.")
    project = read_project(arguments.project)
    arguments.images = project.locate(arguments.project.parent)
    return project


def _check_input(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Checks which images are given."""
    if arguments.input is not None and arguments.images:
        parser.error("give either images or -i DIR, not both.")
    if arguments.benchmark:
        if len(arguments.images) not in (0, 2) or arguments.input is not None:
            parser.error("--benchmark takes two images or none.")
        return
    stacks = [path for path in arguments.images if path.is_dir() or members_of_file(path)]
    if arguments.input is None and len(arguments.images) < 2 and not stacks:
        parser.error(
            f"two images, a folder or a TIFF of several pages are needed, received {len(arguments.images)}; or a "
            "folder with -i DIR."
        )


def _check_method(
    parser: argparse.ArgumentParser, arguments: argparse.Namespace, work: SceneWork, weighted: Collection[str]
) -> None:
    """Checks what depends on the method and strategy."""
    strategy = work.settings.chosen_strategy
    if work.pairs_only and len(arguments.images) > 2:
        chosen = "--strategy paper" if work.method == "proposed" else f"--method {work.method}"
        parser.error(f"{chosen} fuses two images, received {len(arguments.images)}.")
    if work.method != "proposed" and bool(work.weights) != (work.method in weighted):
        mend = "leave --weights out" if work.weights else "give its authors' file, --weights FILE"
        parser.error(f"--method {work.method} {'has no' if work.weights else 'needs'} weights: {mend}.")
    if work.settings.crop == "none" and work.pairs_only:
        parser.error("--crop none is for the strategies learned and refined; others know of no uncovered pixels.")
    if arguments.slabs and (work.outputs.align_only or work.pairs_only):
        parser.error("--slabs is for the strategies learned and refined, and not for --align-only.")
    for name in ("depth_map", "rocking", "stereo"):
        if getattr(arguments, name) and strategy != "learned":
            parser.error(f"--{name.replace('_', '-')} is for --strategy learned, not for {strategy}.")
    if arguments.align_only and work.outputs.companions:
        parser.error("--align-only fuses nothing: leave out --save-maps, --panel, --depth-map, --rocking and --stereo.")


def _check_batch(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    """Checks what is for a folder of scenes, and the output."""
    several = arguments.jobs > 1 or arguments.cluster
    if arguments.input is None and (
        arguments.resume or arguments.pattern or arguments.split or several or arguments.shard != (1, 1)
    ):
        parser.error("--resume, --shard, --pattern, --split, --jobs and --cluster are for a folder: -i DIR.")
    if arguments.split:
        if arguments.pattern:
            parser.error("give either --pattern or --split.")
        try:
            parse_division(arguments.split)
        except InputError as error:
            parser.error(f"--split: {error}")
    if arguments.watch is not None and (arguments.input is None or arguments.dry_run or arguments.json):
        parser.error("--watch is for a folder, -i DIR, and goes with neither --dry-run nor --json.")
    if arguments.output is None:
        parser.error("-o PATH is needed: the fused image, or a folder with -i.")
