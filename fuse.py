"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import data.runtime.interrupts  # noqa: F401 - first: it looks after the imports that follow

# isort: split
import argparse
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from data.io.batch import Job, Manifest, plan, protect_files, refuse_existing
from data.io.files import file_digest, write_json
from data.io.image_io import checked_suffix, read_image
from data.io.listing import MOST_FRAMES, Listing, find_scene, find_stacks
from data.io.sequences import parse_division
from data.io.stack_names import members_of_file
from data.io.watching import settled
from data.registration.prepared import Observer
from data.runtime.arguments import STDOUT
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, run_command, say
from data.runtime.shutdown import noted_signals
from data.runtime.spread import spread
from model.baselines import BASELINES
from model.fusion.arguments import build_parser, given_settings
from model.fusion.fuser import Fuser
from model.fusion.outputs import OutputOptions, Slabs
from model.fusion.pipeline import Method, loaded_fuser
from model.fusion.project import Project
from model.fusion.scene import SceneWork, fuse_scenes, make_alignment_job, make_job
from model.fusion.settings import FusionSettings

COMPANIONS = ("save_maps", "panel", "depth_map", "rocking", "stereo")
"""Options for what is written beside a result, by their attributes."""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser(BASELINES)
    arguments = parser.parse_args(argv)
    if arguments.app:
        return _serve(parser, arguments)
    project = _take_project(parser, arguments)
    work = _make_work(parser, arguments, project)
    _check_usage(parser, arguments, work)
    report = [] if arguments.json in (None, STDOUT) else [arguments.json]
    networks = [path for path in _files_beside(arguments, work).values() if path]
    inputs = [*networks, *(path.with_suffix(".json") for path in networks)]
    inputs += [arguments.project] if project else []
    if arguments.benchmark:
        protect_files(report, [*inputs, *arguments.images])
        refuse_existing([] if arguments.overwrite else report)
        return _benchmark(arguments, work)
    run = partial(_run, arguments, work, inputs, report)
    return run() if arguments.watch is None else _watch(arguments, work, run)


def _watch(arguments: argparse.Namespace, work: SceneWork, run: Callable[[], int]) -> int:
    """Fuses what has come whenever frames have stopped coming, until it is interrupted; returns the exit code."""
    code, said = EXIT_DONE, ""
    arguments.resume = True  # what is fused already stays
    protect_files([arguments.output / "NAME"], [])  # what can be wrong is said now, and not with the first frames
    if not work.outputs.align_only:
        _load(work, getattr(arguments, "weights", None))
    if not arguments.quiet:
        say(f"watching {arguments.input}; Ctrl-C ends it after what is being fused, twice at once.")
    with noted_signals() as signals:
        for _ in settled(arguments.input, arguments.watch, signals):
            try:
                code, said = max(code, run()), ""
            except InputError as error:  # no stack is whole yet, or an earlier result is in the way
                if str(error) != said:
                    say(f"error: {error}")
                said = str(error)
    return EXIT_FAILED if said else code


def _run(arguments: argparse.Namespace, work: SceneWork, inputs: Sequence[Path], report: Sequence[Path]) -> int:
    """Fuses all scenes that are there; returns the exit code."""
    jobs, listing = _find_jobs(arguments, work)
    written = [path for job in jobs for path in (*job.files, *([job.manifest] if arguments.input else []))]
    protect_files([*written, *report], [*inputs, *(path for stack in listing.stacks for path in stack.images)])
    manifest = Manifest(_recorded_settings(arguments, work))
    jobs, kept = plan(jobs, manifest, resume=arguments.resume, overwrite=arguments.overwrite)
    refuse_existing([] if arguments.overwrite else report)
    problems, lines = (listing.problems, listing.lines()) if arguments.shard[0] == 1 else ([], [])
    for line in (
        *(f"error: {problem}" for problem in problems),
        *([] if arguments.quiet or arguments.json == STDOUT else lines),
    ):
        say(line)
    results = [job.describe() | {"kept": True} for job in kept]
    if arguments.dry_run:
        results += [job.describe() | {"would": "fuse"} for job in jobs]
    elif jobs:
        results += _fuse(arguments, jobs, work, manifest if arguments.input else None)
    _write_report(arguments, {"results": results, "problems": problems, "notes": listing.notes})
    if not arguments.quiet and arguments.json != STDOUT:
        _summarize(results, len(problems), arguments)
    return EXIT_FAILED if problems or any("error" in result for result in results) else EXIT_DONE


