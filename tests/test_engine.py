"""What runs the networks: OpenVINO gives what TensorFlow gives, from the same weights files."""

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from data.io.files import file_digest
from data.runtime.errors import InputError
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS, COMPARER_GRAPH, FOCUS_GRAPH
from model.networks.comparer import build_comparer
from model.networks.engine import choose_engine, load_engine
from model.networks.network import build_network
from model.networks.weights import save_weights, write_weights
from tests.conftest import REPOSITORY

TOLERANCE = 2e-3
"""Largest difference of two logits; they reach 20 and more."""


@pytest.fixture(scope="module")
def openvino_engine():
    pytest.importorskip("openvino", reason="OpenVINO is not installed: pip install -r requirements-openvino.txt")
    return load_engine(BUNDLED_WEIGHTS, BUNDLED_COMPARER, "openvino")


@pytest.fixture(scope="module")
def tensorflow_engine():
    return load_engine(BUNDLED_WEIGHTS, BUNDLED_COMPARER, "tensorflow")


def photographs(rng, count, height, width):
    return rng.uniform(0, 255, (count, height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("size", [(32, 32), (96, 160)])
def test_both_see_the_same(size, openvino_engine, tensorflow_engine):
    rng = np.random.default_rng(0)
    images = photographs(rng, 2, *size)
    logits = [engine.focus(images) for engine in (openvino_engine, tensorflow_engine)]
    assert logits[0].shape == (2, *size)
    np.testing.assert_allclose(*logits, atol=TOLERANCE)
    pair = np.concatenate(np.split(images, 2), -1)
    focus = rng.normal(0, 5, (1, size[0] // 4, size[1] // 4, 2)).astype(np.float32)
    compared = [engine.compare(pair, focus) for engine in (openvino_engine, tensorflow_engine)]
    assert compared[0].shape == (1, *size)
    assert np.ptp(compared[0]) > 0.1
    np.testing.assert_allclose(*compared, atol=TOLERANCE)


def test_weights_of_ones_own(tmp_path, openvino_engine):
    """The bundled graphs hold no weights: those of other files give what TensorFlow makes of them."""
    weights, comparer = tmp_path / "own.weights.h5", tmp_path / "own-comparer.weights.h5"
    network, comparing = build_network("light"), build_comparer()
    rng = np.random.default_rng(1)
    for one in (network, comparing):
        one.set_weights([values + np.abs(rng.normal(0, 0.02, values.shape)) for values in one.get_weights()])
    save_weights(network, weights, {"variant": "light"})
    write_weights(comparing, comparer, {"beside": file_digest(weights, "sha256")})
    images = photographs(rng, 1, 64, 64)
    focus = rng.normal(0, 5, (1, 16, 16, 2)).astype(np.float32)
    engines = [load_engine(weights, comparer, name) for name in ("openvino", "tensorflow")]
    results = [(one.focus(images), one.compare(images[..., [0, 1, 2] * 2], focus)) for one in engines]
    for values in zip(*results, strict=True):
        assert np.abs(values[0]).max() > 0.01
        np.testing.assert_allclose(*values, rtol=1e-4, atol=TOLERANCE)


def test_several_threads_may_use_it(openvino_engine):
    batches = [photographs(np.random.default_rng(seed), 1, 64, 96) for seed in range(8)]
    alone = [openvino_engine.focus(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for one, other in zip(alone, pool.map(openvino_engine.focus, batches), strict=True):
            np.testing.assert_array_equal(one, other)


def test_tensorflow_is_not_loaded(openvino_engine):
    code = (
        "import sys, numpy as np; from model import load_fuser; images = np.zeros((2, 40, 50, 3), np.uint8);"
        "load_fuser(engine='openvino')(*images); print('tensorflow' in sys.modules, 'keras' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_signal_is_still_handled(openvino_engine):
    """In a process of its own: the handler would run on a stack that is no more."""
    code = (
        "import gc, os, signal, numpy as np; from model import load_fuser; fuser = load_fuser(engine='openvino');"
        "fuser(*np.zeros((2, 64, 64, 3), np.uint8)); del fuser; gc.collect(); said = [];"
        "signal.signal(signal.SIGTERM, lambda number, _: said.append(number));"
        "filled = [bytes(9999) for _ in range(999)];"
        "os.kill(os.getpid(), signal.SIGTERM); print(said)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[15]"


@pytest.mark.parametrize("name", ["FOCUS_GRAPH", "COMPARER_GRAPH"])
def test_the_bundled_graphs_are_those_of_the_networks(name, openvino_engine, tmp_path, monkeypatch):
    from model.networks import graphs  # imports OpenVINO

    bundled = {"FOCUS_GRAPH": FOCUS_GRAPH, "COMPARER_GRAPH": COMPARER_GRAPH}[name]
    monkeypatch.setattr(graphs, name, tmp_path / bundled.name)
    {"FOCUS_GRAPH": graphs.focus_graph, "COMPARER_GRAPH": graphs.comparer_graph}[name]()
    for suffix in (".json", ".bin"):
        made = (tmp_path / bundled.name).with_suffix(suffix)
        assert made.read_bytes() == bundled.with_suffix(suffix).read_bytes()


@pytest.mark.parametrize("table", ["{}", None])
def test_a_graph_whose_table_is_empty_is_refused(tmp_path, openvino_engine, monkeypatch, table):
    """A network without weights would compute something, and nobody would know."""
    monkeypatch.setenv("MFF_CACHE", "")
    for suffix in (".xml", ".bin", ".json"):
        shutil.copy(FOCUS_GRAPH.with_suffix(suffix), tmp_path / f"light{suffix}")
    content = json.loads((tmp_path / "light.json").read_text())
    content.popitem()
    (tmp_path / "light.json").write_text(table or json.dumps(dict(list(content.items())[1:])))
    monkeypatch.setattr("model.networks.openvino_engine.FOCUS_GRAPH", tmp_path / "light.xml")
    with pytest.raises(InputError, match=r"light\.json is damaged: it does not name the weights of light\.xml"):
        load_engine(BUNDLED_WEIGHTS, BUNDLED_COMPARER, "openvino")


def test_what_cannot_be_run_is_said(tmp_path, openvino_engine, monkeypatch):
    with pytest.raises(InputError, match="the engine must be one of auto, tensorflow, openvino"):
        load_engine(BUNDLED_WEIGHTS, engine="onnx")
    with pytest.raises(InputError, match="computes on the processor alone"):
        choose_engine(BUNDLED_WEIGHTS, "openvino", "gpu")
    other = tmp_path / "compact.weights.h5"
    save_weights(build_network("compact"), other, {"variant": "compact"})
    assert choose_engine(other) == "tensorflow"
    with pytest.raises(InputError, match=r"has a graph of light alone, .* holds another network"):
        choose_engine(other, "openvino")
    copy = tmp_path / "light.weights.h5"
    shutil.copy(BUNDLED_WEIGHTS, copy)
    with pytest.raises(InputError, match="is missing"):
        choose_engine(copy)
    monkeypatch.setattr("model.networks.engine.has_driver", lambda: True)
    assert choose_engine(BUNDLED_WEIGHTS) == "tensorflow"
    assert choose_engine(BUNDLED_WEIGHTS, device="cpu") == "openvino"
    monkeypatch.setattr("model.networks.engine.find_spec", lambda _: None)
    assert choose_engine(BUNDLED_WEIGHTS, device="cpu") == "tensorflow"
    with pytest.raises(InputError, match="is not installed"):
        choose_engine(BUNDLED_WEIGHTS, "openvino")
