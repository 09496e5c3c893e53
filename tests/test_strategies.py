"""Each strategy alone, with a predictor that says what the test wants; no network is loaded."""

import cv2
import numpy as np
import pytest

from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from model.fusion.focus_measure import FocusMeasure
from model.fusion.paper import PaperStrategy
from model.fusion.refined import RefinedStrategy
from tests.conftest import drawn_photograph

LEFT = np.arange(64)[None, :] < 32
SURE = 20.0


class Oracle:
    """Says of the first image that it is out of focus on the right, of the second on the left, of others everywhere."""

    def logits(self, images):
        maps = [np.where(LEFT, -SURE, SURE), np.where(LEFT, SURE, -SURE)]
        maps += [np.full((1, 64), SURE)] * (len(images) - 2)
        return [np.broadcast_to(values, images[0].shape[:2]).astype(np.float32) for values in maps]

    def two_scales(self, images):
        return zip(self.logits(images), self.logits(images), strict=True)

    def unfocused(self, images, observe):
        return np.stack([1 / (1 + np.exp(-values)) for values in self.logits(images)])

    def maps(self, images, compute, observe):
        return compute(images)


@pytest.fixture
def images():
    return tuple(drawn_photograph(np.random.default_rng(seed), 48, 64) for seed in range(3))


def prepared(images):
    return PreparedFrames(images, align="none", match_exposure="none")


def test_the_papers(images):
    decision = PaperStrategy(Oracle()).decide(prepared(images[:2]))
    expected = np.where(LEFT[..., None], *images[:2])
    np.testing.assert_array_equal(decision.fused, expected)
    np.testing.assert_array_equal(decision.maps["M4"], decision.maps["M5"])
    with pytest.raises(InputError, match="fuses two images, received 3"):
        PaperStrategy(Oracle()).decide(prepared(images))
    with pytest.raises(InputError, match="at least 2x2 pixels, received 64x1"):
        PaperStrategy(Oracle()).decide(prepared([image[:1] for image in images[:2]]))


def test_refined_by_the_maps_alone(images):
    strategy = RefinedStrategy(Oracle(), FocusMeasure(smoothing=0, contrast_weight=0))
    for count in (2, 3):
        labels = strategy.decide(prepared(images[:count])).decision_map
        np.testing.assert_array_equal(labels[:, :24], 0)  # outlines between two may move, by four pixels
        np.testing.assert_array_equal(labels[:, 40:], 1)


def test_refined_never_takes_what_a_frame_does_not_show():
    scene = cv2.GaussianBlur(drawn_photograph(np.random.default_rng(0), 200, 280), (0, 0), 1)
    frames = [scene[:, 40:260], scene[:, 20:240]]  # the second is the reference; the first shows nothing on its left
    moved = PreparedFrames(frames, crop="none", match_exposure="none")
    assert not moved.covered(0)[:, :10].any()

    class First(Oracle):
        def logits(self, images):
            return [np.full(images[0].shape[:2], value, np.float32) for value in (-SURE, SURE)]

    decision_map = RefinedStrategy(First(), FocusMeasure(contrast_weight=0)).decide(moved).decision_map
    np.testing.assert_array_equal(decision_map[:, :10], 1)
    assert not decision_map[4:-4, 40:].any()
