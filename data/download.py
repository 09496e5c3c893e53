"""Fetching the public data: PASCAL VOC 2012, the Lytro pairs, and VGG-19's ImageNet weights.

    python -m data.download voc2012 -o datasets

None of the three addresses could be tried when this was written, for want of a way to reach them. What arrives is
checked by its hash in any case, and `--url` names another place that holds the same files.
"""

import argparse
import http.client
import tarfile
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path, PurePosixPath

from tqdm import tqdm

from data.errors import EXIT_DONE, InputError, run_command
from data.files import file_digest, make_folder

VOC_FOLDER = "VOCdevkit/VOC2012"
VOC_PARTS = ("JPEGImages", "SegmentationClass", "ImageSets")

_BLOCK = 1 << 20
_TIMEOUT_SECONDS = 60
_LYTRO_DIGESTS = Path(__file__).with_name("lytro.sha256")
_EXAMPLES = """examples:
  python -m data.download voc2012 -o datasets        2 GB; unpacked to datasets/VOCdevkit/VOC2012
  python -m data.download lytro -o datasets/lytro    20 pairs, lytro-01-A.jpg to lytro-20-B.jpg
  python -m data.download vgg19 -o weights           80 MB, the no-top weights that Keras publishes
  python -m data.download lytro -o datasets/lytro --url https://mirror.example/MFIFB/input

A download that was cut off goes on where it stopped when the same command is given again.
"""


@dataclass(frozen=True)
class RemoteFile:
    """One file to fetch.

    Attributes:
        address: Its path below the base address.
        name: Its name here.
        algorithm: The hash that is known of it, "md5" or "sha256".
        digest: That hash in hexadecimal digits.
    """

    address: str
    name: str
    algorithm: str
    digest: str


@dataclass(frozen=True)
class Source:
    """A set of files with one base address.

    Attributes:
        base: The address that all files lie under.
        files: Returns the files; called only when they are wanted.
        unpacked: The folder that the one archive becomes, or None where nothing is unpacked.
    """

    base: str
    files: Callable[[], list[RemoteFile]]
    unpacked: str | None = None


def lytro_files() -> list[RemoteFile]:
    """Returns the 40 Lytro photographs with their sha256; the address of lytro-01-A.jpg is lytro_01/lytro_01_A.jpg."""
    files = []
    for line in _LYTRO_DIGESTS.read_text().splitlines():
        digest, name = line.split()
        remote = name.replace("-", "_")
        files.append(RemoteFile(f"{remote[: len('lytro_01')]}/{remote}", name, "sha256", digest))
    return files


def voc2012_files() -> list[RemoteFile]:
    """Returns the archive of the training and validation part of PASCAL VOC 2012."""
    archive = "VOCtrainval_11-May-2012.tar"
    return [RemoteFile(archive, archive, "md5", "6cd6e144f989b92b3379bac3b3de84fd")]


def vgg19_files() -> list[RemoteFile]:
    """Returns the weights of VGG-19 without its classifier, as keras.applications fetches them."""
    weights = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
    return [RemoteFile(weights, weights, "md5", "253f8cb515780f3b799900260a226db6")]


SOURCES = {
    "voc2012": Source("http://host.robots.ox.ac.uk/pascal/VOC/voc2012", voc2012_files, VOC_FOLDER),
    "lytro": Source("https://raw.githubusercontent.com/xingchenzhang/MFIFB/master/input", lytro_files),
    "vgg19": Source("https://storage.googleapis.com/tensorflow/keras-applications/vgg19", vgg19_files),
}


def download(what: str, folder: Path, base: str | None = None, quiet: bool = False) -> str:
    """Fetches a set of files, checks each, and unpacks what is an archive; what is there already is left alone.

    Args:
        what: A key of `SOURCES`.
        folder: Where the files go; made where missing.
        base: An address other than the usual one that holds the same files.
        quiet: Shows no progress.

    Returns:
        A sentence on what there is now.

    Raises:
        InputError: An address cannot be reached, a file has the wrong hash, or the archive cannot be unpacked.
    """
    source = SOURCES[what]
    base = source.base if base is None else base
    if not base.startswith(("http://", "https://")):
        raise InputError(f"{base} is no address to fetch from; it must begin with http:// or https://.")
    make_folder(folder)
    if source.unpacked is not None and (folder / source.unpacked).exists():
        missing = _missing_part(folder / source.unpacked)
        if missing is not None:
            raise InputError(f"{folder / source.unpacked} is there but lacks {missing}; remove or rename it.")
        return f"{folder / source.unpacked} is there already; remove it to have it fetched again."
    files = source.files()
    fetched = sum(fetch(f"{base.rstrip('/')}/{file.address}", folder / file.name, file, quiet) for file in files)
    if source.unpacked is not None:
        archive = folder / files[0].name
        unpack_voc(archive, folder, quiet)
        return f"{folder / source.unpacked} is complete; {archive} is no longer needed."
    return f"{len(files)} checked in {folder}: {fetched} fetched, {len(files) - fetched} there before."


