"""Mutual information between the sources and their fusion (Q_MI)."""

import numpy as np

from metrics.checks import require_equal_shapes, require_known
from metrics.color import to_gray
from metrics.metric import Metric

MI_VARIANTS = ("qu", "hossny")
"""Published definitions, the default first; see `mutual_information`."""

_LEVELS = 256
"""Bins of a histogram."""


def mutual_information(near: np.ndarray, far: np.ndarray, fused: np.ndarray, variant: str = "qu") -> float:
    """Information that the fused image shares with its sources; larger is better.

    Args:
        near: One source, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes; other levels than integers are
            rounded for the 256 bins of the histograms.
        far: The other source, of the same shape.
        fused: Fused image, of the same shape.
        variant: "qu" = I(A;F) + I(B;F); "hossny" = 2 [I(A;F) / (H(A) + H(F)) + I(B;F) / (H(B) + H(F))] after each
            image has been stretched to 0..255.

    Returns:
        "qu": bits, 0..16; a constant image shares 0 bits. "hossny": 0..2, and NaN (undefined, 0/0) where the fused
        image and a source are both constant.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Sources: Qu, Zhang & Yan, Electronics Letters 38(7), 2002; Hossny, Nahavandi & Creighton, Electronics Letters
    44(18), 2008.
    """
    require_known("MI variant", variant, MI_VARIANTS)
    require_equal_shapes(near=near, far=far, fused=fused)
    to_levels = _stretched_levels if variant == "hossny" else _levels
    near_levels, far_levels, fused_levels = (to_levels(to_gray(image)) for image in (near, far, fused))
    fused_entropy = _entropy(np.bincount(fused_levels))
    score = 0.0
    for source_levels in (near_levels, far_levels):
        source_entropy = _entropy(np.bincount(source_levels))
        joint_entropy = _entropy(np.bincount(source_levels * _LEVELS + fused_levels))
        # Rounding can leave an independent pair at -1e-16.
        shared = max(0.0, source_entropy + fused_entropy - joint_entropy)
        if variant == "hossny":
            entropies = source_entropy + fused_entropy
            shared = 2.0 * shared / entropies if entropies > 0.0 else float("nan")
        score += shared
    return score


def _levels(gray: np.ndarray) -> np.ndarray:
    rounded = gray if gray.dtype == np.uint8 else np.rint(gray)
    return rounded.ravel().astype(np.intp)


def _stretched_levels(gray: np.ndarray) -> np.ndarray:
    low, high = float(gray.min()), float(gray.max())
    if high == low:
        return np.zeros(gray.size, np.intp)
    return _levels((gray - low) * ((_LEVELS - 1) / (high - low)))


def _entropy(counts: np.ndarray) -> float:
    """Entropy in bits of a histogram of counts, int64."""
    occupied = counts[counts > 0].astype(np.float64)
    total = occupied.sum()
    return float(np.log2(total) - (occupied * np.log2(occupied)).sum() / total)


METRICS = (
    Metric(
        "q_mi",
        "Q_MI",
        "$Q_{MI}$",
        "mutual information",
        "Qu, Zhang & Yan 2002; Hossny, Nahavandi & Creighton 2008",
        variants=MI_VARIANTS,
        range=(0.0, 16.0),
        score=lambda plane, variant: mutual_information(plane.near, plane.far, plane.fused, variant),
    ),
)
"""The metrics of this family."""
