"""A scene from which training pairs are made, and the number of scenes held out for validation."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.imaging.pixels import quantize, to_rgb
from data.io.image_io import read_image, read_mask
from data.runtime.errors import InputError

VALIDATION_SHARE = 0.1
"""Share of scenes held out for validation, the paper's: 1,000 of 10,000 pairs."""


@dataclass(frozen=True)
class Scene:
    """The files of one photograph and its mask."""

    id: str
    image_path: Path
    mask_path: Path

    def read(self) -> tuple[np.ndarray, np.ndarray]:
        """Reads both files.

        Returns:
            The photograph, (H, W, 3) uint8 RGB, and its foreground, (H, W) uint8: 1 where the mask is not 0, that is on
            every object and on VOC's border index 255 (our choice), and 0 on the background.

        Raises:
            InputError: A file cannot be read, or the two differ in size.
        """
        image = read_image(self.image_path)
        if image.dtype == np.uint16:
            image = quantize(to_rgb(image))
        if image.ndim == 2:
            image = np.repeat(image[..., None], 3, axis=2)
        mask = read_mask(self.mask_path)
        self.check_sizes(image.shape[:2], mask.shape[:2])
        return image, mask

    def check_sizes(self, image: tuple[int, int], mask: tuple[int, int]) -> None:
        """Checks that photograph and mask have the same size, (H, W).

        Raises:
            InputError: They differ.
        """
        if image != mask:
            raise InputError(
                f"{self.mask_path} is {mask[1]}x{mask[0]} pixels and its photograph {image[1]}x{image[0]}; "
                "both must have the same size."
            )


def held_out(count: int) -> int:
    """Returns how many of `count` scenes are held out for validation.

    Raises:
        InputError: There would be none.
    """
    number = round(count * VALIDATION_SHARE)
    if number == 0:
        raise InputError(f"{count} scenes are too few to hold a tenth out for validation; at least 6 are needed.")
    return number
