"""Structural similarity of a fused image with its sources: Yang's Q_Y, and SSIM at several scales."""

from collections.abc import Sequence
from functools import partial

import cv2
import numpy as np

from metrics.checks import require_equal_shapes, require_equal_sources
from metrics.color import to_gray
from metrics.metric import Metric
from metrics.windows import gaussian_window, inside, moments, similarity

_SIMILAR = 0.75
"""SSIM of two sources from which both count where they are alike; below it the better one does."""

_TINY = 2e-16
"""Keeps Q_Y's quotients finite."""

_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of MS-SSIM, from the finest scale to the coarsest."""

_SMALLEST = 176
"""Least side in pixels for five scales with a window of 11."""


def yang(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Yang's similarity with the source that a place should come from.

    In windows of 7 x 7 (Gaussian, standard deviation 1.5): where the sources are alike (SSIM of any two at least 0.75)
    the SSIM with each, weighted by the sources' variances; elsewhere the best of them.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape. The paper has
            two.
        fused: Fused image, of the same shape, at least 11 x 11.

    Returns:
        -1..1, 1 where it equals its sources; larger is better. NaN (undefined) for fewer pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Yang, Zhang, Wang & Liu, "A novel similarity based quality metric for image fusion", Information Fusion
    9(2), 2008; constants as in Z. Liu's implementation (2e-16 in place of SSIM's).
    """
    planes, result = _planes(sources, fused)
    if min(result.shape) < 11:
        return float("nan")
    weigh = partial(inside, window=gaussian_window(7, 1.5))
    with_fused = [similarity(moments(plane, result, weigh), _TINY, _TINY) for plane in planes]
    variances = [weigh(plane * plane) - weigh(plane) ** 2 for plane in planes]
    total = sum(variances)
    # Where no source has any variance, each counts alike.
    shares = [np.divide(one, total, out=np.full_like(one, 1 / len(planes)), where=total != 0) for one in variances]
    together = sum(share * local for share, local in zip(shares, with_fused, strict=True))
    pairs = [(one, other) for number, one in enumerate(planes) for other in planes[number + 1 :]]
    alike = np.minimum.reduce([similarity(moments(*pair, weigh), _TINY, _TINY) for pair in pairs]) >= _SIMILAR
    return float(np.where(alike, together, np.maximum.reduce(with_fused)).mean())


def multi_scale_ssim(sources: Sequence[np.ndarray], fused: np.ndarray) -> float:
    """Mean over the sources of the structural similarity at five scales.

    Args:
        sources: Two or more, `(H, W)` or `(H, W, 3)`, of a type that `to_gray` takes and of one shape.
        fused: Fused image, of the same shape.

    Returns:
        0..1, 1 where it equals all sources; larger is better. NaN (undefined) for sides of less than 176 pixels.

    Raises:
        RefusedError: Unequal shapes, or an image that `to_gray` refuses.

    Source: Wang, Simoncelli & Bovik, "Multiscale structural similarity for image quality assessment", Asilomar
    Conference 2003; negative structure at a scale counts as none.
    """
    planes, result = _planes(sources, fused)
    if min(result.shape) < _SMALLEST:
        return float("nan")
    return float(np.mean([_at_scales(plane, result) for plane in planes]))


def _at_scales(one, other):
    weigh = partial(inside, window=gaussian_window(11, 1.5))
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    product = 1.0
    for number, weight in enumerate(_SCALE_WEIGHTS, start=1):
        last = number == len(_SCALE_WEIGHTS)
        local = moments(one, other, weigh)
        structure = (2 * local[4] + c2) / (local[1] + local[3] + c2)
        shown = similarity(local, c1, c2) if last else structure
        product *= max(0.0, float(shown.mean())) ** weight
        if not last:
            one, other = _halved(one), _halved(other)
    return product


def _halved(plane):
    """Means of two by two pixels; the last of an odd number is left out, where TensorFlow's `ssim_multiscale` doubles
    it."""
    height, width = (side - side % 2 for side in plane.shape)
    return cv2.resize(plane[:height, :width], (width // 2, height // 2), interpolation=cv2.INTER_AREA)


def _planes(sources, fused):
    require_equal_sources(sources)
    require_equal_shapes(source=sources[0], fused=fused)
    return [to_gray(source).astype(np.float64) for source in sources], to_gray(fused).astype(np.float64)


METRICS = (
    Metric(
        "q_y",
        "Q_Y",
        "$Q_{Y}$",
        "similarity by Yang",
        "Yang et al. 2008",
        variants=("liu",),
        range=(-1.0, 1.0),
        score=lambda plane, _: yang(plane.sources, plane.fused),
    ),
    Metric(
        "ms_ssim",
        "MS-SSIM",
        "MS-SSIM",
        "structural similarity with the sources at five scales",
        "Wang, Simoncelli & Bovik 2003",
        variants=("mean",),
        range=(0.0, 1.0),
        score=lambda plane, _: multi_scale_ssim(plane.sources, plane.fused),
    ),
)
"""The metrics of this family."""
