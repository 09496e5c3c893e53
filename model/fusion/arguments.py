"""The options of `fuse.py`."""

import argparse
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path
from typing import Any

from data.runtime.arguments import add_shared, command_parser, device, host, json_path, port, seconds, shard
from data.runtime.errors import add_debug
from data.runtime.installation import install_hint
from model.fusion.settings import FusionSettings

DESCRIPTION = "Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."

EXAMPLES = """examples:
  python fuse.py A.jpg B.jpg -o fused.png              fuse two photographs
  python fuse.py beetle -o fused.tif                   the frames in the folder beetle (DSC_4711.jpg, DSC_4712.jpg, ...)
  python fuse.py beetle/*.nef -o fused.tif             frames by name, as many as there are
  python fuse.py A.jpg B.jpg -o fused.png --panel      also draw fused-panel.png: sources, maps, result
  python fuse.py -i photographs -o fused               every scene NAME-A, NAME-B, ..., or one from each subfolder
  python fuse.py beetle -o fused.tif --depth-map       also the depth of each pixel, in fused-depth.png
  python fuse.py beetle -o fused.tif --depth-map depth.tif    or in depth.tif
  python fuse.py beetle -o fused.tif --rocking         also an animation of the depth, fused-rocking.webp
  python fuse.py beetle -o fused.tif --slabs 20:5      also the results of frames 1 to 20, 16 to 35, ...
  python fuse.py beetle -o aligned --align-only        the aligned frames, for other tools
  python fuse.py A.jpg B.jpg -o fused.png --strategy paper --size 224    the paper's protocol: maps at 224x224
  python fuse.py -i photographs -o fused --resume      go on where a batch was stopped
  python fuse.py -i photographs -o fused --shard 2/3   the second third, while other machines do the rest
  python fuse.py -i photographs -o fused --jobs 4      four scenes at once
  python fuse.py -i tethered -o fused --watch          each stack of a camera, once its frames have stopped coming
  python fuse.py A.jpg B.jpg -o fused.png --json -     what was done, as JSON
  python fuse.py --project beetle.json -o fused.tif    what the page saved, once more
  python fuse.py --app                                 a page in the browser: drop frames, compare, retouch
  python fuse.py --benchmark                           how fast it is here
exit codes: 0 done, 1 some input failed, 2 wrong usage"""

DEPTH_SUFFIXES = (".png", ".tif")
"""Types of a depth map: those that hold 16 bits."""


class _DepthMap(argparse.Action):
    """Takes a PATH only after images: what stands before them may be meant as one, and must not be written over."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option_string: Any = None
    ) -> None:
        if values is not True and values.suffix.lower() not in DEPTH_SUFFIXES:
            raise argparse.ArgumentError(self, f"PATH must end in {' or '.join(DEPTH_SUFFIXES)}, received {values}")
        if values is not True and not namespace.images:
            raise argparse.ArgumentError(self, f"takes a PATH only after the images of one scene, not {values}")
        namespace.depth_map = values


def build_parser(methods: Iterable[str]) -> argparse.ArgumentParser:
    """Builds the command line; `methods` are those of others."""
    parser = command_parser(DESCRIPTION, EXAMPLES)
    _add_input(parser.add_argument_group("input"))
    alignment = parser.add_argument_group("alignment")
    _add_settings(alignment, "alignment")
    alignment.add_argument(
        "--no-align",
        dest="align",
        action="store_const",
        const="none",
        default=argparse.SUPPRESS,
        help="same as --align none",
    )
    alignment.add_argument(
        "--align-only", action="store_true", help="write the aligned images into the folder -o, and stop"
    )
    _add_settings(parser.add_argument_group("brightness"), "brightness")
    decision = parser.add_argument_group("decision")
    decision.add_argument(
        "--method",
        default="proposed",
        choices=("proposed", *methods),
        help="proposed, or a method of others to compare with (python -m model.baselines --list)",
    )
    _add_settings(decision, "decision")
    _add_output(parser.add_argument_group("output"))
    batch = parser.add_argument_group("batch, of a folder of scenes (-i)")
    batch.add_argument("--resume", action="store_true", help="keep results that these images and settings gave")
    batch.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of -i")
    add_shared(batch, "--jobs", "--cluster")
    batch.add_argument(
        "--watch",
        nargs="?",
        const=10.0,
        type=seconds,
        metavar="SECONDS",
        help="go on until Ctrl-C: fuse what has come whenever nothing in -i has changed for SECONDS (10)",
    )
    _add_other_commands(parser.add_argument_group("other commands"))
    add_debug(parser)
    return parser


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns the settings that are on the command line, by name."""
    return {name: value for name, value in vars(arguments).items() if name in FusionSettings.__dataclass_fields__}