def _serve(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> int:
    if arguments.images or arguments.input or arguments.output or arguments.project:
        parser.error("--app takes frames on its page, not on the command line.")
    from model.app.serve import serve

    return serve(arguments.host, arguments.port)


def _take_project(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> Project | None:
    """Reads the project that is given, and takes its frames; returns None without one."""
    if arguments.project is None:
        return None
    if arguments.images or arguments.input or arguments.align_only or arguments.method != "proposed":
        parser.error("--project says which frames are fused, and how: give no images, -i, --align-only or --method.")
    from model.fusion.project import read_project
    from model.fusion.settings import shared_settings

    given = [setting.name for setting in shared_settings() if setting.name in given_settings(arguments)]
    if given:
        parser.error(f"--project says how frames are fused: leave --{given[0].replace('_', '-')} out.")
    project = read_project(arguments.project)
    arguments.images = project.locate(arguments.project.parent)
    return project


def _make_work(parser: argparse.ArgumentParser, arguments: argparse.Namespace, project: Project | None) -> SceneWork:
    """Makes what the options ask for; ends the process with wrong usage where settings do not go together."""
    given = given_settings(arguments)
    if arguments.method != "proposed":
        own = [name for name in ("size", "average", "strategy", "prefer", "comparer") if name in given]
        given_outputs = [name for name in COMPANIONS if getattr(arguments, name)]
        if own or given_outputs:
            option = [*own, *given_outputs][0].replace("_", "-")
            parser.error(f"--{option} is for the proposed method; others have nothing of the kind.")
        given.pop("weights", None)  # those of the method
    try:
        settings = FusionSettings(**{**given, **(project.settings.shared() if project else {})})
    except InputError as error:
        parser.error(str(error))
    names = ("align_only", *COMPANIONS)
    try:
        slabs = Slabs.parse(arguments.slabs) if arguments.slabs else None
    except InputError as error:
        parser.error(f"--slabs: {error}")
    outputs = OutputOptions(**{name: getattr(arguments, name) for name in names}, slabs=slabs)
    if project:
        outputs = replace(outputs, strokes=project.strokes, second=project.second)
    return SceneWork(settings, outputs, arguments.method)


def _check_usage(parser: argparse.ArgumentParser, arguments: argparse.Namespace, work: SceneWork) -> None:
    """Ends the process with wrong usage where options do not go together."""
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
    _check_method(parser, arguments, work)
    if arguments.align_only and work.outputs.companions:
        parser.error("--align-only fuses nothing: leave out --save-maps, --panel, --depth-map, --rocking and --stereo.")
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


def _check_method(parser: argparse.ArgumentParser, arguments: argparse.Namespace, work: SceneWork) -> None:
    """As `_check_usage`, of what depends on the method and strategy."""
    strategy = work.settings.chosen_strategy
    if _pairs_only(work) and len(arguments.images) > 2:
        chosen = "--strategy paper" if work.method == "proposed" else f"--method {work.method}"
        parser.error(f"{chosen} fuses two images, received {len(arguments.images)}.")
    weights = getattr(arguments, "weights", None)
    if work.method != "proposed" and bool(weights) != BASELINES[work.method].weighted:
        mend = "leave --weights out" if weights else "give its authors' file, --weights FILE"
        parser.error(f"--method {work.method} {'has no' if weights else 'needs'} weights: {mend}.")
    if work.settings.crop == "none" and _pairs_only(work):
        parser.error("--crop none is for the strategies learned and refined; others know of no uncovered pixels.")
    if arguments.slabs and (work.outputs.align_only or _pairs_only(work)):
        parser.error("--slabs is for the strategies learned and refined, and not for --align-only.")
    for name in ("depth_map", "rocking", "stereo"):
        if getattr(arguments, name) and strategy != "learned":
            parser.error(f"--{name.replace('_', '-')} is for --strategy learned, not for {strategy}.")


def _pairs_only(work: SceneWork) -> bool:
    """Whether the method takes two images and no more."""
    return work.method != "proposed" or work.settings.chosen_strategy == "paper"


def _files_beside(arguments: argparse.Namespace, work: SceneWork) -> dict[str, Path | None]:
    """Returns the files that are read besides the images: weights, warps and a map of dust."""
    others = {"warps": work.settings.warps, "dust": work.settings.dust}
    if work.method != "proposed":
        return {"weights": getattr(arguments, "weights", None), **others}
    return {"weights": work.settings.weights, "comparer": work.settings.chosen_comparer, **others}


def _find_jobs(arguments: argparse.Namespace, work: SceneWork) -> tuple[list[Job], Listing]:
    """Finds this part's scenes with what will be written for each, and all that was found."""
    largest = 2 if _pairs_only(work) else MOST_FRAMES
    if arguments.input is None:
        listing = find_scene(*arguments.images, largest=largest, as_given=arguments.project is not None)
        outputs = [arguments.output]
    else:
        listing = find_stacks(arguments.input, largest=largest, pattern=arguments.pattern, division=arguments.split)
        outputs = [arguments.output / stack.name for stack in listing.stacks]
    part, parts = arguments.shard
    jobs = []
    for stack, output in list(zip(listing.stacks, outputs, strict=True))[part - 1 :: parts]:
        if work.outputs.align_only:
            jobs.append(make_alignment_job(stack, output, arguments.format))
        else:
            image = output if arguments.input is None else Path(f"{output}.{arguments.format}")
            checked_suffix(image)
            jobs.append(make_job(stack, image, work))
    return jobs, listing


def _fuse(
    arguments: argparse.Namespace, jobs: Sequence[Job], work: SceneWork, manifest: Manifest | None
) -> list[dict[str, Any]]:
    """Fuses scenes one after the other, or several at once; returns what was done."""
    load = partial(_load, work, getattr(arguments, "weights", None))
    hidden = _silent(arguments) or len(jobs) == 1
    if arguments.jobs == 1 and arguments.cluster is None:
        observe = None if _silent(arguments) else _show_progress()
        return list(fuse_scenes(load, tqdm(jobs, unit="scene", disable=hidden), work, manifest, observe))
    done = spread(partial(_fuse_apart, load, work, manifest), jobs, arguments.jobs, arguments.cluster, _report_killed)
    return list(tqdm(done, total=len(jobs), unit="scene", disable=hidden))


def _fuse_apart(
    load: "partial[Fuser | Method]", work: SceneWork, manifest: Manifest | None, job: Job
) -> dict[str, Any]:
    """Fuses a scene in one of several processes."""
    (result,) = fuse_scenes(load, [job], work, manifest)
    return result


def _report_killed(job: Job, sentence: str) -> dict[str, Any]:
    """Reports a scene whose process was killed; returns what was done."""
    say(f"error: {job.stack.name}: {sentence}")
    return job.describe() | {"output": None, "error": sentence}


def _load(work: SceneWork, weights: Path | None) -> Fuser | Method:
    """Loads the fuser, or the method of others with its weights."""
    return loaded_fuser(work.settings) if work.method == "proposed" else _method(work.method, weights)


@cache
def _method(name: str, weights: Path | None) -> Method:
    return BASELINES[name].method(weights)


def _recorded_settings(arguments: argparse.Namespace, work: SceneWork) -> dict[str, Any]:
    """Returns what decides a result besides its sources, for the manifest."""
    apart = {
        "strict",
        "strategy",
        "weights",
        "comparer",
        "warps",
        "dust",
        "engine",
        "device",
    }  # recorded below, or of no effect
    names = [setting.name for setting in fields(work.settings) if setting.name not in apart]
    recorded: dict[str, Any] = {name: getattr(work.settings, name) for name in names}
    recorded |= {"method": work.method, "align_only": work.outputs.align_only, "weights": None}
    for name, path in _files_beside(arguments, work).items():
        if path and path.is_file():  # loading reports a file that is missing
            recorded[name] = file_digest(path, "sha256")
    if work.method == "proposed":
        recorded["strategy"] = work.settings.chosen_strategy
    if work.outputs.slabs:
        recorded["slabs"] = [work.outputs.slabs.size, work.outputs.slabs.overlap]
    return recorded


def _silent(arguments: argparse.Namespace) -> bool:
    return bool(arguments.quiet or arguments.json)


def _show_progress() -> Observer:
    """Returns a progress callback that shows a bar for each stage, which goes away with its last step."""
    shown: dict[str, tqdm] = {}

    def observe(stage: str, done: int, total: int) -> None:
        if stage in shown and done <= shown[stage].n:  # of a scene that failed in the middle
            shown.pop(stage).close()
        bar = shown.get(stage) or shown.setdefault(stage, tqdm(total=total, desc=stage, leave=False))
        bar.update(done - bar.n)
        if done == total:
            shown.pop(stage).close()

    return observe


def _write_report(arguments: argparse.Namespace, content: dict[str, Any]) -> None:
    if arguments.json == STDOUT:
        print(json.dumps(content, indent=2))
    elif arguments.json:
        write_json(arguments.json, content)


def _summarize(results: Sequence[dict[str, Any]], problems: int, arguments: argparse.Namespace) -> None:
    """Prints what was done, or what would be."""
    if arguments.dry_run:
        for result in results:
            print(f"{'keep' if 'kept' in result else 'fuse'} {result['name']}: {result['output']}")
            print(*(f"  {source}" for source in result["sources"]), sep="\n")
        return
    kept = sum("kept" in result for result in results)
    failed = sum("error" in result for result in results)
    notes = [f"{number} {word}" for number, word in ((kept, "kept"), (problems + failed, "failed")) if number]
    done = len(results) - kept - failed
    what = "aligned" if arguments.align_only else "fused"
    print(", ".join([f"{done} of {len(results)} {what} into {arguments.output}", *notes]))


def _benchmark(arguments: argparse.Namespace, work: SceneWork) -> int:
    from model.fusion.timing import benchmark, in_words

    alpha: Any = "drop" if work.settings.alpha == "drop" else "refuse"
    images = [read_image(path, alpha) for path in arguments.images]
    figures = benchmark(lambda: _load(work, getattr(arguments, "weights", None)), *images)
    _write_report(arguments, figures)
    if not arguments.json:
        print(in_words(figures))
    return EXIT_DONE


def command() -> NoReturn:
    """Runs the command line as a process does; see `--help`."""
    sys.exit(run_command(main))


if __name__ == "__main__":
    command()
