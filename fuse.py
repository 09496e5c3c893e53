"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache, partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.io.batch import Job, Manifest, plan, protect_files, refuse_existing
from data.io.files import file_digest, write_json
from data.io.image_io import checked_suffix, read_image
from data.io.listing import LARGEST, Listing, find_scene, find_stacks
from data.runtime.arguments import STDOUT
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, run_command, say
from data.runtime.spread import spread
from model.baselines import BASELINES
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, default_strategy
from model.fusion.arguments import TILES, build_parser
from model.fusion.scene import SceneOptions, fuse_scenes, make_alignment_job, make_job


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser(BASELINES)
    arguments = parser.parse_args(argv)
    if arguments.app:
        return _serve(parser, arguments)
    project = _take_project(parser, arguments)
    _check_usage(parser, arguments)
    if arguments.method == "proposed":
        arguments.weights = arguments.weights or BUNDLED_WEIGHTS
        arguments.strategy = arguments.strategy or default_strategy(arguments.weights, arguments.comparer)
    if arguments.strategy == "learned":
        arguments.comparer = arguments.comparer or BUNDLED_COMPARER
    report = [] if arguments.json in (None, STDOUT) else [arguments.json]
    networks = [path for path in (arguments.weights, arguments.comparer) if path]
    inputs = [*networks, *(path.with_suffix(".json") for path in networks)]
    inputs += [arguments.project] if project else []
    if arguments.benchmark:
        protect_files(report, [*inputs, *arguments.images])
        refuse_existing([] if arguments.overwrite else report)
        return _benchmark(arguments)
    chosen = {name: getattr(arguments, name) for name in SceneOptions.__dataclass_fields__ if name != "strokes"}
    options = SceneOptions(**chosen, strokes=project.strokes if project else ())
    jobs, listing = _find_jobs(arguments, options)
    written = [path for job in jobs for path in (*job.files, *([job.manifest] if arguments.input else []))]
    protect_files([*written, *report], [*inputs, *(path for stack in listing.stacks for path in stack.images)])
    manifest = Manifest(_settings(arguments))
    jobs, kept = plan(jobs, manifest, resume=arguments.resume, overwrite=arguments.overwrite)
    refuse_existing([] if arguments.overwrite else report)
    problems, lines = (listing.problems, listing.lines()) if arguments.shard[0] == 1 else ([], [])
    for line in (*(f"error: {problem}" for problem in problems), *([] if _silent(arguments) else lines)):
        say(line)
    results = [job.describe() | {"kept": True} for job in kept]
    if arguments.dry_run:
        results += [job.describe() | {"would": "fuse"} for job in jobs]
    elif jobs:
        results += _fuse(arguments, jobs, options, manifest if arguments.input else None)
    _write_report(arguments, {"results": results, "problems": problems, "notes": listing.notes})
    if not arguments.quiet and arguments.json != STDOUT:
        _summarize(results, len(problems), arguments)
    return EXIT_FAILED if problems or any("error" in result for result in results) else EXIT_DONE


def _serve(parser, arguments) -> int:
    if arguments.images or arguments.input or arguments.output or arguments.project:
        parser.error("--app takes frames on its page, not on the command line.")
    from model.app.serve import serve

    return serve(arguments.host, arguments.port)


def _take_project(parser, arguments):
    """The project that is given, with its frames and settings in place of options; None without."""
    if arguments.project is None:
        return None
    if arguments.images or arguments.input or arguments.align_only or arguments.method != "proposed":
        parser.error("--project says which frames are fused, and how: give no images, -i, --align-only or --method.")
    from model.fusion.project import CHOICES, read_project

    given = [name for name in CHOICES if getattr(arguments, name) != parser.get_default(name)]
    if given:
        parser.error(f"--project says how frames are fused: leave --{given[0].replace('_', '-')} out.")
    project = read_project(arguments.project)
    arguments.images = project.locate(arguments.project.parent)
    for name, value in asdict(project.settings).items():
        setattr(arguments, name, value)
    return project


def _check_usage(parser, arguments) -> None:
    """Ends the process with wrong usage where options do not go together."""
    if arguments.size is not None and arguments.size < 32:
        parser.error(f"--size must be at least 32, received {arguments.size}.")
    if arguments.input is not None and arguments.images:
        parser.error("give either images or -i DIR, not both.")
    if arguments.benchmark:
        if len(arguments.images) not in (0, 2) or arguments.input is not None:
            parser.error("--benchmark takes two images or none.")
        return
    if arguments.input is None and len(arguments.images) < 2 and not any(path.is_dir() for path in arguments.images):
        parser.error(f"two images or a folder are needed, received {len(arguments.images)}; or a folder with -i DIR.")
    if _pairs_only(arguments) and len(arguments.images) > 2:
        chosen = "--strategy paper" if arguments.method == "proposed" else f"--method {arguments.method}"
        parser.error(f"{chosen} fuses two images, received {len(arguments.images)}.")
    if arguments.method != "proposed":
        own = ("save_maps", "panel", "depth_map", "size", "strategy", "prefer", "comparer")
        if any(getattr(arguments, name) for name in own):
            parser.error(
                "--save-maps, --panel, --depth-map, --size, --strategy, --prefer and --comparer are for the proposed "
                "method; others have none."
            )
        if bool(arguments.weights) != (BASELINES[arguments.method].load is not None):
            mend = "leave --weights out" if arguments.weights else "give its authors' file, --weights FILE"
            parser.error(f"--method {arguments.method} {'has no' if arguments.weights else 'needs'} weights: {mend}.")
    if arguments.crop == "none" and _pairs_only(arguments):
        parser.error("--crop none is for the strategies learned and refined; others know of no uncovered pixels.")
    strategy = arguments.strategy or default_strategy(arguments.weights or BUNDLED_WEIGHTS, arguments.comparer)
    if (arguments.depth_map or arguments.prefer or arguments.comparer) and strategy != "learned":
        parser.error(f"--depth-map, --prefer and --comparer are for --strategy learned, not for {strategy}.")
    if arguments.align_only and (arguments.save_maps or arguments.panel or arguments.depth_map):
        parser.error("--align-only fuses nothing: leave out --save-maps, --panel and --depth-map.")
    several = arguments.jobs > 1 or arguments.cluster
    if arguments.input is None and (arguments.resume or arguments.pattern or several or arguments.shard != (1, 1)):
        parser.error("--resume, --shard, --pattern, --jobs and --cluster are for a folder: -i DIR.")
    if arguments.output is None:
        parser.error("-o PATH is needed: the fused image, or a folder with -i.")


