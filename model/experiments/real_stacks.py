"""Measures fusion of real focus stacks, which have no truth: our default, its parts switched off, other tools.

Every folder of frames in DIR is a stack. It is aligned as by default; results of other tools must have the geometry of
`fuse.py STACK --align-only`. The worst stack counts, not the mean.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.io.batch import protect_files
from data.io.files import make_folder, write_text
from data.io.image_folder import ImageFolder
from data.io.image_io import read_image, write_image
from data.io.listing import natural_key
from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_named, add_shared, by_name
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, printable
from data.runtime.names import checked_name
from data.runtime.parts import isolate_errors
from metrics.frames import FrameFaults
from metrics.markup import Table
from metrics.tables import FAILED
from model.experiments.stack_methods import STACK_VARIANTS, fuse_prepared
from model.fusion.pipeline import prepare
from model.fusion.settings import FusionSettings

PREPARED = {name: parts for name, parts in STACK_VARIANTS.items() if not {"align", "match_exposure"} & set(parts)}
"""Our variants that fuse the same aligned frames."""

EXAMPLES = """examples:
  python -m model.experiments real-stacks stacks -o results
  python -m model.experiments real-stacks stacks -o results --methods default --fused other=DIR
written: OUT/real-stacks.md, OUT/fused/METHOD/STACK.png"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    parser.add_argument("folder", type=Path, metavar="DIR", help="a folder of frames for each stack")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="folder for the results")
    text = f"methods to compare, of {', '.join(PREPARED)} (all)"
    parser.add_argument("--methods", nargs="+", choices=PREPARED, metavar="NAME", help=text)
    text = "results of other tools, DIR/STACK.png and so on, aligned as ours; may be given again"
    add_named(parser, "--fused", "NAME=DIR", text)
    add_shared(parser, "--quiet")


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code.

    Raises:
        InputError: if there is no stack, or a folder of results cannot be used.
    """
    if not arguments.folder.is_dir():
        raise InputError(f"{arguments.folder} is missing or no folder; give one with a folder for each stack.")
    folders = sorted((path for path in arguments.folder.iterdir() if path.is_dir()), key=lambda p: natural_key(p.name))
    if not folders:
        raise InputError(f"no folder of frames in {arguments.folder}.")
    results = by_name("--fused", arguments.fused, Path)
    for name in results:
        if checked_name(name, "a method") in STACK_VARIANTS:
            raise InputError(f"--fused: {name} is the name of a method of this command; name the folder otherwise.")
    others = {name: ImageFolder(path) for name, path in results.items()}
    own = arguments.methods or list(PREPARED)
    names = [*own, *others]
    protect_files(
        [arguments.output / "real-stacks.md", *(_path(arguments.output, name, one) for name in own for one in folders)],
        [path for folder in (*folders, *results.values()) for path in folder.iterdir()],
    )
    make_folder(arguments.output)
    rows, failed = [], False
    for folder in tqdm(folders, unit="stack", disable=arguments.quiet):
        cells: dict[str, str] = dict.fromkeys(names, FAILED)
        with isolate_errors(printable(folder.name)) as part:
            images = prepare(str(folder), FusionSettings()).images
            faults = FrameFaults(images)
            for name in names:
                with isolate_errors(f"{name}, {folder.name}") as one:
                    fused = _fused(name, folder.name, images, others)
                    if name not in others:
                        write_image(_path(arguments.output, name, folder), fused)
                    cells[name] = f"{faults.invented(fused):.3f} / {faults.lost(fused):.2f}"
                failed |= bool(one.failure)
        failed |= bool(part.failure)
        rows.append((folder.name, *(cells[name] for name in names)))
    table = Table(("Stack", *names), rows, "Invented / lost, per mille of the edges; smaller is better")
    write_text(arguments.output / "real-stacks.md", table.markdown())
    if not arguments.quiet:
        print(table.markdown(), end="")
    return EXIT_FAILED if failed else EXIT_DONE


def _path(output: Path, name: str, stack: Path) -> Path:
    return output / "fused" / name / f"{stack.name}.png"


def _fused(name: str, stack: str, images: PreparedFrames, others: Mapping[str, ImageFolder]) -> np.ndarray:
    if name in others:
        return read_image(others[name].find(stack))
    return fuse_prepared(images, **PREPARED[name])
