"""Sharpness of the fused image alone: spatial frequency (Q_SF), average gradient (Q_AG), edge intensity (EI)."""

import cv2
import numpy as np

from metrics.checks import require_known
from metrics.color import to_gray
from metrics.metric import Metric

AG_VARIANTS = ("half", "replicated", "kumar", "central")
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
            "replicated" = mean over all M N pixels of what "half" takes, the last row and column repeated beyond the
            border;
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
    elif variant == "replicated":
        down = np.diff(gray, axis=0, append=gray[-1:])
        return _sum_of_magnitudes(np.diff(gray, axis=1, append=gray[:, -1:]), down, 2.0) / gray.size
    else:
        down, across = np.gradient(gray, axis=0), np.gradient(gray, axis=1)
    rows, columns = gray.shape
    return _sum_of_magnitudes(across, down, 2.0) / ((rows - 1) * (columns - 1))


def edge_intensity(fused: np.ndarray) -> float:
    """Computes the mean strength of the Sobel gradient ([1 2 1] x [-1 0 1]), the border repeated.

    Args:
        fused: `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes.

    Returns:
        Eight times gray levels a pixel; 0 for a constant image; larger is sharper.

    Raises:
        RefusedError: An image that `to_gray` refuses.

    Source: Rajalingam & Priya, "Hybrid multimodality medical image fusion technique for feature enhancement in medical
    diagnosis", International Journal of Engineering Science Invention 2, 2018, as in VIFB.
    """
    gray = to_gray(fused).astype(np.float64)
    across, down = (cv2.Sobel(gray, cv2.CV_64F, *order, borderType=cv2.BORDER_REPLICATE) for order in ((1, 0), (0, 1)))
    return _sum_of_magnitudes(across, down, 1.0) / gray.size


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
    Metric(
        "ei",
        "EI",
        "edge intensity",
        "Rajalingam & Priya 2018",
        variants=("sobel",),
        range=(0.0, 8 * _STEEPEST),
        score=lambda plane, _: edge_intensity(plane.fused),
    ),
)
"""The metrics of this family."""
