"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from data.align import MODES
from data.errors import EXIT_DONE, EXIT_FAILED, add_debug, run_command, say
from data.io.batch import Job, Manifest, plan, protect_files, refuse_existing
from data.io.files import file_digest, write_json
from data.io.image_io import checked_suffix, read_image
from data.io.stacks import Stack, check_stack, find_pairs, find_stacks
from data.parts import alone
from model.baselines import BASELINES
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, default_strategy
from model.fusion import STRATEGIES
from model.fusion.scene import SceneOptions, fuse_scene

EXAMPLES = """examples:
  python fuse.py A.jpg B.jpg -o fused.png              fuse two photographs
  python fuse.py A.jpg B.jpg C.jpg -o fused.png        three, or as many as there are
  python fuse.py A.jpg B.jpg -o fused.png --panel      also draw fused-panel.png: sources, maps, result
  python fuse.py -i photographs -o fused               every scene NAME-A, NAME-B, ... in a folder
  python fuse.py A.jpg B.jpg -o fused.png --strategy paper --size 224    the paper's protocol: maps at 224x224
  python fuse.py -i photographs -o fused --resume      go on where a batch was stopped
  python fuse.py -i photographs -o fused --shard 2/3   the second third, while other machines do the rest
  python fuse.py -i photographs -o dwt --method dwt    a method of others, to compare with
  python fuse.py A.jpg B.jpg -o fused.png --json -     what was done, as JSON
  python fuse.py --benchmark                           how fast it is here
exit codes: 0 done, 1 some input failed, 2 wrong usage"""

