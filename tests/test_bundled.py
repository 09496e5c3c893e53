"""The weights that ship with the project."""

import numpy as np
import pytest

from data.io.image_io import read_image
from data.io.listing import find_pairs
from metrics import PAPER_METRICS, Scorer
from model import load_fuser
from model.bundled import BUNDLED_WEIGHTS
from model.networks.weights import load_network, read_sidecar


def test_they_are_small_and_match_their_sidecar():
    assert BUNDLED_WEIGHTS.stat().st_size <= 16 * 2**20
    content = read_sidecar(BUNDLED_WEIGHTS)
    assert content["variant"] == "light"
    assert content["record"]["config"]["transfer"] is None
    assert content["record"]["config"]["recipe"] == "photographic"
    assert load_network(BUNDLED_WEIGHTS).count_params() == content["parameters"]


def test_the_model_card_states_the_measured_validation():
    record = read_sidecar(BUNDLED_WEIGHTS)["record"]
    best = record["epochs"][int(record["best_epoch"]) - 1]
    card = (BUNDLED_WEIGHTS.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    for figure in (f"{best['val_iou']:.4f}", f"{best['val_accuracy']:.4f}", f"{best['val_q_abf']:.4f}"):
        assert figure in card


@pytest.mark.parametrize(
    ("strategy", "q_abf", "q_mi"), [("paper", 0.757, 8.9), ("refined", 0.762, 8.9), ("learned", 0.762, 8.9)]
)
def test_lytro(strategy, q_abf, q_mi, lytro):
    """The mean over all twenty pairs."""
    fuser = load_fuser(strategy=strategy)
    scores = []
    for pair in find_pairs(lytro).stacks:
        near, far = read_image(pair.near), read_image(pair.far)
        scores.append(Scorer((near, far)).score(fuser(near, far), PAPER_METRICS))
    assert len(scores) == 20
    assert np.mean([score["q_abf"] for score in scores]) >= q_abf
    assert np.mean([score["q_mi"] for score in scores]) >= q_mi
