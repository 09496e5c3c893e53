"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from data.align import MODES
from data.arguments import STDOUT, add_shared, command_parser, json_path, shard
from data.errors import EXIT_DONE, EXIT_FAILED, add_debug, run_command, say
from data.io.batch import Job, Manifest, plan, protect_files, refuse_existing
from data.io.files import file_digest, write_json
from data.io.image_io import checked_suffix, read_image
from data.io.stacks import Listing, check_stack, find_pairs, find_stacks
from model.baselines import BASELINES
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, default_strategy
from model.fusion import STRATEGIES
from model.fusion.scene import SceneOptions, fuse_scenes, make_job

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
"""Whether a fuser works in tiles, by the name that --tile takes."""


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser(__doc__, EXAMPLES)
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
    add_shared(parser, "--device")
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
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of -i")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--save-maps", action="store_true", help="also write the maps that led to the result")
    parser.add_argument("--panel", action="store_true", help="also write one picture of all of it")
    parser.add_argument("--benchmark", action="store_true", help="print load time, time a pair and megapixels/s")
    parser.add_argument(
        "--json", type=json_path, metavar="FILE", help="write what was done into FILE (.json), or print it with -"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_debug(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    _check_usage(parser, arguments)
    if arguments.method == "proposed":
        arguments.weights = arguments.weights or BUNDLED_WEIGHTS
        arguments.strategy = arguments.strategy or default_strategy(arguments.weights)
    report = [] if arguments.json in (None, STDOUT) else [arguments.json]
    inputs = [arguments.weights, arguments.weights.with_suffix(".json")] if arguments.weights else []
    if arguments.benchmark:
        protect_files(report, [*inputs, *arguments.images])
        refuse_existing([] if arguments.overwrite else report)
        return _benchmark(arguments)
    options = SceneOptions(**{name: getattr(arguments, name) for name in SceneOptions.__dataclass_fields__})
    jobs, listing = _find_jobs(arguments, options)
    written = [path for job in jobs for path in (*job.files, *([job.manifest] if arguments.input else []))]
    protect_files([*written, *report], [*inputs, *(path for stack in listing.stacks for path in stack.images)])
    manifest = Manifest(_settings(arguments))
    jobs, kept = plan(jobs, manifest, resume=arguments.resume, overwrite=arguments.overwrite)
    refuse_existing([] if arguments.overwrite else report)
    problems = listing.problems if arguments.shard[0] == 1 else []
    for problem in problems:
        say(f"error: {problem}")
    results = [job.describe() | {"kept": True} for job in kept]
    if arguments.dry_run:
        results += [job.describe() | {"would": "fuse"} for job in jobs]
    elif jobs:
        fuser = _load(arguments)
        shown = tqdm(jobs, unit="scene", disable=_silent(arguments) or len(jobs) == 1)
        results += fuse_scenes(fuser, shown, options, manifest if arguments.input else None)
    _write_report(arguments, {"results": results, "problems": problems})
    if not arguments.quiet and arguments.json != STDOUT:
        _summarize(results, len(problems), arguments)
    return EXIT_FAILED if problems or any("error" in result for result in results) else EXIT_DONE


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


def _find_jobs(arguments, options: SceneOptions) -> tuple[list[Job], Listing]:
    """This part's scenes with what will be written for each, and all that was found."""
    if arguments.input is None:
        checked_suffix(arguments.output)
        stack = check_stack(*arguments.images)
        return [make_job(stack, arguments.output, options, arguments.strategy)], Listing([stack], [])
    listing = (find_pairs if _pairs_only(arguments) else find_stacks)(arguments.input)
    part, parts = arguments.shard
    jobs = [
        make_job(stack, arguments.output / f"{stack.name}.{arguments.format}", options, arguments.strategy)
        for stack in listing.stacks[part - 1 :: parts]
    ]
    return jobs, listing


def _settings(arguments) -> dict[str, Any]:
    """What decides a result besides its sources."""
    names = ("method", "size", "tile", "alpha", "align", "match_exposure")
    settings = {name: getattr(arguments, name) for name in names} | {"weights": None}
    if arguments.weights and arguments.weights.is_file():  # loading reports a file that is missing
        settings["weights"] = file_digest(arguments.weights, "sha256")
    if arguments.strategy:
        settings["strategy"] = arguments.strategy
    if arguments.strategy == "learned":
        settings["comparer"] = file_digest(BUNDLED_COMPARER, "sha256")
    return settings


def _load(arguments) -> Callable[..., Any]:
    """A function of images, as `load_fuser` gives it."""
    if arguments.method != "proposed":
        return BASELINES[arguments.method].method(arguments.weights)
    from model import choose_device, load_fuser  # loads TensorFlow, which wrong usage need not wait for

    choose_device(arguments.device)
    return load_fuser(
        arguments.weights,
        strategy=arguments.strategy,
        size=arguments.size,
        tiled=TILES[arguments.tile],
        observe=None if _silent(arguments) else _show_tiles(),
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
        return
    kept = sum("kept" in result for result in results)
    failed = sum("error" in result for result in results)
    notes = [f"{number} {word}" for number, word in ((kept, "kept"), (problems + failed, "failed")) if number]
    done = len(results) - kept - failed
    print(", ".join([f"{done} of {len(results)} fused into {arguments.output}", *notes]))


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
