"""Sharpness of the fused image alone: spatial frequency (Q_SF) and average gradient (Q_AG)."""

import numpy as np

from metrics.checks import require_known
from metrics.color import to_gray
from metrics.metric import Metric

AG_VARIANTS = ("half", "kumar", "central")
"""Published definitions, the default first; see `average_gradient`."""


def spatial_frequency(fused: np.ndarray) -> float:
    """Computes sqrt(RF^2 + CF^2), from the squared first differences along rows and along columns.

    The sums of both are divided by the number of all pixels, M N.

    Args:
        fused: `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.

    Returns:
        Gray levels, 0..361 (255 sqrt 2); 0 for a constant image; larger is sharper.

    Raises:
        RefusedError: An image that `to_gray` refuses.

    Source: Eskicioglu & Fisher, "Image quality measures and their performance", IEEE Transactions on Communications
    43(12), 1995.
    """
    gray = to_gray(fused).astype(np.float64)
    along_rows = np.diff(gray, axis=1)
    along_columns = np.diff(gray, axis=0)
    # No dot product: while other processes use the cores, its threads made this six times slower.
    return float(np.sqrt((np.square(along_rows).sum() + np.square(along_columns).sum()) / gray.size))


def average_gradient(fused: np.ndarray, variant: str = "half") -> float:
    """Computes the mean gradient strength.

    Args:
        fused: `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.
        variant: "half" = mean of sqrt((dx^2 + dy^2) / 2) over the (M-1)(N-1) pixels that have both forward differences;
            "kumar" = mean of sqrt(dx^2 + dy^2) over all M N pixels, differences wrapping around the border (as
            B. K. Shreyamsha Kumar's evaluation routine does);
            "central" = sum of sqrt((dx^2 + dy^2) / 2) over all pixels, with central differences (one-sided at the
            border, as MATLAB's `gradient`), divided by (M-1)(N-1).

    Returns:
        Gray levels, 0..361; 0 for a constant image; larger is sharper.

    Raises:
        RefusedError: An image that `to_gray` refuses, or an unknown variant.

    Source: Cui, Feng, Xu, Li & Chen, "Detail preserved fusion of visible and infrared images using regional saliency
    extraction and multi-scale image decomposition", Optics Communications 341, 2015 ("half").
    """
    require_known("AG variant", variant, AG_VARIANTS)
    gray = to_gray(fused).astype(np.float64)
    if variant == "kumar":
        return _sum_of_magnitudes(np.roll(gray, -1, axis=1) - gray, np.roll(gray, -1, axis=0) - gray, 1.0) / gray.size
    if variant == "half":
        corner = gray[:-1, :-1]
        across, down = gray[:-1, 1:] - corner, gray[1:, :-1] - corner
    else:
        down, across = np.gradient(gray, axis=0), np.gradient(gray, axis=1)
    rows, columns = gray.shape
    return _sum_of_magnitudes(across, down, 2.0) / ((rows - 1) * (columns - 1))


def _sum_of_magnitudes(across: np.ndarray, down: np.ndarray, divisor: float) -> float:
    across *= across
    down *= down
    across += down
    across /= divisor
    return float(np.sqrt(across, out=across).sum())


_STEEPEST = 255.0 * 2.0**0.5
"""Largest gradient: from black to white in both directions."""

METRICS = (
    Metric(
        "q_sf",
        "Q_SF",
        "spatial frequency",
        "Eskicioglu & Fisher 1995",
        variants=("eskicioglu",),
        range=(0.0, _STEEPEST),
        score=lambda plane, _: spatial_frequency(plane.fused),
        latex="$Q_{SF}$",
    ),
    Metric(
        "q_ag",
        "Q_AG",
        "average gradient",
        "Cui et al. 2015",
        variants=AG_VARIANTS,
        range=(0.0, _STEEPEST),
        score=lambda plane, variant: average_gradient(plane.fused, variant),
        latex="$Q_{AG}$",
    ),
)
"""The metrics of this family."""
