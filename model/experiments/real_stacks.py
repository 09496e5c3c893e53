"""Measures fusion of real focus stacks, which have no truth: our default, its parts switched off, other tools.

Every folder of frames in DIR is a stack. It is aligned as by default; results of other tools must have the geometry of
`fuse.py STACK --align-only`. The worst stack counts, not the mean.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

from data.io.files import make_folder, write_text
from data.io.image_folder import ImageFolder
from data.io.image_io import read_image, write_image
from data.io.listing import natural_key
from data.registration.prepared import PreparedFrames
from data.runtime.arguments import add_named, add_shared, by_name
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, InputError, printable
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
    folders = sorted((path for path in arguments.folder.iterdir() if path.is_dir()), key=lambda p: natural_key(p.name))
    if not folders:
        raise InputError(f"no folder of frames in {arguments.folder}.")
    others = {name: ImageFolder(path) for name, path in by_name("--fused", arguments.fused, Path).items()}
    names = [*(arguments.methods or PREPARED), *others]
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
                        write_image(arguments.output / "fused" / name / f"{folder.name}.png", fused)
                    cells[name] = f"{faults.invented(fused):.3f} / {faults.lost(fused):.2f}"
                failed |= bool(one.failure)
        failed |= bool(part.failure)
        rows.append((folder.name, *(cells[name] for name in names)))
    table = Table(("Stack", *names), rows, "Invented / lost, per mille of the edges; smaller is better")
    write_text(arguments.output / "real-stacks.md", table.markdown())
    if not arguments.quiet:
        print(table.markdown(), end="")
    return EXIT_FAILED if failed else EXIT_DONE


def _fused(name: str, stack: str, images: PreparedFrames, others: Mapping[str, ImageFolder]) -> np.ndarray:
    if name in others:
        return read_image(others[name].find(stack))
    return fuse_prepared(images, **PREPARED[name])
