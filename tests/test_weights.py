import json

import keras
import numpy as np
import pytest

from data.errors import InputError
from model.network import build_network
from model.weights import load_network, read_sidecar, save_weights, sidecar_path

BUILDER = {"variant": "compact", "batch_norm": False}


@pytest.fixture
def saved(tmp_path):
    keras.utils.set_random_seed(1)
    network = build_network(**BUILDER)
    path = tmp_path / "net.weights.h5"
    save_weights(network, path, BUILDER, {"epochs": 3})
    return network, path


def test_round_trip(saved):
    network, path = saved
    again = load_network(path, variant="compact")
    for one, other in zip(network.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    content = read_sidecar(path)
    assert content["record"] == {"epochs": 3}
    assert content["parameters"] == network.count_params()
    assert sorted(p.name for p in path.parent.iterdir()) == ["net.weights.h5", "net.weights.json"]


def test_changed_weights_are_refused(saved):
    _, path = saved
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="does not match its sidecar"):
        load_network(path)


def test_another_variant_is_refused(saved):
    with pytest.raises(InputError, match="holds the variant 'compact', but 'paper' is wanted"):
        load_network(saved[1], variant="paper")


def test_a_sidecar_of_another_network_is_refused(saved):
    _, path = saved
    content = json.loads(sidecar_path(path).read_text())
    content["builder"]["batch_norm"] = True
    sidecar_path(path).write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"has 1,689,378 parameters, the variant 'compact' has 1,699,714"):
        load_network(path)


@pytest.mark.parametrize("change", [{"builder": "paper"}, {"parameters": "many"}, {"sha256": None}, {"builder": {}}])
def test_sidecars_with_other_values(saved, change):
    content = json.loads(sidecar_path(saved[1]).read_text())
    sidecar_path(saved[1]).write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=r"is damaged|does not match"):
        load_network(saved[1])


def test_missing_and_damaged_sidecars(saved, tmp_path):
    _, path = saved
    sidecar_path(path).write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        load_network(path)
    sidecar_path(path).unlink()
    with pytest.raises(InputError, match=r"net\.weights\.json is missing"):
        load_network(path)
    with pytest.raises(InputError, match=r"absent\.weights\.h5 is missing"):
        load_network(tmp_path / "absent.weights.h5")


def test_a_failed_write_leaves_the_old_file(saved):
    network, path = saved
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_weights(network, path, BUILDER, {"not json": object()})
    assert path.read_bytes() == before
    assert len(list(path.parent.iterdir())) == 2


def test_other_suffixes_are_refused(saved):
    with pytest.raises(InputError, match=r"must end in \.weights\.h5"):
        save_weights(saved[0], saved[1].with_name("net.h5"), BUILDER)
