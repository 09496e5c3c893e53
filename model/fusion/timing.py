"""Times fusion: load time, time a pair, megapixels a second."""

import statistics
import sys
import time
from collections.abc import Callable

import cv2
import numpy as np

REPEATS = 5
"""Pairs that are timed; the median counts."""

LARGE = 4_000_000
"""Pixels above which one pair is enough."""

SIDE = 520
"""Side of the images where none are given: that of the Lytro data set."""


def benchmark(
    load: Callable[[], Callable[[np.ndarray, np.ndarray], np.ndarray]],
    near: np.ndarray | None = None,
    far: np.ndarray | None = None,
) -> dict[str, float]:
    """Times a fuser.

    Args:
        load: Loads the fuser.
        near: An image to fuse; None takes noise of 520x520, whose content does not change the time.
        far: The other.

    Returns:
        "load_seconds"; "first_seconds", the first pair, in which the graph is compiled; "pair_seconds", the median of
        further pairs (five, or one above 4 megapixels); "megapixels_per_second" of fused image; "height" and "width";
        "peak_gigabytes", the most memory that the process held; without it on Windows.
    """
    if near is None or far is None:
        near = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
        far = cv2.GaussianBlur(near, (0, 0), 2)
    started = time.perf_counter()
    fuser = load()
    loaded = time.perf_counter()
    fuser(near, far)
    first = time.perf_counter() - loaded
    times = []
    for _ in range(REPEATS if near.shape[0] * near.shape[1] <= LARGE else 1):
        before = time.perf_counter()
        fuser(near, far)
        times.append(time.perf_counter() - before)
    seconds = statistics.median(times)
    height, width = near.shape[:2]
    figures = {
        "load_seconds": loaded - started,
        "first_seconds": first,
        "pair_seconds": seconds,
        "megapixels_per_second": height * width / 1e6 / seconds,
        "height": height,
        "width": width,
    }
    peak = _peak_gigabytes()
    return figures if peak is None else figures | {"peak_gigabytes": peak}


def in_words(figures: dict[str, float]) -> str:
    """Returns the figures of `benchmark` in one line."""
    memory = f", {figures['peak_gigabytes']:.2f} GB at most" if "peak_gigabytes" in figures else ""
    return (
        f"load {figures['load_seconds']:.2f} s, first pair {figures['first_seconds']:.2f} s, "
        f"then {figures['pair_seconds']:.3f} s a pair of {figures['width']}x{figures['height']}, "
        f"{figures['megapixels_per_second']:.2f} megapixels/s{memory}"
    )


def _peak_gigabytes() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 * (1 if sys.platform == "darwin" else 1024)