def _pairs_only(arguments) -> bool:
    """Whether the method takes two images and no more."""
    return arguments.method != "proposed" or arguments.strategy == "paper"


def _find_jobs(arguments, options: SceneOptions) -> tuple[list[Job], Listing]:
    """This part's scenes with what will be written for each, and all that was found."""
    largest = 2 if _pairs_only(arguments) else LARGEST
    if arguments.input is None:
        listing = find_scene(*arguments.images, largest=largest, as_given=arguments.project is not None)
        outputs = [arguments.output]
    else:
        listing = find_stacks(arguments.input, largest=largest, pattern=arguments.pattern)
        outputs = [arguments.output / stack.name for stack in listing.stacks]
    part, parts = arguments.shard
    jobs = []
    for stack, output in list(zip(listing.stacks, outputs, strict=True))[part - 1 :: parts]:
        if options.align_only:
            jobs.append(make_alignment_job(stack, output, arguments.format))
        else:
            image = output if arguments.input is None else Path(f"{output}.{arguments.format}")
            checked_suffix(image)
            jobs.append(make_job(stack, image, options, arguments.strategy))
    return jobs, listing


def _fuse(arguments, jobs: Sequence[Job], options: SceneOptions, manifest: Manifest | None) -> list[dict[str, Any]]:
    """Fuses scenes one after the other, or several at once; returns what was done."""
    bar = {"unit": "scene", "disable": _silent(arguments) or len(jobs) == 1}
    if arguments.jobs == 1 and arguments.cluster is None:
        observe = None if _silent(arguments) else _show_progress()
        return list(
            fuse_scenes(cache(lambda: _load(arguments, observe)), tqdm(jobs, **bar), options, manifest, observe)
        )
    done = spread(partial(_fuse_apart, arguments, options, manifest), jobs, arguments.jobs, arguments.cluster)
    return list(tqdm(done, total=len(jobs), **bar))


_loaded: dict[str, Callable] = {}
"""Of a process that is one of several: its fuser, by the options that it was loaded with."""


def _fuse_apart(arguments, options: SceneOptions, manifest: Manifest | None, job: Job) -> dict[str, Any]:
    """Fuses a scene in a process that is one of several."""

    def load():
        key = str(arguments)
        if key not in _loaded:
            _loaded[key] = _load(arguments)
        return _loaded[key]

    (result,) = fuse_scenes(load, [job], options, manifest)
    return result


def _settings(arguments) -> dict[str, Any]:
    """What decides a result besides its sources."""
    names = ("method", "size", "tile", "alpha", "align", "crop", "match_exposure", "prefer", "align_only")
    settings = {name: getattr(arguments, name) for name in names} | {"weights": None}
    for name, path in (("weights", arguments.weights), ("comparer", arguments.comparer)):
        if path and path.is_file():  # loading reports a file that is missing
            settings[name] = file_digest(path, "sha256")
    if arguments.strategy:
        settings["strategy"] = arguments.strategy
    return settings


def _load(arguments, observe=None) -> Callable[..., Any]:
    """A function of images, as `load_fuser` gives it."""
    if arguments.method != "proposed":
        return BASELINES[arguments.method].method(arguments.weights)
    from model import load_fuser
    from model.networks.engine import choose_engine

    engine = choose_engine(arguments.weights, arguments.engine, arguments.device)
    if engine == "tensorflow":
        from model import choose_device  # loads TensorFlow

        choose_device(arguments.device)
    return load_fuser(
        arguments.weights,
        strategy=arguments.strategy,
        comparer=arguments.comparer,
        size=arguments.size,
        tiled=TILES[arguments.tile],
        prefer=arguments.prefer,
        engine=engine,
        observe=observe,
    )


def _silent(arguments) -> bool:
    return bool(arguments.quiet or arguments.json)


def _show_progress():
    """A progress bar of what is done with one scene, stage by stage, which goes away with the last step of each."""
    shown: dict[str, tqdm] = {}

    def observe(stage, done, total):
        if stage in shown and done <= shown[stage].n:  # of a scene that failed in the middle
            shown.pop(stage).close()
        bar = shown.get(stage) or shown.setdefault(stage, tqdm(total=total, desc=stage, leave=False))
        bar.update(done - bar.n)
        if done == total:
            shown.pop(stage).close()

    return observe


def _write_report(arguments, content: dict[str, Any]) -> None:
    if arguments.json == STDOUT:
        print(json.dumps(content, indent=2))
    elif arguments.json:
        write_json(arguments.json, content)


def _summarize(results: Sequence[dict[str, Any]], problems: int, arguments) -> None:
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


def _benchmark(arguments) -> int:
    from model.fusion.timing import benchmark, in_words

    images = [read_image(path, alpha=arguments.alpha) for path in arguments.images]
    figures = benchmark(lambda: _load(arguments), *images)
    _write_report(arguments, figures)
    if not arguments.json:
        print(in_words(figures))
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
