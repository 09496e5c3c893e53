"""Drawing of the layers of `stack_scenes`: surfaces with and without detail, and mattes with exact outlines."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data.synthesis.depth_of_field import GAMMA
from data.synthesis.scene import Scene

OVERSAMPLING = 4
"""Shapes are drawn larger by this factor and reduced, for exact, smooth outlines."""

MASK_EDGE_SIGMA = 1.0
"""Pixels: standard deviation of the smoothing of a mask's outline."""

PHOTOGRAPH_SHARE = 0.6
"""Share of the surfaces that show a photograph, if there are photographs."""


@dataclass(frozen=True)
class Painter:
    """Draws the surfaces and mattes of layers, all of one size.

    Attributes:
        height: Height of the layers in pixels; the size of what is drawn grows with it.
        width: Width of the layers in pixels.
        rng: Random generator.
        photographs: VOC scenes for some of the surfaces and outlines; if empty, all are drawn.
    """

    height: int
    width: int
    rng: np.random.Generator
    photographs: Sequence[Scene] = ()

    def surface(self, *kinds: str) -> np.ndarray:
        """Draws one of the named `TEXTURES` (default: `TEXTURED`), or a photograph; (H, W, 3) float32 linear light."""
        if self.photographs and not kinds and self.rng.random() < PHOTOGRAPH_SHARE:
            image, _ = self._photograph().read()
            values = cv2.resize(image, (self.width, self.height), interpolation=cv2.INTER_AREA) / np.float32(255)
        else:
            values = TEXTURES[self.rng.choice(kinds or TEXTURED)](self)
        return np.clip(values, 0, 1).astype(np.float32) ** np.float32(GAMMA)

    def plain(self, low: float, high: float) -> np.ndarray:
        """Draws a surface of one color with values between `low` and `high`; (H, W, 3) float32 linear light."""
        color = self.rng.uniform(low, high, 3).astype(np.float32) ** np.float32(GAMMA)
        return np.broadcast_to(color, (self.height, self.width, 3))

    def everywhere(self) -> np.ndarray:
        """Returns the matte of a surface that fills the image."""
        return np.ones((self.height, self.width), np.float32)

    def ramp(self, first: float, last: float, angle: float = 0.0) -> np.ndarray:
        """Returns values from `first` at the top to `last` at the bottom, rotated by an angle in radians."""
        y, x = np.mgrid[0 : self.height, 0 : self.width].astype(np.float32)
        along = np.cos(angle) * y / self.height + np.sin(angle) * x / self.width
        along = (along - along.min()) / np.ptp(along)
        return (first + (last - first) * along).astype(np.float32)

    def polygon(self, corners: np.ndarray) -> np.ndarray:
        """Draws the matte of a polygon with corners (N, 2), x and y in pixels."""
        drawn = np.zeros((self.height * OVERSAMPLING, self.width * OVERSAMPLING), np.uint8)
        cv2.fillPoly(drawn, [np.rint(corners * OVERSAMPLING).astype(np.int32)], 255)
        return cv2.resize(drawn, (self.width, self.height), interpolation=cv2.INTER_AREA) / np.float32(255)

    def place(self, low: float = 0.1, high: float = 0.9) -> np.ndarray:
        """Draws a random point, x and y in pixels, between these fractions of the sides."""
        return self.rng.uniform(low, high, 2) * (self.width, self.height)

    def blob(self, center: np.ndarray, radius: float) -> np.ndarray:
        """Draws the matte of a random disc, box, star or object of a photograph."""
        kind = self.rng.integers(4 if self.photographs else 3)
        if kind == 3:
            return self._object(center, radius)
        angle = self.rng.uniform(0, 2 * np.pi)
        if kind == 0:
            return self.disc(center, radius)
        count = 4 if kind == 1 else 2 * int(self.rng.integers(5, 9))
        reach = radius * np.where(np.arange(count) % 2, 1.0, 1.0 if kind == 1 else self.rng.uniform(0.35, 0.8))
        angles = angle + 2 * np.pi * np.arange(count) / count
        return self.polygon(center + reach[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1))

    def disc(self, center: np.ndarray, radius: float) -> np.ndarray:
        """Draws the matte of a disc."""
        angles = np.linspace(0, 2 * np.pi, 64, endpoint=False)
        return self.polygon(center + radius * np.stack([np.cos(angles), np.sin(angles)], 1))

    def hair(self, start: np.ndarray, end: np.ndarray, thickness: float, bend: float = 0.0) -> np.ndarray:
        """Draws the matte of a line that tapers from `thickness` pixels to a third and bends sideways by the fraction
        `bend` of its length."""
        along = np.linspace(0, 1, 40)[:, None]
        across = np.array([end[1] - start[1], start[0] - end[0]])
        course = start + (end - start) * along + across * bend * 4 * along * (1 - along)
        side = across / max(np.hypot(*across), 1e-6) * thickness / 2 * (1 - along * 2 / 3)
        return self.polygon(np.concatenate([course + side, (course - side)[::-1]]))

    def _photograph(self) -> Scene:
        return self.photographs[int(self.rng.integers(len(self.photographs)))]

    def _object(self, center: np.ndarray, radius: float) -> np.ndarray:
        _, mask = self._photograph().read()
        scale = 2 * radius / max(mask.shape)
        middle = np.array(mask.shape[::-1]) / 2
        matrix = np.array([[scale, 0, center[0] - scale * middle[0]], [0, scale, center[1] - scale * middle[1]]])
        matte = cv2.warpAffine(mask * np.float32(1), matrix, (self.width, self.height), flags=cv2.INTER_LINEAR)
        return cv2.GaussianBlur(matte, (0, 0), MASK_EDGE_SIGMA)


