"""Shows what each metric rewards: the scores of better and worse results of a rendered pair whose truth is known."""

import argparse

import cv2
import numpy as np

from data.imaging.pixels import quantize
from data.runtime.arguments import add_shared
from metrics import METRICS, compute_all
from model.measurements.output import print_figures, with_progress

SHARPENING, SHARPENING_SIGMA = 1.5, 1.5
"""Strength of the unsharp mask, and standard deviation in pixels of its Gaussian."""

NOISE = 5.0
"""Gray levels: standard deviation of the noise that is added."""

BLUR = 1.0
"""Pixels: standard deviation of the Gaussian that blurs the truth."""

EXAMPLES = """example:
  python -m model.measurements rewards"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describes the command line."""
    add_shared(parser, "--quiet", "--json")


def results(truth: np.ndarray, near: np.ndarray, far: np.ndarray) -> dict[str, np.ndarray]:
    """Returns results by name, of the type and shape of the truth, (H, W, 3) uint8."""
    exact = truth.astype(np.float32)
    smooth = cv2.GaussianBlur(exact, (0, 0), SHARPENING_SIGMA)
    noise = np.random.default_rng(0).normal(0, NOISE, truth.shape)
    return {
        "truth": truth,
        "sharpened truth": quantize(exact + SHARPENING * (exact - smooth)),
        "truth with noise": quantize(exact + noise),
        "blurred truth": quantize(cv2.GaussianBlur(exact, (0, 0), BLUR)),
        "mean of the sources": quantize((near.astype(np.float32) + far) / 2),
        "first source": near,
    }


def run(arguments: argparse.Namespace) -> int:
    """Runs the command; returns the exit code."""
    from data.demo import rendered_scene  # builds a scene

    scene = rendered_scene()
    near, far = scene.photographs()
    shown = results(quantize(scene.image), near, far)
    scores = {
        name: compute_all(near, far, result) for name, result in with_progress(list(shown.items()), arguments, "result")
    }
    rows = []
    for name in next(iter(scores.values())):
        metric = METRICS[name]
        values = {result: scores[result][name] for result in scores}
        best = (max if metric.larger_is_better else min)(values, key=values.__getitem__)
        cells = (f"{value:.4g}" for value in values.values())
        rows.append((f"{metric.symbol} {metric.variants[0]} {metric.arrow}", *cells, best))
    return print_figures(arguments, ("metric", *scores, "best"), rows, scores)
