"""The focus volume of a stack: how sharp each pixel of each frame is, all frames side by side.

The energy of the gradient at three scales, of gray and of color, tells where a frame is sharp; its logarithm is
averaged near and wide around each pixel, and each slice of the volume is smoothed by a guided filter whose guide is
sharp everywhere, so that evidence does not cross the edges of things. No comparison of two frames is final then: a
frame far below the sharpest at a place is not plausible there, whatever a network says.

Sources: the filter is that of He, Sun & Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013; the guide takes the
strongest coefficients of a Laplacian pyramid: Adelson et al., "Pyramid methods in image processing", RCA Engineer
29(6), 1984.
"""

import cv2
import numpy as np

from data.imaging.pixels import to_gray

SCALES = (1, 2, 4)
"""Pixels: the scales of the gradient."""

NEAR = 1.5
"""Standard deviation, in units of the scale, of the Gaussian that averages the energy."""

RAMP = 151
"""Side in pixels of the window whose mean gradient is no evidence: wide blur of something dark or bright is a ramp."""

WIDE, WIDE_WEIGHT = 6.0, 0.5
"""Standard deviation in pixels of the Gaussian of the wide average, and the weight of its logarithm."""

NOISE = 2.0
"""Energy, in squared gray levels a pixel, that counts for nothing."""

RADIUS, SMOOTHNESS = 4, 30.0
"""Of the guided filter: pixels, and squared gray levels."""

TOLERANCE = 0.8
"""How far below the sharpest frame, in the logarithm of the energy, a frame is still plausible; chosen on real and
rendered stacks (docs/stacks.md)."""

COLOR = 0.6, 0.1
"""Weight of the energy of red and of blue, each less the gray level: edges between colors that are equally bright."""

COLOR_NOISE = 4.0
"""Like `NOISE`, of each color after weighting: photographs store color coarser than brightness."""

ABSENT = -100.0
"""Evidence where a frame shows nothing."""

GUIDE_LEVELS = 6
"""Levels of the pyramid of the guide."""


