"""Statistics of the fused image alone: entropy and standard deviation of its gray levels."""

import numpy as np

from metrics.color import to_gray
from metrics.information import gray_levels, histogram_entropy
from metrics.metric import Metric

_BITS = 8.0
"""Bits of a gray level: the largest entropy."""


def entropy(fused: np.ndarray) -> float:
    """Computes Shannon's entropy of the gray levels, rounded to 256.

    Args:
        fused: Image, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.

    Returns:
        Bits, 0 (a single level) to 8 (all levels equally frequent); larger is richer.

    Raises:
        RefusedError: An image that `to_gray` refuses.

    Source: Roberts, van Aardt & Ahmed, Journal of Applied Remote Sensing 2, 2008.
    """
    return histogram_entropy(np.bincount(gray_levels(to_gray(fused))))


def standard_deviation(fused: np.ndarray) -> float:
    """Computes the standard deviation of the gray levels over all pixels.

    Args:
        fused: Image, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.

    Returns:
        Gray levels, 0..127.5; larger means more contrast.

    Raises:
        RefusedError: An image that `to_gray` refuses.

    Source: Rao, Measurement Science and Technology 8(4), 1997.
    """
    return float(to_gray(fused).astype(np.float64).std())


METRICS = (
    Metric(
        "en",
        "EN",
        "entropy",
        "Roberts, van Aardt & Ahmed 2008",
        variants=("shannon",),
        range=(0.0, _BITS),
        score=lambda plane, _: entropy(plane.fused),
    ),
    Metric(
        "sd",
        "SD",
        "standard deviation",
        "Rao 1997",
        variants=("population",),
        range=(0.0, 127.5),
        score=lambda plane, _: standard_deviation(plane.fused),
    ),
)
"""The metrics of this family."""