TILES = {"auto": None, "on": True, "off": False}
STDOUT = Path("-")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="*", type=Path, metavar="IMAGE", help="two or more images of one scene")
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="a folder of scenes, in place of images")
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="the fused image, or a folder with -i")
    parser.add_argument("--format", default="png", choices=("png", "tif", "bmp", "jpg"), help="type with -i (png)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="a weights file (default: the bundled one; IFCNN, SESF: theirs)"
    )
    parser.add_argument(
        "--method",
        default="proposed",
        choices=("proposed", *BASELINES),
        help="proposed, or a method of others to compare with (python -m model.baselines --list)",
    )
    parser.add_argument(
        "--strategy",
        choices=STRATEGIES,
        help="; ".join(f"{name}: {text}" for name, text in STRATEGIES.items()),
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help="find the maps at NxN (224 = the paper), not at full size"
    )
    parser.add_argument("--alpha", default="refuse", choices=("refuse", "drop"), help="images with transparency")
    parser.add_argument(
        "--tile",
        default="auto",
        choices=TILES,
        help="work in overlapping tiles, which bounds memory: auto (above 4 megapixels), on, off",
    )
    parser.add_argument(
        "--align",
        default="none",
        choices=MODES,
        help="lay the images on the first: none (they are aligned), ecc (small motions), homography (features)",
    )
    parser.add_argument("--match-exposure", action="store_true", help="give all the brightness of the first")
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist, but never a source")
    parser.add_argument("--resume", action="store_true", help="keep results that these images and settings gave")
    parser.add_argument("--shard", type=_shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of -i")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--save-maps", action="store_true", help="also write the maps that led to the result")
    parser.add_argument("--panel", action="store_true", help="also write one picture of all of it")
    parser.add_argument("--benchmark", action="store_true", help="print load time, time a pair and megapixels/s")
    parser.add_argument(
        "--json", type=_report_path, metavar="FILE", help="write what was done into FILE (.json), or print it with -"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    _check_usage(parser, arguments)
    if arguments.benchmark:
        return _benchmark(arguments)
    jobs, inputs, problems = _find_jobs(arguments)
    protect_files(_writes(jobs, arguments), [*inputs, *_weights_files(arguments)])
    manifest = Manifest(_settings(arguments))
    jobs, kept = plan(jobs, manifest, resume=arguments.resume, overwrite=arguments.overwrite)
    _protect_report(arguments)
    for problem in problems:
        say(f"error: {problem}")
    results = [_describe(job) | {"kept": True} for job in kept]
    if arguments.dry_run:
        results += [_describe(job) | {"would": "fuse"} for job in jobs]
    elif jobs:
        results += _fuse_all(_load(arguments), jobs, manifest, arguments)
    return _conclude(results, problems, arguments)


def _find_jobs(arguments) -> tuple[list[Job], list[Path], list[str]]:
    """The scenes with what will be written for each, the sources of all, and what belongs to no scene."""
    if arguments.input is None:
        checked_suffix(arguments.output)
        stack = check_stack(*arguments.images)
        return [_job(stack, arguments.output, arguments)], list(stack.images), []
    listing = (find_pairs if _pairs_only(arguments) else find_stacks)(arguments.input)
    part, parts = arguments.shard
    jobs = [
        _job(stack, arguments.output / f"{stack.name}.{arguments.format}", arguments)
        for stack in listing.stacks[part - 1 :: parts]
    ]
    return jobs, [path for stack in listing.stacks for path in stack.images], listing.problems if part == 1 else []


def _job(stack: Stack, output: Path, arguments) -> Job:
    if not (arguments.save_maps or arguments.panel):
        return Job(stack, output)
    from model.fusion.pictures import companions  # loads matplotlib, which nothing else here needs

    return Job(stack, output, tuple(companions(output, _strategy(arguments), arguments.save_maps, arguments.panel)))


def _writes(jobs: Sequence[Job], arguments) -> Iterator[Path]:
    """Everything that the run will write."""
    for job in jobs:
        yield from job.files
        if arguments.input is not None:
            yield job.manifest
    if arguments.json not in (None, STDOUT):
        yield arguments.json


def _weights_files(arguments) -> list[Path]:
    return [arguments.weights, arguments.weights.with_suffix(".json")] if arguments.weights else []


def _protect_report(arguments) -> None:
    if arguments.json not in (None, STDOUT) and not arguments.overwrite:
        refuse_existing([arguments.json])


def _strategy(arguments) -> str:
    return arguments.strategy or default_strategy(arguments.weights or BUNDLED_WEIGHTS)


def _settings(arguments) -> dict:
    """What decides a result besides its sources."""
    names = ("method", "size", "tile", "alpha", "align", "match_exposure")
    chosen = {name: getattr(arguments, name) for name in names} | {"weights": _digest(arguments.weights)}
    if arguments.method == "proposed":
        chosen |= {"strategy": _strategy(arguments), "weights": _digest(arguments.weights or BUNDLED_WEIGHTS)}
        if chosen["strategy"] == "learned":
            chosen["comparer"] = _digest(BUNDLED_COMPARER)
    return chosen


def _digest(weights: Path | None) -> str | None:
    """None also for a file that is missing, which loading will say."""
    return file_digest(weights, "sha256") if weights and weights.is_file() else None


def _conclude(results: list[dict], problems: list[str], arguments) -> int:
    failed = len(problems) + sum("error" in result for result in results)
    if arguments.json == STDOUT:
        print(json.dumps({"results": results, "problems": problems}, indent=2))
    elif arguments.json:
        write_json(arguments.json, {"results": results, "problems": problems})
    if arguments.json != STDOUT and not arguments.quiet:
        if arguments.dry_run:
            for result in results:
                print(f"{'keep' if 'kept' in result else 'fuse'} {result['name']}: {result['output']}")
        else:
            done = sum("error" not in result and "kept" not in result for result in results)
            kept = sum("kept" in result for result in results)
            notes = [f"{number} {word}" for number, word in ((kept, "kept"), (failed, "failed")) if number]
            print(", ".join([f"{done} of {len(results)} fused into {arguments.output}", *notes]))
    return EXIT_FAILED if failed else EXIT_DONE


def _check_usage(parser, arguments):
    if arguments.size is not None and arguments.size < 32:
        parser.error(f"--size must be at least 32, received {arguments.size}.")
    if arguments.input is not None and arguments.images:
        parser.error("give either images or -i DIR, not both.")
    if arguments.benchmark:
        if len(arguments.images) not in (0, 2) or arguments.input is not None:
            parser.error("--benchmark takes two images or none.")
        return
    if arguments.input is None and len(arguments.images) < 2:
        parser.error(f"two images are needed, received {len(arguments.images)}; or give a folder with -i DIR.")
    if _pairs_only(arguments) and len(arguments.images) > 2:
        chosen = "--strategy paper" if arguments.method == "proposed" else f"--method {arguments.method}"
        parser.error(f"{chosen} fuses two images, received {len(arguments.images)}.")
    if arguments.method != "proposed":
        if arguments.save_maps or arguments.panel or arguments.size or arguments.strategy:
            parser.error("--save-maps, --panel, --size and --strategy are for the proposed method; others have none.")
        if bool(arguments.weights) != (BASELINES[arguments.method].load is not None):
            needs = "needs its authors' file" if arguments.weights is None else "has no weights; leave it without"
            parser.error(f"--method {arguments.method} {needs}: --weights FILE.")
    if arguments.input is None and (arguments.resume or arguments.shard != (1, 1)):
        parser.error("--resume and --shard are for a folder: -i DIR.")
    if arguments.output is None:
        parser.error("-o PATH is needed: the fused image, or a folder with -i.")


def _pairs_only(arguments) -> bool:
    return arguments.method != "proposed" or arguments.strategy == "paper"


def _load(arguments):
    """A function of images, as `load_fuser` gives it."""
    if arguments.method != "proposed":
        return BASELINES[arguments.method].method(arguments.weights)
    from model import load_fuser  # loads TensorFlow, which wrong usage need not wait for

    given = {"weights": arguments.weights} if arguments.weights else {}
    return load_fuser(
        strategy=arguments.strategy,
        size=arguments.size,
        tiled=TILES[arguments.tile],
        observe=None if _silent(arguments) else _show_tiles(),
        **given,
    )


def _silent(arguments) -> bool:
    return bool(arguments.quiet or arguments.json)


def _show_tiles():
    """A progress bar of the tiles of one scene, which goes away with the last."""
    bar = None

    def observe(done, total):
        nonlocal bar
        bar = bar or tqdm(total=total, unit="tile", leave=False)
        bar.update(done - bar.n)
        if done == total:
            bar.close()
            bar = None

    return observe


def _describe(job: Job) -> dict:
    sources = [str(path) for path in job.stack.images]
    return {"name": job.stack.name, "sources": sources, "output": str(job.output)}


def _fuse_all(fuser, jobs, manifest, arguments) -> Iterator[dict]:
    """Fuses job by job; whatever one raises is reported by its name, and the others go on."""
    names = ("alpha", "align", "match_exposure", "save_maps", "panel")
    options = SceneOptions(**{name: getattr(arguments, name) for name in names})
    method = {} if arguments.method == "proposed" else {"method": arguments.method}
    for job in tqdm(jobs, unit="scene", disable=_silent(arguments) or len(jobs) == 1):
        with alone(job.stack.name) as part:
            summary = fuse_scene(fuser, job, options, None if arguments.input is None else manifest)
        failure = {"output": None, "error": part.failure}
        yield _describe(job) | (failure if part.failure else method | summary)


def _report_path(text: str) -> Path:
    path = Path(text)
    if path != STDOUT and path.suffix.lower() != ".json":
        raise argparse.ArgumentTypeError(f"{text!r} does not end in .json; give such a name, or - to print")
    return path


def _shard(text: str) -> tuple[int, int]:
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form I/N with I from 1 to N")
    return int(part), int(parts)


def _benchmark(arguments) -> int:
    from model.fusion.timing import benchmark

    protect_files(_writes([], arguments), [*arguments.images, *_weights_files(arguments)])
    _protect_report(arguments)
    images = [read_image(path, alpha=arguments.alpha) for path in arguments.images]
    figures = benchmark(lambda: _load(arguments), *images)
    if arguments.json == STDOUT:
        print(json.dumps(figures, indent=2))
    elif arguments.json:
        write_json(arguments.json, figures)
    else:
        print(
            f"load {figures['load_seconds']:.2f} s, first pair {figures['first_seconds']:.2f} s, "
            f"then {figures['pair_seconds']:.3f} s a pair of {figures['width']}x{figures['height']}, "
            f"{figures['megapixels_per_second']:.2f} megapixels/s, {figures['peak_gigabytes']:.2f} GB at most"
        )
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