def _add_settings(group: argparse._ArgumentGroup, theme: str) -> None:
    """Adds an option for each setting of a theme; one that is not given does not appear among the arguments."""
    kinds = {
        **{"size": int, "reference": int, "device": device},
        **dict.fromkeys(("weights", "comparer", "warps", "dust"), Path),
    }
    for setting in fields(FusionSettings):
        metadata, name = setting.metadata, setting.name
        if metadata["group"] != theme:
            continue
        shown = "" if setting.default in (None, False) or name == "weights" else f" ({setting.default})"
        option: dict[str, Any] = {"default": argparse.SUPPRESS, "help": metadata["help"] + shown}
        if setting.default is False:
            option["action"] = "store_true"
        elif metadata["choices"]:
            option["choices"] = metadata["choices"]
        else:
            option |= {"type": kinds[name], "metavar": metadata["metavar"]}
        group.add_argument(f"--{name.replace('_', '-')}", **option)


def _add_input(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "images",
        nargs="*",
        type=Path,
        metavar="IMAGE",
        help="two or more images of a scene, a folder, or a TIFF of pages",
    )
    group.add_argument("-i", "--input", type=Path, metavar="DIR", help="a folder of scenes, in place of IMAGE")
    group.add_argument(
        "--project", type=Path, metavar="FILE", help="fuse and retouch what the page saved; its frames lie beside it"
    )
    add_shared(group, "--pattern")
    text = "with -i, divide each series into scenes: count:N frames each, or gap:SECONDS, where more time passed"
    group.add_argument("--split", metavar="HOW", help=text)
    _add_settings(group, "input")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("-o", "--output", type=Path, metavar="PATH", help="the fused image, or a folder with -i")
    group.add_argument("--format", default="png", choices=("png", "tif", "bmp", "jpg"), help="type with -i (png)")
    group.add_argument("--overwrite", action="store_true", help="replace files that exist, but never a source")
    group.add_argument("--save-maps", action="store_true", help="also write the maps that led to the result")
    group.add_argument("--panel", action="store_true", help="also write one picture of all of it")
    group.add_argument(
        "--depth-map",
        nargs="?",
        const=True,
        default=False,
        type=Path,
        action=_DepthMap,
        metavar="PATH",
        help="also write which frame each pixel is sharpest in, with its confidence and a picture of both; "
        "PATH.png or PATH.tif, after the images of one scene (beside the result: NAME-depth.png)",
    )
    text = "also write an animation that rocks from side to side, by the depth of each pixel, NAME-rocking.webp"
    group.add_argument("--rocking", action="store_true", help=text)
    text = "also write what the left and the right eye see, side by side, NAME-stereo.jpg"
    group.add_argument("--stereo", action="store_true", help=text)
    group.add_argument(
        "--slabs",
        metavar="SIZE[:OVERLAP]",
        help="also write the results of parts of a deep stack, NAME-slab-1 and so on, for retouching",
    )
    group.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    group.add_argument(
        "--json", type=json_path, metavar="FILE", help="write what was done into FILE (.json), or print it with -"
    )
    group.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _add_other_commands(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--app", action="store_true", help=f"serve the page ({install_hint('app')})")
    group.add_argument(
        "--host",
        type=host,
        default="127.0.0.1",
        help="of --app: others open it to the network (%(default)s)",
    )
    group.add_argument("--port", type=port, default=8000, help="of --app; 0 takes any free one (%(default)s)")
    group.add_argument("--benchmark", action="store_true", help="print load time, time a pair and megapixels/s")
