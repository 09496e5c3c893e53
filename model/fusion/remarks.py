"""Sentences on prepared frames: which are left out and why, what motion was found, and what could not be matched."""

from collections.abc import Sequence

from data.registration.alignment import OTHER_SCENE
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError


def remarks_on(images: PreparedFrames, names: Sequence[str], strict: bool) -> tuple[str, ...]:
    """Says what aligning frames and matching their brightness showed.

    Args:
        images: The frames.
        names: What remarks call them.
        strict: Whether a frame that is left out is an error.

    Returns:
        One sentence each, of frames that were left out, motion, and brightness.

    Raises:
        InputError: if strict, of the first frame that is left out, or where nothing matches.
    """
    unmatched = tuple(
        f"the brightness of {names[number]} could not be matched to the others; its borders may show"
        for number in images.unmatched
    )
    if images.alignment is None:
        return unmatched
    reasons = images.alignment.left_out
    others = [index for index, reason in reasons.items() if reason == OTHER_SCENE]
    left_out = [f"{names[index]} {reason}" for index, reason in reasons.items() if index not in others]
    if left_out and strict:
        raise InputError(f"{left_out[0]}; without --strict it is left out.")
    if others and strict:
        raise InputError(f"{_span(others, names)} another scene; give each scene a folder of its own.")
    if strict and not images.matched:
        raise InputError("the images do not match each other: do they show one scene?")
    scenes = [
        f"{_span(run, names)} another scene, and {'is' if len(run) == 1 else 'are'} left out; give each scene a folder "
        "of its own, or divide the folder with --split"
        for run in _runs(others)
    ]
    return (*(f"{text}, and is left out" for text in left_out), *scenes, *images.alignment.remarks, *unmatched)


def _runs(indices: Sequence[int]) -> list[list[int]]:
    """Groups numbers that follow each other."""
    runs: list[list[int]] = []
    for index in indices:
        if runs and index == runs[-1][-1] + 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    return runs


def _span(run: Sequence[int], names: Sequence[str]) -> str:
    """Names frames that follow each other, with the verb."""
    return f"{names[run[0]]} shows" if len(run) == 1 else f"{names[run[0]]} to {names[run[-1]]} show"
