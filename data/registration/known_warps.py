"""Warps that were measured before, as a report holds them."""

import os
from dataclasses import dataclass

import numpy as np

from data.io.files import read_json
from data.runtime.errors import InputError


@dataclass(frozen=True)
class KnownWarps:
    """Warps as a report of `PreparedFrames.describe` holds them.

    Attributes:
        reference: Index of the frame on which the others are laid.
        warps: For each frame (3, 3) float64, (x, y, 1) of the reference to its own; None: left out.
    """

    reference: int
    warps: tuple[np.ndarray | None, ...]

    @classmethod
    def read(cls, path: str | os.PathLike) -> "KnownWarps":
        """Reads the warps of the one scene of a report (`fuse.py --json FILE`).

        Raises:
            InputError: It is no such report, or holds several scenes or none with warps.
        """
        wrong = InputError(f"{path} holds no warps of one scene, as fuse.py STACK -o RESULT --json FILE writes them.")
        content = read_json(path)
        try:
            (scene,) = content.get("results", [content])
            warps = tuple(None if one is None else np.array(one, np.float64) for one in scene["warps"])
            reference = int(scene["reference"])
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise wrong from error
        shapes = {None if one is None else one.shape for one in warps} - {None}
        finite = all(one is None or np.isfinite(one).all() for one in warps)
        if shapes != {(3, 3)} or not finite or not 0 <= reference < len(warps) or warps[reference] is None:
            raise wrong
        return cls(reference, warps)
