"""The whole decision as one graph: SavedModel, ONNX and OpenVINO, by the programs in docs/examples, and `fuse.py`."""

import subprocess
import sys

import numpy as np
import pytest

from data.demo import rendered_scene
from data.io.image_io import read_image, write_image
from data.runtime.errors import run_command
from model import load_fuser
from model.bundled import BUNDLED_WEIGHTS
from model.export.__main__ import FORMATS, main
from model.networks.comparer import load_comparer
from tests.conftest import REPOSITORY

NEEDED = {"savedmodel": ("tensorflow",), "onnx": ("tf2onnx", "onnxruntime"), "openvino": ("openvino",)}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported")
    for name, modules in NEEDED.items():
        for module in modules:
            pytest.importorskip(module, reason=f"{name} needs {module}: pip install -r requirements-dev.txt")
    assert main(["-o", str(folder), "--quiet"]) == 0
    return folder


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    near, far = (image[:250, :333] for image in rendered_scene().photographs())  # sides that are no multiples
    for name, image in (("A", near), ("B", far)):
        write_image(folder / f"{name}.png", image)
    return folder


def test_keras_reads_the_networks(exported):
    words = "import keras, sys, model.networks.network"
    words += "\nfor path in sys.argv[1:]: print('parameters', keras.models.load_model(path).count_params())"
    command = [sys.executable, "-c", words, *(exported / name for name in FORMATS["keras"].files)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    counts = [int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("parameters")]
    assert counts == [1_096_770, load_comparer(BUNDLED_WEIGHTS).count_params()]


@pytest.mark.parametrize("name", NEEDED)
def test_a_program_without_this_project_fuses_as_fuse_py(name, exported, pair, tmp_path):
    graph = exported / FORMATS[name].files[0]
    script = REPOSITORY / "docs" / "examples" / f"fuse_{name}.py"
    command = [sys.executable, script, graph, pair / "A.png", pair / "B.png", tmp_path / "fused.png"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "% of the pixels are taken from" in done.stdout
    fused = read_image(tmp_path / "fused.png").astype(int)
    images = [read_image(pair / f"{name}.png") for name in "AB"]
    decision = load_fuser().decide(*images)
    differs = np.abs(fused - decision.fused).max(-1) > 2
    assert differs.mean() < 0.01  # small regions, which fuse.py alone removes


def test_what_is_there_is_not_replaced_unasked(exported, capsys):
    before = {path: path.stat().st_mtime_ns for path in exported.iterdir()}
    assert run_command(main, ["-o", str(exported), "--quiet"]) == 1
    assert "exists" in capsys.readouterr().err
    assert before == {path: path.stat().st_mtime_ns for path in exported.iterdir()}


def test_weights_go_with_their_comparer(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["-o", str(tmp_path), "--weights", "own.weights.h5"])
    assert "--weights and --comparer must be given together" in capsys.readouterr().err


def test_a_folder_of_something_else_is_never_replaced(tmp_path, capsys):
    (tmp_path / "savedmodel").mkdir()
    (tmp_path / "savedmodel" / "mine.txt").write_text("mine")
    command = ["-o", str(tmp_path), "--overwrite", "--formats", "savedmodel"]
    assert run_command(main, command) == 1
    assert "is not an exported graph" in capsys.readouterr().err
    (tmp_path / "savedmodel" / "saved_model.pb").touch()
    own = [str(tmp_path / "savedmodel" / name) for name in ("own.weights.h5", "own-comparer.weights.h5")]
    assert run_command(main, [*command, "--weights", own[0], "--comparer", own[1]]) == 1
    assert "is not an exported graph" in capsys.readouterr().err
    assert (tmp_path / "savedmodel" / "mine.txt").read_text() == "mine"


def test_what_is_not_installed_is_said_before_work_starts(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("model.export.__main__.find_spec", lambda _: None)
    assert run_command(main, ["-o", str(tmp_path / "none"), "--formats", "onnx"]) == 1
    assert "tf2onnx is not installed" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
