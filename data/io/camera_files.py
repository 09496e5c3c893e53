"""Files that need an optional library: camera raw files, which rawpy develops, and HEIC, which pillow-heif opens.

Both are in `requirements-photos.txt` and the extra `photos`. Without them such a file is refused with the command that
installs them.
"""

import io
import os
import struct
import warnings
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, ImageCms

from data.io.image_checks import most_pixels
from data.io.metadata import LARGEST_BLOCK, Metadata, kept_exif
from data.runtime.errors import InputError
from data.runtime.installation import install_hint

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
"""Suffixes of files in the High Efficiency Image Format; the content decides."""

RAW_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef")
"""Suffixes of camera raw files. The suffix decides, because most are TIFF files whose first image is a thumbnail."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
"""Brands behind `ftyp` at the beginning of a HEIC file (ISO/IEC 23008-12)."""

_SRGB_GAMMA = (2.4, 12.92)
"""Exponent and slope of sRGB's curve (IEC 61966-2-1)."""

_DEVELOPING: dict[str, Any] = {
    "no_auto_bright": True,
    "adjust_maximum_thr": 0.0,  # else the white level depends on the brightest pixel of each frame
    "output_bps": 16,
    "gamma": _SRGB_GAMMA,
}
"""How every raw file is developed: independently of the picture itself, so that frames of one stack stay comparable.
The colors are sRGB, rawpy's default."""

Balance = tuple[float, ...]
"""Factors of a raw file's four channels that make gray of gray."""


def is_heif(start: bytes) -> bool:
    """Returns whether the first 12 bytes of a file are those of a HEIC image."""
    return start[4:8] == b"ftyp" and start[8:12] in _HEIF_BRANDS


def is_raw(path: str | os.PathLike) -> bool:
    """Returns whether a file's name is that of a camera raw file."""
    return Path(path).suffix.lower() in RAW_SUFFIXES


def heif_format(path: str | os.PathLike) -> str:
    """Registers pillow-heif with Pillow; returns Pillow's name of the format.

    Raises:
        InputError: pillow-heif is not installed.
    """
    _library(path, "a HEIC image", "pillow_heif").register_heif_opener()
    return "HEIF"


def deep_heif(data: bytes, bits: int) -> np.ndarray:
    """Decodes a HEIC image of 10 or 12 bits a channel, of which Pillow keeps 8, to (H, W, C) or (H, W) uint16."""
    decoded = import_module("pillow_heif").open_heif(io.BytesIO(data), convert_hdr_to_8bit=False, hdr_to_16bit=False)
    return np.rint(np.asarray(decoded) * (65535 / (2**bits - 1))).astype(np.uint16)


def raw_shape(path: str | os.PathLike, file: BinaryIO) -> tuple[int, ...]:
    """Reads from the header the shape of what `develop_raw` would return; errors as there."""
    with _RawFile(path, file) as raw:
        return _upright_shape(path, raw)


def raw_balance(path: str | os.PathLike, file: BinaryIO) -> Balance | None:
    """Reads the white balance that the camera noted, None where it noted none; errors as in `develop_raw`."""
    with _RawFile(path, file) as raw:
        balance = tuple(map(float, raw.camera_whitebalance))
    return balance if balance[0] > 0 else None


def develop_raw(path: str | os.PathLike, data: bytes, balance: Balance | None = None) -> tuple[np.ndarray, Metadata]:
    """Develops a camera raw file, upright.

    Args:
        path: The file, for messages.
        data: Its content.
        balance: The white balance, such as that of a stack's first frame; None takes the file's own.

    Returns:
        (H, W, 3) uint16 sRGB, or (H, W) gray of a camera without colors; and sRGB's profile with the EXIF data, as far
        as the file is laid out as a TIFF.

    Raises:
        InputError: rawpy is not installed, or the file is damaged, too large or not known to it.
    """
    with _RawFile(path, io.BytesIO(data)) as raw:
        shape = _upright_shape(path, raw)
        white = {"user_wb": list(balance)} if balance else {"use_camera_wb": True}
        pixels = raw.postprocess(**white, **_DEVELOPING)
        pixels = np.ascontiguousarray(pixels[..., 0]) if pixels.shape[2] == 1 else pixels
        if pixels.shape != shape:
            raise InputError(f"cannot use {path}: it develops to {pixels.shape} and not {shape}; save it as a TIFF.")
    return pixels, Metadata(_srgb_profile(), _tiff_exif(data))


class _RawFile:
    """An open raw file; what LibRaw raises in the block becomes one sentence."""

    def __init__(self, path: str | os.PathLike, file: BinaryIO):
        self._path, self._file = path, file
        self._rawpy = _library(path, "a camera raw file", "rawpy")

    def __enter__(self) -> Any:
        try:
            self._raw = self._rawpy.imread(self._file)
        except (self._rawpy.LibRawError, OSError, ValueError) as error:
            raise self._refusal(error) from error
        return self._raw

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._raw.close()
        if isinstance(error, self._rawpy.LibRawError | self._rawpy.NotSupportedError):
            raise self._refusal(error) from error

    def _refusal(self, error: BaseException) -> InputError:
        reason = error.args[0].decode(errors="replace") if isinstance(error.args[0], bytes) else error
        return InputError(f"cannot read {self._path} as a camera raw file ({reason}); copy it again, or save a TIFF.")


def _upright_shape(path: str | os.PathLike, raw: Any) -> tuple[int, ...]:
    height, width = raw.sizes.iheight, raw.sizes.iwidth
    if height * width > most_pixels():
        raise InputError(f"cannot read {path}: it has more than {most_pixels() // 10**6} megapixels; reduce it first.")
    channels = () if raw.num_colors == 1 else (3,)
    return (width, height, *channels) if raw.sizes.flip & 4 else (height, width, *channels)


def _library(path: str | os.PathLike, kind: str, name: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        hint = f"which needs {name.replace('_', '-')}; {install_hint('photos')}"
        raise InputError(f"cannot read {path}: it is {kind}, {hint}.") from error


def _tiff_exif(data: bytes) -> bytes | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tags = Image.Exif()
            tags.load_from_fp(io.BytesIO(data))
            exif = kept_exif(tags)
    except Exception:  # of any type, and the photograph is whole: CR3, RAF and others are laid out otherwise
        return None
    return exif if exif and len(exif) <= LARGEST_BLOCK else None


@cache
def _srgb_profile() -> bytes:
    """Returns the sRGB profile with a fixed date of creation, so that its bytes are always the same."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    return bytes(profile)