class FocusVolume:
    """Evidence of sharpness of all frames, (N, h, w) float16: 2 N h w bytes.

    Args:
        count: Frames.
        shape: (h, w).

    Attributes:
        evidence: The logarithm of the energy of each frame; complete after `finish`.
        sharpest: (h, w) float32, the largest of each pixel.
    """

    def __init__(self, count: int, shape: tuple[int, int]):
        self.evidence = np.empty((count, *shape), np.float16)
        self.sharpest = np.full(shape, ABSENT, np.float32)
        self._guide = _SharpGuide()
        self._covered: list[np.ndarray | None] = []
        self._undecided = np.zeros(shape, bool)

    def add(self, image: np.ndarray, covered: np.ndarray | None = None) -> None:
        """Adds the next frame.

        Args:
            image: (h, w, 3) RGB or (h, w) gray, float32 levels of 0..255.
            covered: (h, w) bool, where it shows something; None: everywhere.
        """
        gray = to_gray(image)
        self.evidence[len(self._covered)] = _evidence(image, gray)
        self._guide.add(gray)
        self._covered.append(covered)

    def finish(self, undecided: np.ndarray | None = None) -> "FocusVolume":
        """Smooths the slices, after the last frame.

        Args:
            undecided: (H, W) bool, of this size or larger, where the energy tells nothing: every frame is plausible;
                None: nowhere.
        """
        if undecided is not None:
            self._undecided = _resized(undecided, self.sharpest.shape)
        smooth = _GuidedFilter(self._guide.image())
        for evidence, covered in zip(self.evidence, self._covered, strict=True):
            smoothed = smooth(evidence.astype(np.float32))
            if covered is not None:
                smoothed[~covered] = ABSENT
            evidence[:] = smoothed
            np.maximum(self.sharpest, evidence, out=self.sharpest)
        return self

    def plausible(self, index: int, shape: tuple[int, int]) -> np.ndarray:
        """Returns where a frame may be the sharpest, bool, resized to a shape (H, W)."""
        return _resized((self.evidence[index] >= self.sharpest - TOLERANCE) | self._undecided, shape)

    def correct(self, decision_map: np.ndarray) -> None:
        """Gives pixels whose source is not plausible to the frame with the most evidence.

        Args:
            decision_map: (H, W), of the volume's size or larger; changed in place.
        """
        size = decision_map.shape[1::-1]
        most = np.full(decision_map.shape, -np.inf, np.float32)
        taken, best = most.copy(), np.zeros_like(decision_map)
        for index, evidence in enumerate(self.evidence):
            values = cv2.resize(evidence.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
            np.copyto(taken, values, where=decision_map == index)
            np.copyto(best, index, where=values > most)
            np.maximum(most, values, out=most)
        implausible = (taken < most - TOLERANCE) & ~_resized(self._undecided, decision_map.shape)
        np.copyto(decision_map, best, where=implausible)

    def peak_shift(self, leader: np.ndarray) -> np.ndarray:
        """Finds how far from a frame the evidence would be largest, by a parabola through it and its two neighbors.

        Args:
            leader: (h, w), the frame of each pixel.

        Returns:
            (h, w) float32 in [-0.5, 0.5] frames; 0 where a neighbor is missing or the frame is no peak.
        """
        at, before, after = (np.full(leader.shape, np.nan, np.float32) for _ in range(3))
        for index, evidence in enumerate(self.evidence):
            for values, frame in ((at, index), (before, index + 1), (after, index - 1)):
                np.copyto(values, evidence, where=leader == frame)
        curvature = before - 2 * at + after
        with np.errstate(invalid="ignore", divide="ignore"):
            shift = np.clip((before - after) / (2 * curvature), -0.5, 0.5)
        shift[~(curvature < 0)] = 0
        return shift


class _SharpGuide:
    """An image that is sharp everywhere: of each coefficient of a Laplacian pyramid the strongest of all frames."""

    def __init__(self) -> None:
        self._count = 0
        self._bands: list[np.ndarray] = []
        self._energies: list[np.ndarray] = []
        self._rest = np.zeros(0, np.float32)

    def add(self, gray: np.ndarray) -> None:
        fine, self._count = gray, self._count + 1
        for level in range(GUIDE_LEVELS):
            coarse = cv2.pyrDown(fine)
            band = fine - cv2.pyrUp(coarse, dstsize=fine.shape[1::-1])
            energy = cv2.GaussianBlur(band * band, (0, 0), 1)
            if self._count == 1:
                self._bands.append(band)
                self._energies.append(energy)
            else:
                stronger = energy > self._energies[level]
                np.copyto(self._bands[level], band, where=stronger)
                np.copyto(self._energies[level], energy, where=stronger)
            fine = coarse
        self._rest = fine if self._count == 1 else self._rest + fine

    def image(self) -> np.ndarray:
        fine = self._rest / np.float32(self._count)
        for band in self._bands[::-1]:
            fine = cv2.pyrUp(fine, dstsize=band.shape[1::-1]) + band
        return np.clip(fine, 0, 255)


class _GuidedFilter:
    """Smooths values but for the edges of a guide, (h, w) float32 each."""

    def __init__(self, guide: np.ndarray):
        self._guide, self._mean = guide, _box(guide)
        self._variance = _box(guide * guide) - self._mean * self._mean + np.float32(SMOOTHNESS)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        mean = _box(values)
        slope = (_box(self._guide * values) - self._mean * mean) / self._variance
        return _box(slope) * self._guide + _box(mean - slope * self._mean)


def _resized(where: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Resizes (h, w) bool."""
    if where.shape == shape:
        return where
    return cv2.resize(where.view(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST).view(bool)


def _box(values: np.ndarray) -> np.ndarray:
    return cv2.blur(values, (2 * RADIUS + 1, 2 * RADIUS + 1))


def _evidence(image: np.ndarray, gray: np.ndarray) -> np.ndarray:
    """Returns the logarithm of the energy of the gradient, near and wide, (h, w) float32."""
    energy = _energy(gray)
    if image.ndim == 3:
        for channel, weight in zip((0, 2), COLOR, strict=True):
            energy += np.maximum(weight * _energy(image[..., channel] - gray) - COLOR_NOISE, 0)
    wide = cv2.GaussianBlur(energy, (0, 0), WIDE)
    return np.log(energy + np.float32(NOISE)) + WIDE_WEIGHT * np.log(wide + np.float32(0.3 * NOISE))


def _energy(values: np.ndarray) -> np.ndarray:
    """Returns the energy of the gradient of (h, w) float32, near each pixel, at all scales."""
    energy = np.zeros_like(values)
    for scale in SCALES:
        smooth = cv2.GaussianBlur(values, (0, 0), 0.7 * scale) if scale > 1 else values
        along_x = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
        along_y = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
        along_x -= cv2.blur(along_x, (RAMP, RAMP))
        along_y -= cv2.blur(along_y, (RAMP, RAMP))
        energy += cv2.GaussianBlur(along_x * along_x + along_y * along_y, (0, 0), NEAR * scale) / scale
    return energy
