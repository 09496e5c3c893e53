"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import data.runtime.interrupts  # noqa: F401 - first: it looks after the imports that follow

# isort: split
import argparse
import json
import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn

from tqdm import tqdm

from data.io.batch import Job, Manifest, plan, protect_files, refuse_existing
from data.io.files import write_json
from data.io.image_io import checked_suffix, read_image
from data.io.listing import MOST_FRAMES, Listing, find_scene, find_stacks
from data.io.watching import settled
from data.registration.prepared import Observer
from data.runtime.arguments import STDOUT
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, run_command, say
from data.runtime.shutdown import noted_signals
from data.runtime.spread import spread
from model.baselines import BASELINES
from model.fusion.arguments import build_parser
from model.fusion.fuser import Fuser
from model.fusion.pipeline import Method, loaded_fuser
from model.fusion.scene import SceneWork, fuse_scenes, make_alignment_job, make_job
from model.fusion.usage import make_work


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser(BASELINES)
    arguments = parser.parse_args(argv)
    if arguments.app:
        return _serve(parser, arguments)
    work = make_work(parser, arguments, [name for name, baseline in BASELINES.items() if baseline.weighted])
    report = [] if arguments.json in (None, STDOUT) else [arguments.json]
    networks = work.files.values()
    inputs = [*networks, *(path.with_suffix(".json") for path in networks)]
    inputs += [arguments.project] if arguments.project else []
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
        _load(work)
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
    manifest = Manifest(work.describe())
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


def _find_jobs(arguments: argparse.Namespace, work: SceneWork) -> tuple[list[Job], Listing]:
    """Finds this part's scenes with what will be written for each, and all that was found."""
    largest = 2 if work.pairs_only else MOST_FRAMES
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
    load = partial(_load, work)
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


def _load(work: SceneWork) -> Fuser | Method:
    """Loads the fuser, or the method of others with its weights."""
    return loaded_fuser(work.settings) if work.method == "proposed" else _method(work.method, work.weights)


@cache
def _method(name: str, weights: Path | None) -> Method:
    return BASELINES[name].method(weights)


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
    figures = benchmark(lambda: _load(work), *images)
    _write_report(arguments, figures)
    if not arguments.json:
        print(in_words(figures))
    return EXIT_DONE


def command() -> NoReturn:
    """Runs the command line as a process does; see `--help`."""
    sys.exit(run_command(main))


if __name__ == "__main__":
    command()
