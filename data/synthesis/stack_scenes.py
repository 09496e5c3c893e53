"""Scenes for `stack_renderer`: walls, receding ground, objects with hard outlines, hairs, specks, flat backgrounds."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from data.synthesis.stack_painter import Painter
from data.synthesis.stack_renderer import Capture, Layer

DARKNESS = np.float32(0.08)
"""Linear light of what is in the dark, relative to daylight."""

LAMP_LIGHT = 4.0, 40.0
"""Least and greatest linear light of a lamp; 1 is white."""


def _objects(painter: Painter, count: int, nearest: float = 0.95, farthest: float = 0.1) -> list[Layer]:
    """Draws objects with hard outlines, each at its own depth, from far to near; some bulge toward the camera."""
    layers = []
    for depth in np.sort(painter.rng.uniform(farthest, nearest, count)):
        center, radius = painter.place(), painter.height * painter.rng.uniform(0.08, 0.18)
        if painter.rng.random() < 0.5:
            layers.append(Layer(painter.surface(), painter.blob(center, radius), float(depth)))
        else:
            y, x = np.mgrid[0 : painter.height, 0 : painter.width].astype(np.float32)
            square = ((x - center[0]) ** 2 + (y - center[1]) ** 2) / radius**2
            bulge = np.sqrt(np.maximum(1 - square, 0)).astype(np.float32)
            layers.append(Layer(painter.surface(), painter.disc(center, radius), depth + 0.1 * (bulge - 0.5)))
    return layers


def _hairs(painter: Painter, groups: int, each: int, thickness: float = 0.006) -> list[Layer]:
    """Draws groups of thin dark lines, each group at its own depth, every second one slanted in depth."""
    layers = []
    for number, depth in enumerate(np.sort(painter.rng.uniform(0.1, 0.95, groups))):
        thick = painter.height * painter.rng.uniform(0.2, 1, each) * thickness
        hairs = [painter.hair(painter.place(), painter.place(), t, painter.rng.normal(0, 0.1)) for t in thick]
        depths = float(depth) if number % 2 else painter.ramp(depth - 0.1, depth + 0.1, painter.rng.uniform(0, 6))
        layers.append(Layer(painter.plain(0.02, 0.3), np.max(hairs, axis=0), depths))
    return layers


def _specks(painter: Painter, depths: int, each: int) -> list[Layer]:
    """Draws dark and light specks of dust, one to four pixels wide in an image of 480 rows."""
    layers = []
    for depth in np.linspace(0.1, 0.95, depths):
        radii = painter.height / 480 * painter.rng.uniform(0.5, 2.0, each)
        specks = np.max([painter.disc(painter.place(0.02, 0.98), radius) for radius in radii], axis=0)
        tone = (0.02, 0.25) if painter.rng.random() < 0.7 else (0.85, 1.0)
        layers.append(Layer(painter.plain(*tone), specks, float(depth)))
    return layers


def _by_depth(layers: list[Layer]) -> list[Layer]:
    return sorted(layers, key=lambda layer: float(np.mean(layer.inverse_depth)))


def desk(painter: Painter) -> list[Layer]:
    """Draws a wall, ground that approaches the camera, and objects in front of them."""
    floor = painter.everywhere() * (np.arange(painter.height)[:, None] > 0.55 * painter.height)
    ground = np.clip(painter.ramp(-1.2, 1), 0, 1)
    wall = Layer(painter.surface(), painter.everywhere(), 0.0)
    return [wall, Layer(painter.surface(), floor, ground), *_objects(painter, 6)]


def pins(painter: Painter) -> list[Layer]:
    """Draws upright pins at many depths in front of a wall of bars."""
    layers = [Layer(painter.surface("barcode"), painter.everywhere(), 0.05)]
    for depth in np.linspace(0.15, 0.95, 9):
        foot = painter.rng.uniform((0.05, 0.4), (0.95, 1)) * (painter.width, painter.height)
        top = foot - (painter.rng.normal(0, 0.03) * painter.height, painter.rng.uniform(0.3, 0.9) * painter.height)
        pin = painter.hair(foot, top, painter.height * painter.rng.uniform(0.008, 0.03))
        layers.append(Layer(painter.surface("grain", "barcode"), pin, float(depth)))
    return layers


def flat_ground(painter: Painter) -> list[Layer]:
    """Draws objects, hairs and specks in front of a background without detail."""
    ground = Layer(painter.surface("flat"), painter.everywhere(), 0.0)
    small = [*_hairs(painter, 4, 5), *_specks(painter, 5, 8)]
    return [ground, *_by_depth([*_objects(painter, 3), *small])]


def slope(painter: Painter) -> list[Layer]:
    """Draws one surface that recedes through the whole depth, with a few wires in front of it."""
    depths = painter.ramp(0, 0.85, painter.rng.uniform(-1, 1))
    surface = Layer(painter.surface("marble", "bricks", "writing"), painter.everywhere(), depths)
    return [surface, *_hairs(painter, 2, 3, 0.012)]


def stairs(painter: Painter) -> list[Layer]:
    """Draws steps with straight edges, each nearer and lower than the previous one."""
    kinds = ("writing", "barcode", "grain", "bricks", "flat")
    layers = [Layer(painter.surface(), painter.everywhere(), 0.0)]
    for number in range(1, 8):
        edge = painter.height * (0.1 + 0.115 * number)
        tilt = painter.height * painter.rng.normal(0, 0.015)
        below = 2 * painter.height
        corners = np.array([(0, edge - tilt), (painter.width, edge + tilt), (painter.width, below), (0, below)])
        layers.append(Layer(painter.surface(kinds[number % 5]), painter.polygon(corners), number / 7.5))
    return layers


def planes(painter: Painter) -> list[Layer]:
    """Draws a few large objects in front of a wall, far apart in depth."""
    return [Layer(painter.surface(), painter.everywhere(), 0.1), *_objects(painter, 4, 0.95, 0.4)]


def lights(painter: Painter) -> list[Layer]:
    """Draws objects in the dark, and small lights before and behind them that are brighter than a picture can show."""
    dark = [replace(layer, color=DARKNESS * layer.color) for layer in desk(painter)]
    lamps = []
    for depth in np.linspace(0.05, 0.95, 8):
        lamp = painter.disc(painter.place(), painter.height * painter.rng.uniform(0.004, 0.012))
        lamps.append(Layer(painter.rng.uniform(*LAMP_LIGHT) * painter.plain(0.8, 1.0), lamp, float(depth)))
    return [dark[0], *_by_depth([*dark[1:], *lamps])]


def glass(painter: Painter) -> list[Layer]:
    """Draws translucent things and smooth opaque rods, without detail but for their outlines, before a wall."""
    layers = [Layer(painter.surface(), painter.everywhere(), 0.05)]
    for number, depth in enumerate(np.linspace(0.25, 0.95, 12)):
        if number % 2:
            foot, top = painter.place() * (1, 0) + (0, painter.height), painter.place() * (1, 0)
            rod = painter.hair(foot, top, painter.height * painter.rng.uniform(0.02, 0.05))
            layers.append(Layer(painter.plain(0.05, 0.9), rod, float(depth)))
        else:
            pane = painter.blob(painter.place(), painter.height * painter.rng.uniform(0.1, 0.2))
            layers.append(
                Layer(painter.plain(0.4, 1.0), np.float32(painter.rng.uniform(0.3, 0.7)) * pane, float(depth))
            )
    return layers


@dataclass(frozen=True)
class Kind:
    """A kind of scene: the function that draws its layers, and the camera settings."""

    build: Callable[[Painter], list[Layer]]
    capture: Capture


KINDS = {
    "desk": Kind(desk, Capture(8, 24)),
    "pins": Kind(pins, Capture(8, 30, noise=1.0, jpeg=95)),
    "flat-ground": Kind(flat_ground, Capture(9, 30, noise=1.0, jpeg=95)),
    "slope": Kind(slope, Capture(8, 28, noise=1.5, jpeg=95)),
    "stairs": Kind(stairs, Capture(8, 24, noise=1.5, jpeg=95)),
    "pair": Kind(planes, Capture(2, 14, noise=1.0, jpeg=95)),
    "strong-blur": Kind(planes, Capture(5, 40, noise=1.0, jpeg=95)),
    "many": Kind(flat_ground, Capture(12, 36, noise=2.0, jpeg=92)),
    "breathing": Kind(desk, Capture(7, 20, breathing=0.01, drift=1.0, noise=1.0, jpeg=95)),
    "breathing-flat": Kind(flat_ground, Capture(7, 24, breathing=0.008, drift=1.0, noise=1.0, jpeg=95)),
    "hand-held": Kind(stairs, Capture(6, 20, breathing=0.004, drift=5.0, turn=0.15, noise=2.0, jpeg=92)),
    "flicker": Kind(desk, Capture(6, 20, flicker=0.04, noise=1.0, jpeg=95)),
    "vignetting": Kind(flat_ground, Capture(5, 24, breathing=0.01, flicker=0.02, vignetting=0.35, noise=1.0, jpeg=95)),
    "lights": Kind(lights, Capture(8, 24, noise=1.5, jpeg=95)),
    "tones": Kind(desk, Capture(6, 20, tones=0.08, noise=1.0, jpeg=95)),
    "glass": Kind(glass, Capture(8, 24, noise=1.0, jpeg=95)),
    "deep": Kind(flat_ground, Capture(100, 40, noise=1.0, jpeg=95)),
    "noisy": Kind(flat_ground, Capture(8, 24, noise=9.0, jpeg=95)),
}
"""Kinds of scenes by name. Choosing parameters and reporting results must not use the same kind."""
