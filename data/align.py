"""Photographs that do not lie on each other: noticed, and on request registered and matched in exposure.

The paper assumes registered sources, so nothing here runs unasked but the notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.errors import InputError
from data.pixels import quantize, to_gray

MODES = ("none", "ecc", "homography")
"""What can be done before fusion; see `register`."""

LONGEST_SIDE = 1024
"""Motion is estimated on images reduced to so many pixels; an affine or projective motion scales."""

LEAST_CORRELATION = 0.8
"""Of the registered images, smoothed: below it the result is refused."""

SMOOTHING = 2.0
"""Standard deviation in pixels: so far apart in sharpness, two photographs of one thing are compared smoothed."""

NOTICED_SHIFT = 1.5
"""Pixels from which a shift is said."""


@dataclass(frozen=True)
class Registration:
    """One image laid on another.

    Attributes:
        image: In the reference's frame; what it does not show is the reference's own.
        warp: (3, 3) float64, reference coordinates (x, y, 1) to those of the image.
        correlation: Of both, smoothed and gray, where both are known.
        covered: Share of the reference's frame that the image shows.
    """

    image: np.ndarray
    warp: np.ndarray
    correlation: float
    covered: float


def register(reference: np.ndarray, image: np.ndarray, mode: str) -> Registration:
    """Lays an image on another.

    Args:
        reference: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        image: The same shape and type.
        mode: "ecc" maximizes the correlation over affine motions (small ones; Evangelidis & Psarakis, IEEE TPAMI
            30(10), 2008); "homography" matches features and fits a projective motion (also large ones).

    Raises:
        InputError: if no motion is found, or the images do not fit on each other with it.
    """
    scale = min(1.0, LONGEST_SIDE / max(reference.shape[:2]))
    small = [_reduce_to_gray(view, scale) for view in (reference, image)]
    find = {"ecc": _find_affine, "homography": _find_homography}[mode]
    warp = find(*small)
    # Pixel centers are half a pixel from the corner, so scaling moves them as well.
    grow = np.array([[1 / scale, 0, (1 / scale - 1) / 2], [0, 1 / scale, (1 / scale - 1) / 2], [0, 0, 1]])
    warp = grow @ warp @ np.linalg.inv(grow)
    height, width = reference.shape[:2]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpPerspective(image, warp, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    known = np.full((height, width), 255, np.uint8)
    known = cv2.warpPerspective(known, warp, (width, height), flags=flags, borderValue=0) == 255
    covered = float(known.mean())
    if covered < 0.5:
        raise InputError(f"the images cannot be aligned: only {covered:.0%} of one would lie on the other.")
    moved = np.where(known if image.ndim == 2 else known[..., None], moved, reference)
    views = [
        cv2.GaussianBlur(_reduce_to_gray(view, 1.0), (0, 0), SMOOTHING / scale)[known] for view in (reference, moved)
    ]
    correlation = float(np.corrcoef(*views)[0, 1])
    if not correlation >= LEAST_CORRELATION:
        raise InputError(f"the images cannot be aligned: their correlation is {correlation:.2f} after {mode}.")
    return Registration(np.ascontiguousarray(moved), warp, correlation, covered)


def align_images(images: Sequence[np.ndarray], mode: str) -> tuple[list[np.ndarray], list[Registration]]:
    """Lays all images on the first; see `register`.

    Args:
        images: Two or more.
        mode: One of `MODES`; "none" leaves them as they are.

    Returns:
        The images in the first one's frame, and how each after the first came there; none with "none".

    Raises:
        InputError: if one does not fit on the first.
    """
    first, *others = images
    if mode == "none":
        return [first, *others], []
    found = [register(first, image, mode) for image in others]
    return [first, *(one.image for one in found)], found


def estimate_shift(reference: np.ndarray, image: np.ndarray) -> tuple[float, float] | None:
    """Estimates by how much an image is shifted against another, by the best correlation.

    Args:
        reference: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        image: The same shape and type.

    Returns:
        (x, y) in pixels, or None where the images do not tell.
    """
    scale = min(1.0, LONGEST_SIDE / 2 / max(reference.shape[:2]))
    small = [_reduce_to_gray(view, scale) for view in (reference, image)]
    try:
        warp = _maximize_correlation(*small, cv2.MOTION_TRANSLATION)
    except cv2.error:
        return None
    return float(warp[0, 2]) / scale, float(warp[1, 2]) / scale


def notice_shift(images: Sequence[np.ndarray]) -> str | None:
    """A sentence about images that are shifted against the first, or None."""
    for number, image in enumerate(images[1:], start=2):
        shift = estimate_shift(images[0], image)
        if shift is not None and np.hypot(*shift) >= NOTICED_SHIFT:
            x, y = shift
            return f"image {number} seems shifted by ({x:.1f}, {y:.1f}) pixels against the first; see --align"
    return None


def match_exposure(reference: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Gives an image the brightness and contrast of another, channel by channel.

    Both are averaged over windows far wider than any defocus, so that sharpness does not matter.

    Args:
        reference: (H, W, 3) RGB or (H, W) gray, uint8 or uint16.
        image: The same shape and type.
    """
    side = max(3, min(reference.shape[:2]) // 8)
    wide = (cv2.blur(view.astype(np.float32), (side, side)) for view in (reference, image))
    (target, target_spread), (mean, spread) = ((view.mean((0, 1)), view.std((0, 1))) for view in wide)
    gain = np.where(spread > 1e-3, target_spread / np.maximum(spread, 1e-3), 1)
    return quantize((image - mean) * gain + target, image.dtype)


def _reduce_to_gray(image, scale):
    gray = to_gray(image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max))
    if scale == 1:
        return gray
    if min(gray.shape) * scale < 1:  # thinner than a pixel: OpenCV refuses to make a picture of no rows
        size = tuple(max(1, round(side * scale)) for side in gray.shape[::-1])
        return cv2.resize(gray, size, interpolation=cv2.INTER_AREA)
    return cv2.resize(gray, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)