def fetch(url: str, target: Path, file: RemoteFile, quiet: bool = False) -> bool:
    """Fetches one file, going on from what an earlier attempt left, and puts it in its place when its hash is right.

    Args:
        url: Its address.
        target: Its place.
        file: Its hash.
        quiet: Shows no progress.

    Returns:
        Whether it had to be fetched.

    Raises:
        InputError: It cannot be reached or was cut off (what came is kept), or it has the wrong hash (it is deleted).
            A wrong file that stood in its place before is not touched.
    """
    if target.exists():
        if file_digest(target, file.algorithm) != file.digest:
            raise InputError(f"{target} is not the file expected (its {file.algorithm} differs); remove or rename it.")
        return False
    partial = target.with_name(f"{target.name}.partial")
    _receive(url, target, partial, quiet)
    digest = file_digest(partial, file.algorithm)
    if digest != file.digest:
        partial.unlink()
        raise InputError(
            f"{url} sent a file whose {file.algorithm} is {digest} where {file.digest} is expected, so it was deleted;"
            " try again, or give another address with --url."
        )
    partial.replace(target)
    return True


def _receive(url: str, target: Path, partial: Path, quiet: bool) -> None:
    """Completes `partial`: asks for what is missing, or begins anew where the server only sends the whole."""
    present = partial.stat().st_size if partial.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={present}-"} if present else {})
    by_hand = f"fetch it in another way and save it as {target}"
    try:
        response = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return  # Nothing is missing; the hash tells whether it is the right file.
        raise InputError(
            f"{url} answers {error.code} {error.reason}; give another with --url, or {by_hand}."
        ) from error
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise InputError(f"cannot reach {url} ({reason}); check the connection, or {by_hand}.") from error
    with response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            present = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else present + int(length)
        with (
            partial.open("ab" if present else "wb") as output,
            tqdm(total=total, initial=present, unit="B", unit_scale=True, desc=target.name, disable=quiet) as progress,
        ):
            for block in _blocks(response, url):
                output.write(block)
                progress.update(len(block))
    received = partial.stat().st_size
    if total is not None and received < total:
        raise InputError(
            f"{url} ended after {received} of {total} bytes; give the same command again to go on from there."
        )


def _blocks(response: http.client.HTTPResponse, url: str) -> Iterator[bytes]:
    while True:
        try:
            block = response.read(_BLOCK)
        except (OSError, http.client.HTTPException) as error:
            raise InputError(
                f"{url} was cut off ({error}); give the same command again to go on from there."
            ) from error
        if not block:
            return
        yield block


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
                    if "/".join(parts[:2]) == VOC_FOLDER and len(parts) > 2 and parts[2] in VOC_PARTS:
                        tar.extract(member, temporary, filter="data")
        except (tarfile.TarError, EOFError) as error:
            raise InputError(f"cannot unpack {archive} ({error}); remove it and fetch it again.") from error
        unpacked = Path(temporary) / VOC_FOLDER
        missing = _missing_part(unpacked)
        if missing is not None:
            raise InputError(f"{archive} has no {VOC_FOLDER}/{missing}; fetch the archive of VOC 2012 trainval.")
        target = folder / VOC_FOLDER
        make_folder(target.parent)
        unpacked.rename(target)


def _missing_part(voc: Path) -> str | None:
    return next((part for part in VOC_PARTS if not (voc / part).is_dir()), None)


def main(argv: Sequence[str] | None = None) -> int:
    """Command line of the downloads; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m data.download",
        description="Fetch public data, check its hashes, and unpack it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=SOURCES, help="which data")
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="DIR", help="folder that the data goes into"
    )
    parser.add_argument("--url", help="another address that holds the same files under the same names")
    parser.add_argument("--quiet", action="store_true", help="show errors only")
    arguments = parser.parse_args(argv)
    summary = download(arguments.what, arguments.output, arguments.url, arguments.quiet)
    if not arguments.quiet:
        print(summary)
    return EXIT_DONE


if __name__ == "__main__":
    raise SystemExit(run_command(main))
