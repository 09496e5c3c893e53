import json
import shutil

import h5py
import keras
import numpy as np
import pytest

from data.io.files import file_digest
from data.runtime.errors import InputError
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.networks.comparer import load_comparer
from model.networks.network import build_network
from model.networks.weights import load_checked, load_network, read_sidecar, save_weights, sidecar_path

BUILDER = {"variant": "compact", "batch_norm": False, "encoder_skips": True}


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    keras.utils.set_random_seed(1)
    network = build_network(**BUILDER)
    path = tmp_path_factory.mktemp("original") / "net.weights.h5"
    save_weights(network, path, BUILDER, {"epochs": 3})
    return network, path


@pytest.fixture
def saved(original, tmp_path):
    network, path = original
    for file in (path, sidecar_path(path)):
        shutil.copy(file, tmp_path)
    return network, tmp_path / path.name


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
    with pytest.raises(InputError, match=r"has 1,861,026 parameters, the variant 'compact' has 1,871,362"):
        load_network(path)


@pytest.mark.parametrize("change", [{"builder": "paper"}, {"parameters": "many"}, {"sha256": None}, {"builder": {}}])
def test_sidecars_with_other_values(saved, change):
    content = json.loads(sidecar_path(saved[1]).read_text())
    sidecar_path(saved[1]).write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=r"is damaged|does not match"):
        load_network(saved[1])


DAMAGED = [
    *(json.dumps(value) for value in ([], "x", 1, None, {}, [[]] * 3)),
    *("", "{", "nul", "\x00", "[" * 100_000, '{"parameters": 1' + "0" * 5000 + "}"),
]


@pytest.mark.parametrize("content", DAMAGED, ids=lambda text: repr(text[:20]))
def test_a_sidecar_that_is_none_is_one_sentence(saved, content):
    sidecar_path(saved[1]).write_text(content)
    with pytest.raises(InputError, match=r"net\.weights\.json is damaged"):
        load_network(saved[1])
    comparer = saved[1].with_name("comparer.weights.h5")
    comparer.write_bytes(b"")
    sidecar_path(comparer).write_text(content)
    with pytest.raises(InputError, match=r"comparer\.weights\.json is damaged"):
        load_comparer(saved[1], comparer)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"builder": []}, "builder must be an object"),
        ({"builder": {"batch_norm": True}}, "variant is missing"),
        *(({"builder": {"variant": value}}, "variant must be text") for value in (1, None, [], {}, True)),
        ({"builder": {"variant": "wide"}}, "unknown variant 'wide'"),
        ({"builder": BUILDER | {"layers": 3}}, "argument 'layers' is unknown"),
        ({"builder": BUILDER | {"batch_norm": "no"}}, "batch_norm must be true or false"),
        ({"builder": BUILDER | {"initializer": []}}, "initializer must be text"),
        ({"builder": BUILDER | {"activation": {"class_name": "function"}}}, "activation must be text"),
        ({"builder": BUILDER | {"activation": "none"}}, "describes no network"),
        ({"parameters": 10**30}, "parameters must be a whole number"),
        ({"parameters": True}, "parameters must be a whole number"),
        ({"sha256": ["x"]}, "sha256 must be text"),
    ],
)
def test_a_sidecar_with_wrong_values_is_one_sentence(saved, change, message):
    content = json.loads(sidecar_path(saved[1]).read_text())
    sidecar_path(saved[1]).write_text(json.dumps(content | change))
    with pytest.raises(InputError, match=message):
        load_network(saved[1])


def forge(path, write):
    """Changes a weights file by `write(file)` and lets its sidecar say that all is well."""
    with h5py.File(path, "r+") as file:
        write(file)
    describe(path)


def describe(path):
    content = json.loads(sidecar_path(path).read_text())
    sidecar_path(path).write_text(json.dumps(content | {"sha256": file_digest(path, "sha256")}))


def first_array(file):
    names = []
    file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names[0]


def replace_first(file, **options):
    name = first_array(file)
    del file[name]
    file.create_dataset(name, **options)


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_weights_that_are_no_numbers_are_refused(saved, value):
    def spoil(file):
        file[first_array(file)][..., 0] = value

    forge(saved[1], spoil)
    with pytest.raises(InputError, match="holds values that are NaN or infinite"):
        load_network(saved[1])


def test_a_comparer_that_holds_no_numbers_is_refused(tmp_path):
    path = tmp_path / BUNDLED_COMPARER.name
    for source, target in ((BUNDLED_COMPARER, path), (sidecar_path(BUNDLED_COMPARER), sidecar_path(path))):
        shutil.copy(source, target)

    def spoil(file):
        file[first_array(file)][..., 0] = np.nan

    forge(path, spoil)
    with pytest.raises(InputError, match="holds values that are NaN or infinite"):
        load_comparer(BUNDLED_WEIGHTS, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: replace_first(file, shape=(10**9, 1000), dtype="f4"), "is declared larger than the file"),
        (lambda file: replace_first(file, data=np.zeros((3, 3), np.float32)), "does not fit the variant"),
        (lambda file: replace_first(file, data=b"text"), "is no array of numbers"),
        (lambda file: replace_first(file, data=h5py.Empty("f4")), "is no array of numbers"),
        (lambda file: file.clear(), "does not fit the variant"),
        (lambda file: file["layers"].__delitem__("conv2d_3"), "does not fit the variant"),
        (lambda file: file.__setitem__("more", h5py.ExternalLink("other.h5", "/")), "is a link to another place"),
        (lambda file: file.__setitem__("more", h5py.SoftLink("/")), "is a link to another place"),
    ],
)
def test_files_of_another_layout_are_one_sentence(saved, write, message):
    forge(saved[1], write)
    with pytest.raises(InputError, match=message):
        load_network(saved[1])


@pytest.mark.parametrize(
    "content", [b"", b"garbage" * 100, b"\x89HDF\r\n\x1a\n" + bytes(5000), b"PK\x03\x04" + bytes(100)]
)
def test_garbage_in_place_of_weights_is_one_sentence(saved, content):
    saved[1].write_bytes(content)
    describe(saved[1])
    with pytest.raises(InputError, match="is no HDF5 file of weights"):
        load_network(saved[1])


def test_changed_bytes_of_a_weights_file_are_weights_or_a_sentence(tmp_path):
    """A sidecar finds any change; this is what is left where somebody writes both."""
    path, rng = tmp_path / "small.weights.h5", np.random.default_rng(0)
    network = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Conv2D(2, 3), keras.layers.Conv2D(2, 3)])
    network.save_weights(path)
    whole = path.read_bytes()
    refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for place in rng.integers(0, rng.choice([100, 3000, len(whole)]), 3):
            content[place] = rng.integers(0, 256)
        path.write_bytes(content)
        try:
            load_checked(network, path, "does not fit")
        except InputError:
            refused += 1
    assert 50 < refused < 200


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
