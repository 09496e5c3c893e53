"""What an image file says besides its pixels, and what of it a result takes over."""

from dataclasses import dataclass

from PIL import Image

_DESCRIPTIVE = (270, 271, 272, 282, 283, 296, 305, 306, 315, 316, 33432, *range(40091, 40096))
"""Description, maker, model, resolution, software, time, artist, computer, copyright; Windows' title to subject. All
other tags outside the blocks say how pixels are stored, which is not true of another file."""

_EXIF_BLOCK, _GPS_BLOCK = 0x8769, 0x8825
_NOT_KEPT = (0xA002, 0xA003, 0xA005)
"""In a block: width and height, which are those before the image was turned, and a pointer."""


@dataclass(frozen=True)
class Metadata:
    """Metadata of an image.

    Attributes:
        profile: An ICC colour profile, or None.
        exif: An EXIF block, as `Image.Exif.tobytes` gives it, or None.
    """

    profile: bytes | None = None
    exif: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.profile or self.exif)


def kept_exif(exif: Image.Exif) -> bytes | None:
    """The EXIF data that stay true of the upright image: camera, exposure, time, place.

    Args:
        exif: As Pillow reads it.

    Returns:
        A block without orientation, storage, thumbnail and size; None if nothing is left.
    """
    kept = Image.Exif()
    for tag in _DESCRIPTIVE:
        if tag in exif:
            kept[tag] = exif[tag]
    for block in (_EXIF_BLOCK, _GPS_BLOCK):
        fields = {tag: value for tag, value in exif.get_ifd(block).items() if tag not in _NOT_KEPT}
        if fields:
            kept[block] = fields
    return kept.tobytes() if len(kept) else None
