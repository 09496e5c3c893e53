"""Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tqdm import tqdm

from data.errors import EXIT_DONE, EXIT_FAILED, InputError, run_command
from data.files import make_folder, write_json
from data.image_io import checked_suffix, read_image, write_image
from data.stacks import Stack, check_stack, find_pairs, find_stacks
from model.baselines import BASELINES

EXAMPLES = """examples:
  python fuse.py A.jpg B.jpg -o fused.png              fuse two photographs
  python fuse.py A.jpg B.jpg C.jpg -o fused.png        three, or as many as there are
  python fuse.py A.jpg B.jpg -o fused.png --panel      also draw fused-panel.png: sources, maps, result
  python fuse.py -i photographs -o fused               every scene NAME-A, NAME-B, ... in a folder
  python fuse.py A.jpg B.jpg -o fused.png --strategy paper --size 224    the paper's protocol: maps at 224x224
  python fuse.py -i photographs -o dwt --method dwt    a method of others, to compare with
  python fuse.py --benchmark                           how fast it is here
exit codes: 0 done, 1 some input failed, 2 wrong usage"""


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
        choices=("refined", "paper"),
        help="refined (ours, the default) compares the images at each pixel; paper is the paper's logic for two",
    )
    parser.add_argument(
        "--size", type=int, metavar="N", help="find the maps at NxN (224 = the paper), not at full size"
    )
    parser.add_argument("--alpha", default="refuse", choices=("refuse", "drop"), help="images with transparency")
    parser.add_argument("--save-maps", action="store_true", help="also write the maps that led to the result")
    parser.add_argument("--panel", action="store_true", help="also write one picture of all of it")
    parser.add_argument("--benchmark", action="store_true", help="print load time, time a pair and megapixels/s")
    parser.add_argument("--json", action="store_true", help="print what was done as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line; see `--help`."""
    parser = build_parser()
    arguments = parser.parse_args(argv)
    _check_usage(parser, arguments)
    if arguments.benchmark:
        return _benchmark(arguments)
    if arguments.input is not None:
        listing = (find_pairs if _pairs_only(arguments) else find_stacks)(arguments.input)
        make_folder(arguments.output)
        jobs = [(stack, arguments.output / f"{stack.name}.{arguments.format}") for stack in listing.stacks]
        problems = listing.problems
    else:
        checked_suffix(arguments.output)
        jobs, problems = [(check_stack(*arguments.images), arguments.output)], []
    _protect_sources(jobs)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    fuser = _load(arguments)
    results = list(_fuse_all(fuser, jobs, arguments))
    failed = len(problems) + sum("error" in result for result in results)
    if arguments.json:
        print(json.dumps({"results": results, "problems": problems}, indent=2))
    elif not arguments.quiet:
        done = len(results) - sum("error" in result for result in results)
        print(f"{done} of {len(results)} fused into {arguments.output}" + (f", {failed} failed" if failed else ""))
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
    if arguments.output is None:
        parser.error("-o PATH is needed: the fused image, or a folder with -i.")


def _pairs_only(arguments) -> bool:
    return arguments.method != "proposed" or arguments.strategy == "paper"


def _protect_sources(jobs: list[tuple[Stack, Path]]) -> None:
    sources = {path.resolve() for stack, _ in jobs for path in stack.images}
    for _, output in jobs:
        if output.resolve() in sources:
            raise InputError(f"{output} is one of the source images; choose another output.")


def _load(arguments):
    """A function of images, as `load_fuser` gives it."""
    if arguments.method != "proposed":
        return BASELINES[arguments.method].method(arguments.weights)
    from model import load_fuser  # loads TensorFlow, which wrong usage need not wait for

    given = {"weights": arguments.weights} if arguments.weights else {}
    return load_fuser(strategy=arguments.strategy or "refined", size=arguments.size, **given)


def _fuse_all(fuser, jobs, arguments) -> Iterator[dict]:
    """Fuses job by job; one that fails is reported by name and the others go on."""
    silent = arguments.quiet or arguments.json or len(jobs) == 1
    for stack, output in tqdm(jobs, unit="scene", disable=silent):
        result = {"name": stack.name, "sources": [str(path) for path in stack.images]}
        try:
            yield {**result, **_fuse_one(fuser, stack, output, arguments)}
        except (InputError, OSError) as error:
            tqdm.write(f"error: {stack.name}: {error}", file=sys.stderr)
            yield {**result, "error": str(error)}


def _fuse_one(fuser, stack: Stack, output: Path, arguments) -> dict:
    images = [read_image(path, alpha=arguments.alpha) for path in stack.images]
    checked_suffix(output, images[0].dtype)
    if arguments.method != "proposed":
        write_image(output, fuser(*images))
        return {"output": str(output), "method": arguments.method}
    decision = fuser.decide(*images)
    summary = {"output": str(output), **decision.summary()}
    if arguments.save_maps or arguments.panel:
        from model.pictures import draw_panel, write_maps

        if arguments.save_maps:
            write_maps(output, decision)
            write_json(output.with_name(f"{output.stem}-decision.json"), summary)
        if arguments.panel:
            draw_panel(output.with_name(f"{output.stem}-panel.png"), images, decision, stack.name)
    write_image(output, decision.fused)
    return summary


def _benchmark(arguments) -> int:
    from model.benchmark import benchmark

    images = [read_image(path, alpha=arguments.alpha) for path in arguments.images]
    figures = benchmark(lambda: _load(arguments), *images)
    if arguments.json:
        print(json.dumps(figures, indent=2))
    else:
        print(
            f"load {figures['load_seconds']:.2f} s, first pair {figures['first_seconds']:.2f} s, "
            f"then {figures['pair_seconds']:.3f} s a pair of {figures['width']}x{figures['height']}, "
            f"{figures['megapixels_per_second']:.2f} megapixels/s"
        )
    return EXIT_DONE


if __name__ == "__main__":
    sys.exit(run_command(main))
