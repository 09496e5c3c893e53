"""Metadata of image files, and the part of them that is copied to a result."""

import os
import re
import warnings
from dataclasses import dataclass
from typing import Any

from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag

LARGEST_BLOCK = 2**20
"""Largest profile or EXIF block, in bytes, that is copied: what PNG readers, Pillow among them, still unpack."""

_LARGEST_IN_JPEG = 65_533
"""Largest EXIF block, in bytes, that a JPEG can hold."""

_DESCRIPTIVE = (
    *(Tag.ImageDescription, Tag.Make, Tag.Model, Tag.XResolution, Tag.YResolution, Tag.ResolutionUnit, Tag.Software),
    *(Tag.DateTime, Tag.Artist, Tag.HostComputer, Tag.Copyright, *range(Tag.XPTitle, Tag.XPSubject + 1)),
)
"""Tags outside the blocks that are kept; the others say how pixels are stored, which differs in another file."""

LARGEST_XMP_IN_JPEG = 65_504
"""Most bytes of an XMP packet that one segment of a JPEG holds."""

_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:>|=[\"']))[1-8]")
"""Orientation in an XMP packet, as an attribute or an element."""

_NOT_KEPT = (Tag.ExifImageWidth, Tag.ExifImageHeight, Tag.ExifInteroperabilityOffset)
"""Tags that are left out of a block: width and height, which are those of the unrotated image, and a pointer."""


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image.

    Attributes:
        profile: An ICC color profile, or None.
        exif: An EXIF block, as `Image.Exif.tobytes` gives it, or None.
        xmp: An XMP packet (rating, creator, keywords), of an upright image, or None.
        dpi: Pixels an inch, across and down, or None.
    """

    profile: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None

    def __bool__(self) -> bool:
        return bool(self.profile or self.exif or self.xmp or self.dpi)


def read_metadata(path: str | os.PathLike, image: Image.Image) -> tuple[int, Metadata]:
    """Reads the metadata that are copied to a result; what cannot be read is left out with a warning.

    Args:
        path: The file, for the warning.
        image: As Pillow opened it.

    Returns:
        The EXIF orientation, 1 where there is none, and profile and EXIF data.
    """
    orientation, exif, damage = 1, None, ""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            tags = image.getexif()
            orientation = tags.get(Tag.Orientation, 1)
            if "exif" in image.info:  # once more: opening a JPEG did so without warnings
                tags = Image.Exif()
                tags.load(image.info["exif"])
            exif = kept_exif(tags)
        except Exception as error:  # Pillow raises errors of any type here; the photograph is whole
            damage = type(error).__name__
    if damage or said:
        reason = damage or " ".join(str(said[0].message).split())
        _leave_out(path, "EXIF data" if damage else "a part of the EXIF data", f"cannot be read ({reason})")
    if exif and len(exif) > LARGEST_BLOCK:
        _leave_out(path, "EXIF data", f"of more than {LARGEST_BLOCK:,} bytes")
        exif = None
    profile = image.info.get("icc_profile") or None
    if profile and len(profile) > LARGEST_BLOCK:
        _leave_out(path, "a color profile", f"of more than {LARGEST_BLOCK:,} bytes")
        profile = None
    if profile and not _is_profile(profile):
        _leave_out(path, "a color profile", "that is damaged")
        profile = None
    metadata = Metadata(profile, exif, _upright_xmp(path, image.info.get("xmp")), _dpi(image))
    return orientation if orientation in range(1, 9) else 1, metadata


def _upright_xmp(path: str | os.PathLike, packet: object) -> bytes | None:
    """Returns an XMP packet with the orientation 1; None where it is no text or too large."""
    if isinstance(packet, str):
        packet = packet.encode()
    if not isinstance(packet, bytes) or not packet.strip(b"\0 \n\r\t"):
        return None
    if len(packet) > LARGEST_BLOCK:
        _leave_out(path, "an XMP packet", f"of more than {LARGEST_BLOCK:,} bytes")
        return None
    try:
        packet.decode()
    except UnicodeDecodeError:
        _leave_out(path, "an XMP packet", "that is damaged")
        return None
    return _XMP_ORIENTATION.sub(rb"\g<1>1", packet)


def _dpi(image: Image.Image) -> tuple[float, float] | None:
    """Returns the resolution that a JPEG or PNG says outside its EXIF data, which are kept as they are; None: none."""
    if image.format == "PNG":
        value = image.info.get("dpi")
    else:
        value = image.info.get("jfif_density") if image.info.get("jfif_unit") == 1 else None
    try:
        across, down = (float(one) for one in value)  # type: ignore[union-attr] # whatever the file holds
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return (across, down) if 1 <= across < 1e6 and 1 <= down < 1e6 else None


def kept_tags(exif: Image.Exif, without: tuple[int, ...] = ()) -> Image.Exif:
    """Selects the EXIF data that stay true of the upright image: camera, exposure, time, place.

    Args:
        exif: As Pillow reads it.
        without: Further tags of the EXIF block to leave out.

    Returns:
        Blocks without orientation, storage, thumbnail and size.
    """
    kept = Image.Exif()
    kept.update({tag: _as_stored(exif[tag]) for tag in _DESCRIPTIVE if tag in exif})
    for block in (IFD.Exif, IFD.GPSInfo):
        fields = {tag: value for tag, value in exif.get_ifd(block).items() if tag not in (*_NOT_KEPT, *without)}
        if fields:
            kept[block] = {tag: _as_stored(value) for tag, value in fields.items()}
    return kept


def kept_exif(exif: Image.Exif, without: tuple[int, ...] = ()) -> bytes | None:
    """Returns `kept_tags` as a block that can be read again; None if nothing is left."""
    kept = kept_tags(exif, without)
    if not len(kept):
        return None
    content = kept.tobytes()
    again = Image.Exif()
    again.load(content)  # what a reader of the result will do
    for block in (IFD.Exif, IFD.GPSInfo):
        again.get_ifd(block)
    return content


class _Text(str):
    """A text that Pillow writes as it read it, as Latin-1; of other texts it drops what is not ASCII."""

    def encode(self, *_: str) -> bytes:
        return super().encode("latin-1", "replace")


def _as_stored(value: Any) -> Any:
    return _Text(value) if isinstance(value, str) else value


def exif_for_jpeg(exif: bytes | None) -> bytes:
    """Fits an EXIF block into a JPEG: leaves out the maker's note or everything, with a warning, if it is too large."""
    if not exif or len(exif) <= _LARGEST_IN_JPEG:
        return exif or b""
    tags = Image.Exif()
    tags.load(exif)
    shorter = kept_exif(tags, without=(Tag.MakerNote,)) or b""
    if len(shorter) <= _LARGEST_IN_JPEG:
        warnings.warn("the camera maker's note does not fit into a JPEG and is left out; use .png", stacklevel=4)
        return shorter
    warnings.warn("the EXIF data do not fit into a JPEG and are left out; use .png", stacklevel=4)
    return b""


def _is_profile(profile: bytes) -> bool:
    """Returns whether the header of an ICC profile, 128 bytes, has its signature and its length (ICC.1:2010, 7.2)."""
    return len(profile) >= 128 and profile[36:40] == b"acsp" and int.from_bytes(profile[:4], "big") == len(profile)


def _leave_out(path: str | os.PathLike, what: str, reason: str) -> None:
    warnings.warn(f"{path}: {what} {reason}, left out of the result", stacklevel=4)