def _noise(painter: Painter, coarsest: int, finest: int = 0) -> np.ndarray:
    """Draws noise on all scales from `coarsest` cells per height; (H, W) with a standard deviation of 1."""
    total = np.zeros((painter.height, painter.width), np.float32)
    cells = coarsest
    while cells * 2**finest < painter.height:
        grid = painter.rng.standard_normal((cells, -(-cells * painter.width // painter.height))).astype(np.float32)
        total += cv2.resize(grid, (painter.width, painter.height), interpolation=cv2.INTER_CUBIC) * cells**-0.5
        cells *= 2
    return total / total.std()


def _two_colors(painter: Painter, share: np.ndarray) -> np.ndarray:
    first, second = painter.rng.uniform(0.1, 0.95, (2, 3))
    return first + (second - first) * share[..., None]


def _grain(painter: Painter) -> np.ndarray:
    return _two_colors(painter, 0.5 + 0.2 * _noise(painter, 6)) + 0.04 * _noise(painter, 64)[..., None]


def _marble(painter: Painter) -> np.ndarray:
    edges = (np.sin(6 * _noise(painter, 4, 2)) > 0).astype(np.float32)
    return _two_colors(painter, edges) + 0.05 * _noise(painter, 16)[..., None]


def _bricks(painter: Painter) -> np.ndarray:
    side = painter.height * painter.rng.uniform(0.05, 0.1)
    y, x = np.mgrid[0 : painter.height, 0 : painter.width] / side
    row = np.floor(y * 1.6).astype(int)
    column = np.floor(x + 0.5 * (row % 2)).astype(int)
    mortar = (np.mod(y * 1.6, 1) < 0.12) | (np.mod(x + 0.5 * (row % 2), 1) < 0.07)
    shades = painter.rng.uniform(0.6, 1.2, (row.max() + 1, column.max() + 1))[row, column]
    brick = painter.rng.uniform(0.2, 0.8, 3) * shades[..., None] * (1 + 0.12 * _noise(painter, 24)[..., None])
    return np.where(mortar[..., None], painter.rng.uniform(0.6, 0.9), brick)


def _barcode(painter: Painter) -> np.ndarray:
    """Draws dark bars on a flat, light background: between two bars there is no detail."""
    widths = painter.height * painter.rng.uniform(0.01, 0.07, 2 * painter.width)
    bar = np.searchsorted(np.cumsum(widths), np.arange(painter.width)) % 2
    across = np.where(bar, painter.rng.uniform(0.75, 0.95), painter.rng.uniform(0.05, 0.2))
    return np.broadcast_to(across[None, :, None], (painter.height, painter.width, 3)) * (0.94, 1.0, 0.97)


def _writing(painter: Painter) -> np.ndarray:
    page = np.full((painter.height, painter.width), 235, np.uint8)
    line = 0.0
    while line < 1.1:
        size = painter.rng.uniform(0.02, 0.05)
        line += 1.7 * size
        text = "".join(painter.rng.choice(list("abcdefghijklmnopqrstuvwxyz 0123456789  "), 160))
        scale, weight = size * painter.height / 22, max(1, round(size * painter.height / 12))
        foot = 5, int(line * painter.height)
        cv2.putText(page, text, foot, cv2.FONT_HERSHEY_SIMPLEX, scale, 30, weight, cv2.LINE_AA)
    return page[..., None] / 255 * painter.rng.uniform(0.8, 1.0, 3)


def _flat(painter: Painter) -> np.ndarray:
    """Draws slowly changing light on a surface without detail."""
    tones = [painter.ramp(0, 1, painter.rng.uniform(0, 6)) for _ in range(3)]
    return np.stack([painter.rng.uniform(0.45, 0.8) + 0.12 * tone for tone in tones], axis=-1)


TEXTURES: dict[str, Callable[[Painter], np.ndarray]] = {
    "grain": _grain,
    "marble": _marble,
    "bricks": _bricks,
    "writing": _writing,
    "barcode": _barcode,
    "flat": _flat,
}
"""Textures by name: painter -> (H, W, 3) pixel values (not linear light) in [0, 1]."""

TEXTURED = ("grain", "marble", "bricks", "writing")
"""Textures with detail everywhere."""
