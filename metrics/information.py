"""Information shared by the sources and the fused image: Q_MI, and nonlinear correlation (Q_NCIE)."""

from collections.abc import Sequence

import numpy as np

from metrics.checks import require_comparable, require_known
from metrics.color import to_gray
from metrics.metric import Metric

MI_VARIANTS = ("qu", "hossny")
"""Published definitions, the default first; see `mutual_information`."""

_LEVELS = 256
"""Bins of a histogram."""


def mutual_information(sources: Sequence[np.ndarray], fused: np.ndarray, variant: str = "qu") -> float:
    """Computes the information that the fused image shares with its sources; larger is better.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape; gray levels
            are rounded to the 256 bins of the histograms.
        fused: Fused image, of the same shape.
        variant: "qu" = I(A;F) + I(B;F); "hossny" = 2 [I(A;F) / (H(A) + H(F)) + I(B;F) / (H(B) + H(F))] after each
            image has been stretched to 0..255. With more sources the sum runs over all of them.

    Returns:
        "qu": bits, 0..8 for each source; a constant image shares 0 bits. "hossny": 0..1 for each source, and NaN
        (undefined, 0/0) where the fused image and a source are both constant.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Sources: Qu, Zhang & Yan, Electronics Letters 38(7), 2002; Hossny, Nahavandi & Creighton, Electronics Letters
    44(18), 2008.
    """
    require_known("MI variant", variant, MI_VARIANTS)
    require_comparable(sources, fused)
    quantize = _stretched_levels if variant == "hossny" else gray_levels
    fused_levels = quantize(to_gray(fused))
    fused_entropy = histogram_entropy(np.bincount(fused_levels))
    score = 0.0
    for source in sources:
        source_levels = quantize(to_gray(source))
        source_entropy = histogram_entropy(np.bincount(source_levels))
        joint_entropy = histogram_entropy(np.bincount(source_levels * _LEVELS + fused_levels))
        # Rounding can leave an independent pair at -1e-16.
        shared = max(0.0, source_entropy + fused_entropy - joint_entropy)
        if variant == "hossny":
            entropies = source_entropy + fused_entropy
            shared = 2.0 * shared / entropies if entropies > 0.0 else float("nan")
        score += shared
    return score


def nonlinear_correlation(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Computes the nonlinear correlation information entropy of the sources and the fused image.

    The elements of the correlation matrix are the mutual information of each two images, stretched to 0..255, divided
    by log2(256); the more its eigenvalues differ, the more all images have in common.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape.

    Returns:
        0..1; about 0.8 for two sources that share nothing; larger is better.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Wang, Shen & Jin, "Performance evaluation of image fusion techniques", in Stathaki (ed.), Image Fusion:
    Algorithms and Applications, 2008, chapter 19.
    """
    require_comparable(sources, fused)
    stretched = [_stretched_levels(to_gray(image)) for image in (*sources, fused)]
    entropies = [histogram_entropy(np.bincount(one)) for one in stretched]
    count = len(stretched)
    matrix = np.eye(count)
    for row in range(count):
        for column in range(row):
            joint = histogram_entropy(np.bincount(stretched[row] * _LEVELS + stretched[column]))
            shared = (entropies[row] + entropies[column] - joint) / np.log2(_LEVELS)
            matrix[row, column] = matrix[column, row] = shared
    shares = np.clip(np.linalg.eigvalsh(matrix) / count, 0, None)
    occupied = shares[shares > 0]
    return float(1 + (occupied * np.log2(occupied)).sum() / np.log2(_LEVELS))


def gray_levels(gray: np.ndarray) -> np.ndarray:
    """Rounds the gray levels of all pixels for a histogram; (n,) intp."""
    rounded = gray if gray.dtype == np.uint8 else np.rint(gray)
    return rounded.ravel().astype(np.intp)


def _stretched_levels(gray: np.ndarray) -> np.ndarray:
    low, high = float(gray.min()), float(gray.max())
    if high == low:
        return np.zeros(gray.size, np.intp)
    return gray_levels((gray - low) * ((_LEVELS - 1) / (high - low)))


def histogram_entropy(counts: np.ndarray) -> float:
    """Computes the entropy in bits of a histogram, integer counts."""
    occupied = counts[counts > 0].astype(np.float64)
    total = occupied.sum()
    return float(np.log2(total) - (occupied * np.log2(occupied)).sum() / total)


METRICS = (
    Metric(
        "q_mi",
        "Q_MI",
        "mutual information",
        "Qu, Zhang & Yan 2002; Hossny, Nahavandi & Creighton 2008",
        variants=MI_VARIANTS,
        range=(0.0, 16.0),
        score=lambda plane, variant: mutual_information(plane.sources, plane.fused, variant),
        latex="$Q_{MI}$",
    ),
    Metric(
        "q_ncie",
        "Q_NCIE",
        "nonlinear correlation",
        "Wang, Shen & Jin 2008",
        variants=("liu",),
        range=(0.0, 1.0),
        score=lambda plane, _: nonlinear_correlation(plane.sources, plane.fused),
        latex="$Q_{NCIE}$",
    ),
)
"""The metrics of this family."""
