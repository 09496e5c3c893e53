"""The options of `fuse.py`."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from data.registration.prepared import ALIGN, CROP, MATCH_EXPOSURE
from data.runtime.arguments import add_shared, command_parser, json_path, natural, shard
from data.runtime.errors import add_debug
from model.fusion import PREFERENCES, STRATEGIES
from model.networks.engine import ENGINES

DESCRIPTION = "Fuses photographs of one scene, each sharp somewhere else, into one that is sharp everywhere."

EXAMPLES = """examples:
  python fuse.py A.jpg B.jpg -o fused.png              fuse two photographs
  python fuse.py beetle -o fused.tif                   the frames in the folder beetle (DSC_4711.jpg, DSC_4712.jpg, ...)
  python fuse.py beetle/*.nef -o fused.tif             frames by name, as many as there are
  python fuse.py A.jpg B.jpg -o fused.png --panel      also draw fused-panel.png: sources, maps, result
  python fuse.py -i photographs -o fused               every scene NAME-A, NAME-B, ..., or one from each subfolder
  python fuse.py beetle -o fused.tif --depth-map       also the depth of each pixel, in fused-depth.png
  python fuse.py beetle -o fused.tif --depth-map depth.tif    or in depth.tif
  python fuse.py beetle -o aligned --align-only        the aligned frames, for other tools
  python fuse.py A.jpg B.jpg -o fused.png --strategy paper --size 224    the paper's protocol: maps at 224x224
  python fuse.py -i photographs -o fused --resume      go on where a batch was stopped
  python fuse.py -i photographs -o fused --shard 2/3   the second third, while other machines do the rest
  python fuse.py -i photographs -o fused --jobs 4      four scenes at once
  python fuse.py A.jpg B.jpg -o fused.png --json -     what was done, as JSON
  python fuse.py --project beetle.json -o fused.tif    what the page saved, once more
  python fuse.py --app                                 a page in the browser: drop frames, compare, retouch
  python fuse.py --benchmark                           how fast it is here
exit codes: 0 done, 1 some input failed, 2 wrong usage"""

TILES = {"auto": None, "on": True, "off": False}
"""Whether a fuser works in tiles, by the name that --tile takes."""

DEPTH_SUFFIXES = (".png", ".tif")
"""Types of a depth map: those that hold 16 bits."""


class _DepthMap(argparse.Action):
    """Takes a PATH only after images: what stands before them may be meant as one, and must not be written over."""

    def __call__(self, parser, namespace, values, option_string=None):
        if values is not True and values.suffix.lower() not in DEPTH_SUFFIXES:
            raise argparse.ArgumentError(self, f"PATH must end in {' or '.join(DEPTH_SUFFIXES)}, received {values}")
        if values is not True and not namespace.images:
            raise argparse.ArgumentError(self, f"takes a PATH only after the images of one scene, not {values}")
        namespace.depth_map = values


def build_parser(methods: Iterable[str]) -> argparse.ArgumentParser:
    """The command line; `methods` are those of others."""
    parser = command_parser(DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "images", nargs="*", type=Path, metavar="IMAGE", help="two or more images of one scene, or a folder"
    )
    parser.add_argument("-i", "--input", type=Path, metavar="DIR", help="a folder of scenes, in place of IMAGE")
    parser.add_argument("-o", "--output", type=Path, metavar="PATH", help="the fused image, or a folder with -i")
    add_shared(parser, "--pattern")
    parser.add_argument("--format", default="png", choices=("png", "tif", "bmp", "jpg"), help="type with -i (png)")
    parser.add_argument(
        "--weights", type=Path, metavar="FILE", help="a weights file (default: the bundled one; IFCNN, SESF: theirs)"
    )
    parser.add_argument(
        "--comparer",
        type=Path,
        metavar="FILE",
        help="strategy learned: its own network, trained beside --weights (model.training.train_comparer)",
    )
    parser.add_argument(
        "--method",
        default="proposed",
        choices=("proposed", *methods),
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
    parser.add_argument(
        "--engine",
        default="auto",
        choices=ENGINES,
        help="what runs the networks; auto: openvino where it is installed and no GPU is used, else tensorflow",
    )
    parser.add_argument("--alpha", default="refuse", choices=("refuse", "drop"), help="images with transparency")
    parser.add_argument(
        "--tile",
        default="auto",
        choices=TILES,
        help="strategies refined and paper: overlapping tiles, which bounds memory: auto (above 4 megapixels), on, off",
    )
    _add_preparation(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace files that exist, but never a source")
    parser.add_argument("--resume", action="store_true", help="keep results that these images and settings gave")
    parser.add_argument("--shard", type=shard, default=(1, 1), metavar="I/N", help="only the I-th of N parts of -i")
    add_shared(parser, "--jobs", "--cluster")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done, and do nothing")
    parser.add_argument("--save-maps", action="store_true", help="also write the maps that led to the result")
    parser.add_argument("--panel", action="store_true", help="also write one picture of all of it")
    parser.add_argument(
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
    parser.add_argument(
        "--project", type=Path, metavar="FILE", help="fuse and retouch what the page saved; its frames lie beside it"
    )
    parser.add_argument("--app", action="store_true", help="serve the page (pip install -r requirements-app.txt)")
    parser.add_argument(
        "--host", default="127.0.0.1", help="of --app: the address; others open it to the network (%(default)s)"
    )
    parser.add_argument("--port", type=natural, default=8000, help="of --app; 0 takes any (%(default)s)")
    parser.add_argument("--benchmark", action="store_true", help="print load time, time a pair and megapixels/s")
    parser.add_argument(
        "--json", type=json_path, metavar="FILE", help="write what was done into FILE (.json), or print it with -"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    add_debug(parser)
    return parser


def _add_preparation(parser):
    """Options of what is done to the images before they are fused."""
    parser.add_argument(
        "--align",
        default="auto",
        choices=ALIGN,
        help="auto: lay images that moved on the one in the middle; none: they are aligned (%(default)s)",
    )
    parser.add_argument("--no-align", dest="align", action="store_const", const="none", help="as --align none")
    parser.add_argument(
        "--align-only", action="store_true", help="write the aligned images into the folder -o, and stop"
    )
    parser.add_argument(
        "--crop",
        default="common",
        choices=CROP,
        help="where images moved, keep what all show, or all that the one in the middle shows: none (%(default)s)",
    )
    parser.add_argument(
        "--match-exposure",
        default="auto",
        choices=MATCH_EXPOSURE,
        help="auto: give images of another brightness that of the one in the middle; or none (%(default)s)",
    )
    parser.add_argument("--strict", action="store_true", help="an image that fits nowhere is an error, not left out")
    parser.add_argument(
        "--prefer",
        choices=PREFERENCES,
        help="where two images are both sharp, take the earlier (near) or the later (far), not the sharper",
    )
