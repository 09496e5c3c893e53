"""Floors: what the default makes of small rendered stacks, against their truth.

How a floor is made: `.venv/bin/python -m tests.test_stacks_quality` prints what the default reaches on each scene; the
floor is that figure less `MARGIN`, rounded down to a tenth, and less than what the best choice of pixels reaches,
unless a mean of frames has less noise. A change that falls below a floor has made stacks worse. A floor is raised when
a change makes them better, and lowered by nothing but a change of the renderer, or of the decision where the mean over
all kinds rises.
"""

from dataclasses import replace
from functools import cache
from math import floor

import pytest

from data.stacks import draw_scene
from data.synthesis.stack_renderer import render_frames, render_truth
from data.synthesis.stack_scenes import KINDS
from model.experiments.stack_methods import best_choice, fuse_stack
from model.experiments.stack_quality import measure

MARGIN = 0.3
"""Decibels below what was reached: other processors and library versions round differently."""

SIZE = 160, 208
"""Rows and columns."""

FRAMES = {"deep": 100}
"""Of each stack; of all others 4."""

SEED = 3
"""Of each stack."""

COST = 1.5
"""Decibels that breathing may cost against the same scene without."""

FLOORS = {
    "desk": 42.2,
    "flat-ground": 40.9,
    "stairs": 42.5,
    "breathing": 41.3,
    "flicker": 40.6,
    "lights": 36.6,
    "tones": 38.5,
    "glass": 34.5,
    "deep": 39.8,
    "noisy": 30.7,
}
"""Kind of scene to the least PSNR in dB."""


def draw(kind, capture, size, still=False):
    """The frames and the truth; `still` leaves out motion and flicker, of the same scene with the same noise."""
    layers, margin, rng = draw_scene(kind, capture, size, SEED)
    capture = capture.still() if still else capture
    return list(render_frames(layers, capture, margin, rng)), render_truth(layers, capture, margin)


@cache
def small_stack(kind, still=False):
    """The frames and the truth."""
    return draw(kind, replace(KINDS[kind].capture, frames=FRAMES.get(kind, 4)), SIZE, still)


@cache
def reached(kind, still=False):
    """PSNR in dB of the default."""
    frames, truth = small_stack(kind, still)
    return measure(truth, fuse_stack(frames))["psnr"]


def best(kind):
    """PSNR in dB of the best choice of pixels, of frames that differ in nothing but focus."""
    frames, truth = small_stack(kind, still=True)
    return measure(truth, best_choice(frames, truth))["psnr"]


@pytest.mark.parametrize("kind", FLOORS)
def test_the_default_does_not_fall_below_its_floor(kind):
    assert reached(kind) >= FLOORS[kind]


@pytest.mark.parametrize("kind", [pytest.param(kind, marks=[pytest.mark.long] * (kind in FRAMES)) for kind in FLOORS])
def test_a_floor_guards_something(kind):
    """No single frame reaches it, and the best choice of pixels does where nothing moves or flickers; but a mean of
    noisy frames has less noise than any choice."""
    frames, truth = small_stack(kind)
    assert max(measure(truth, frame)["psnr"] for frame in frames) + 2 < FLOORS[kind]
    assert FLOORS[kind] < best(kind) or kind == "noisy"


@pytest.mark.long
def test_breathing_costs_little():
    """In a picture of common size: in the small ones above, interpolation alone costs more."""
    moving, still = (draw("breathing", KINDS["breathing"].capture, (480, 640), still) for still in (False, True))
    reached = [measure(truth, fuse_stack(frames))["psnr"] for frames, truth in (moving, still)]
    assert reached[0] > reached[1] - COST


if __name__ == "__main__":
    for kind in FLOORS:
        floor_now = floor(10 * (reached(kind) - MARGIN)) / 10
        still = f"still {reached(kind, still=True):.2f}, choice {best(kind):.2f}"
        print(f"{kind}: reached {reached(kind):.2f}, floor {floor_now}, {still}")
