"""Information shared by the sources and the fused image: Q_MI, Tsallis' (Q_TE), and nonlinear correlation (Q_NCIE)."""

from collections.abc import Sequence

import numpy as np

from metrics.checks import require_comparable, require_known
from metrics.color import stretched, to_gray
from metrics.metric import Metric

MI_VARIANTS = ("qu", "hossny")
"""Published definitions, the default first; see `mutual_information`."""

TSALLIS_ORDERS = {"cvejic": 1.85, "nava": 0.43137}
"""Order of Tsallis' entropy in each published definition, the default first; see `tsallis_information`."""

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


def tsallis_information(sources: Sequence[np.ndarray], fused: np.ndarray, variant: str = "cvejic") -> float:
    """Computes the mutual information of the sources and the fused image by Tsallis' entropy; larger is better.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape; "nava" takes
            two. Each image is stretched to 0..255.
        fused: Fused image, of the same shape.
        variant: "cvejic" = the sum over the sources, of order 1.85; "nava" = of order q = 0.43137, that sum divided by
            H(A)^q + H(B)^q + I(A;B), with Shannon's entropies H.

    Returns:
        Any number: the published code exchanges the marginal probabilities (see `_tsallis`). NaN (undefined) for "nava"
        with more than two sources, and where these share and hold nothing.

    Raises:
        RefusedError: Unequal shapes, an image that `to_gray` refuses, or an unknown variant.

    Sources: Cvejic, Canagarajah & Bull, "Image fusion metric based on mutual information and Tsallis entropy",
    Electronics Letters 42(11), 2006; Nava, Cristobal & Escalante-Ramirez, "Mutual information improves image fusion
    quality assessments", SPIE Newsroom, 2007; both as in Z. Liu's implementation.
    """
    require_known("Q_TE variant", variant, TSALLIS_ORDERS)
    require_comparable(sources, fused)
    order = TSALLIS_ORDERS[variant]
    stretched = [_stretched_levels(to_gray(source)) for source in sources]
    result = _stretched_levels(to_gray(fused))
    shared = sum(_tsallis(one, result, order) for one in stretched)
    if variant == "cvejic":
        return shared
    if len(stretched) != 2:
        return float("nan")
    entropies = sum(histogram_entropy(np.bincount(one)) ** order for one in stretched)
    first, second = stretched
    whole = entropies + _tsallis(first, second, order)
    return shared / whole if whole else float("nan")


def _tsallis(one: np.ndarray, other: np.ndarray, order: float) -> float:
    """Computes (1 - sum p(x, y)^q / (p(y) p(x))^(q - 1)) / (1 - q) of two images' gray levels.

    As in the published code, the marginal probability of a level x of the first image is that of the same level in the
    second, and the reverse.
    """
    joint = np.bincount(one * _LEVELS + other, minlength=_LEVELS**2).reshape(_LEVELS, _LEVELS) / one.size
    product = joint.sum(0)[:, None] * joint.sum(1)
    where = product > 0
    ratio = joint[where] ** order / product[where] ** (order - 1)
    return float((1 - ratio.sum()) / (1 - order))


def gray_levels(gray: np.ndarray) -> np.ndarray:
    """Rounds the gray levels of all pixels for a histogram; (n,) intp."""
    rounded = gray if gray.dtype == np.uint8 else np.rint(gray)
    return rounded.ravel().astype(np.intp)


def _stretched_levels(gray: np.ndarray) -> np.ndarray:
    return gray_levels(stretched(gray))


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
        "q_te",
        "Q_TE",
        "mutual information by Tsallis' entropy",
        "Cvejic, Canagarajah & Bull 2006; Nava, Cristobal & Escalante-Ramirez 2007",
        variants=tuple(TSALLIS_ORDERS),
        range=(-float("inf"), float("inf")),
        score=lambda plane, variant: tsallis_information(plane.sources, plane.fused, variant),
        latex="$Q_{TE}$",
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