def _maximize_correlation(reference, image, motion):
    """(2, 3) float32; raises cv2.error where it does not converge."""
    smooth = [cv2.GaussianBlur(view, (0, 0), SMOOTHING) for view in (reference, image)]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 200, 1e-6)
    return cv2.findTransformECC(*smooth, np.eye(2, 3, dtype=np.float32), motion, criteria, None, 5)[1]


def _find_affine(reference, image):
    try:
        warp = _maximize_correlation(reference, image, cv2.MOTION_AFFINE)
    except cv2.error as error:
        raise InputError("the images cannot be aligned: ecc does not converge; try --align homography.") from error
    return np.vstack([warp, [0, 0, 1]]).astype(np.float64)


def _find_homography(reference, image):
    detector = cv2.SIFT_create(4000)
    features = [detector.detectAndCompute(np.rint(255 * view).astype(np.uint8), None) for view in (reference, image)]
    if any(descriptors is None or len(points) < 8 for points, descriptors in features):
        raise InputError("the images cannot be aligned: they have too few features.")
    (points, descriptors), (other_points, other_descriptors) = features
    matches = cv2.BFMatcher().knnMatch(descriptors, other_descriptors, k=2)
    clear = [pair[0] for pair in matches if len(pair) == 2 and pair[0].distance < 0.75 * pair[1].distance]
    if len(clear) < 8:
        raise InputError(f"the images cannot be aligned: only {len(clear)} features match.")
    sources = np.float32([points[match.queryIdx].pt for match in clear])
    targets = np.float32([other_points[match.trainIdx].pt for match in clear])
    warp, inliers = cv2.findHomography(sources, targets, cv2.RANSAC, 2.0)
    if warp is None or int(inliers.sum()) < 8:
        raise InputError("the images cannot be aligned: no motion explains the features.")
    return warp
