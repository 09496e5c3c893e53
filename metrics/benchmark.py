"""Times the metrics on a synthetic pair: `python -m metrics.benchmark`."""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

import cv2
import numpy as np

from metrics.color import COLOR_MODES
from metrics.registry import METRICS, PAPER_METRICS
from metrics.scoring import Scorer, compute


def synthetic_pair(size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Draws a textured scene and two sources, which are sharp on opposite halves.

    Args:
        size: Side in pixels.

    Returns:
        near, far, fused: `(size, size, 3)` uint8 RGB each; the fused image is the sharp scene.
    """
    noise = np.random.default_rng(0).normal(size=(size, size, 3))
    texture = sum(cv2.GaussianBlur(noise, (0, 0), sigma) * sigma for sigma in (1.0, 4.0, 16.0))
    scene = np.clip(np.rint(128.0 + 60.0 * texture / texture.std()), 0, 255).astype(np.uint8)
    blurred = cv2.GaussianBlur(scene, (0, 0), 2.5)
    near, far = scene.copy(), scene.copy()
    near[:, size // 2 :] = blurred[:, size // 2 :]
    far[:, : size // 2] = blurred[:, : size // 2]
    return near, far, scene


def median_seconds(call: Callable[[], object], repeats: int) -> float:
    """Measures the median wall-clock time of `call`, in seconds, after one call that is not counted."""
    call()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the time of each metric alone and of the paper's five together; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m metrics.benchmark",
        description="Times the metrics on a synthetic pair.",
        epilog="example: python -m metrics.benchmark --size 1024 --color rgb",
    )
    parser.add_argument("--size", type=int, default=520, help="side of the images in pixels, at least 11 (%(default)s)")
    parser.add_argument(
        "--color", choices=COLOR_MODES, default=COLOR_MODES[0], help="compute on gray or on channels (%(default)s)"
    )
    parser.add_argument("--repeats", type=int, default=9, help="runs of which the median is taken (%(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.size < 11 or arguments.repeats < 1:
        parser.error(f"--size must be at least 11 and --repeats at least 1, got {arguments.size}, {arguments.repeats}")
    near, far, fused = synthetic_pair(arguments.size)
    for name, metric in METRICS.items():
        reference = near if metric.needs_reference else None
        call = partial(compute, name, near, far, fused, color=arguments.color, reference=reference)
        print(f"{metric.symbol:<10} {median_seconds(call, arguments.repeats) * 1e3:8.1f} ms")
    seconds = median_seconds(
        lambda: Scorer((near, far), color=arguments.color).score(fused, PAPER_METRICS), arguments.repeats
    )
    print(f"all five   {seconds * 1e3:8.1f} ms   {arguments.size} x {arguments.size} RGB, {arguments.color}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
