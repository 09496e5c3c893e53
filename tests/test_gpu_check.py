"""The check of a GPU, on a processor: a small network, and one precision."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data.io.image_io import write_image
from data.runtime.errors import InputError, StoppedError, run_command
from model.measurements import gpu_check
from model.measurements.__main__ import main
from model.measurements.gpu_check import BUDGETS, STEP_PRECISIONS
from model.networks.weights import load_network
from tests.conftest import drawn_photograph


def test_without_a_gpu_it_is_one_sentence(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert run_command(main, ["gpu-check", "-o", str(tmp_path / "gpu")]) == 1
    said = capsys.readouterr().err
    assert said.startswith("error: no GPU was found: ") and said.count("\n") == 1
    assert not (tmp_path / "gpu").exists()


@pytest.mark.long
def test_every_kind_of_part(small_voc, tmp_path, monkeypatch, capsys):
    small = BUDGETS["small"]
    settings = {**small.settings, "size": 32, "pairs_per_batch": 2}
    tiny = replace(small, settings=settings, precisions=("bfloat16",), pairs=(), train_seconds=5, validation_pairs=2)
    monkeypatch.setitem(BUDGETS, "small", tiny)
    for name in "AB":
        write_image(tmp_path / "pairs" / f"x-{name}.png", drawn_photograph(np.random.default_rng(ord(name)), 40, 48))
    words = ["--voc", small_voc, "-i", tmp_path / "pairs", "-o", tmp_path / "gpu"]
    words += ["--device", "cpu", "--budget", "small"]
    assert main(["gpu-check", *map(str, words)]) == 0
    found = json.loads((tmp_path / "gpu" / "gpu-check.json").read_text())
    assert found["failures"] == {} and found["device"].startswith("CPU, ")
    training, measures, fusion, step, compiled = found["parts"].values()
    assert list(found["parts"])[3:] == ["bfloat16, 4 images", "bfloat16, 4 images, XLA"]
    assert training["steps"] >= 2 and 0 <= training["waiting_share"] <= 1
    assert training["validation_is_equal"] and 0 <= training["validation"]["accuracy"] <= 1
    assert measures["equal"] and min(measures["seconds"].values()) > 0
    assert load_network(tmp_path / "gpu" / "run" / "stopped.weights.h5").name == "light"
    assert fusion["pairs"] == 1 and 0 < fusion["q_abf"] < 1
    for part in (training, step, compiled):
        assert part["images_per_second"] > 0 and part["peak_bytes"] is None
    assert "bfloat16, 4 images, XLA" in capsys.readouterr().out
    code = run_command(main, ["gpu-check", *map(str, words)])
    assert code == 1 and "exists" in capsys.readouterr().err


STEP = {"images_per_second": 2.0, "first_step_seconds": 1.0, "peak_bytes": 3 * 10**9}


def test_a_part_that_fails_does_not_end_the_others(tmp_path, monkeypatch, capsys):
    """And which parts there are, where none is measured."""

    def stand_in(work, device, *inputs, name, limit=None):
        if name == "looked for devices":
            return {"device": device}
        if "16 images" in name:
            raise InputError("there is not enough memory.")
        return dict(STEP)

    monkeypatch.setattr(gpu_check, "run_apart", stand_in)
    assert main(["gpu-check", "-o", str(tmp_path), "--quiet"]) == 1
    found = json.loads((tmp_path / "gpu-check.json").read_text())
    assert found["device"] == "gpu"
    assert found["failures"] == {f"{one}, 16 images": "there is not enough memory." for one in ("float32", "float16")}
    whole = {f"{one}, 8 images{xla}" for one in STEP_PRECISIONS for xla in ("", ", XLA")}
    peaks = {f"{one}, {images} images" for one in ("float32", "float16") for images in (2, 4)}
    assert set(found["parts"]) == whole | peaks
    assert found["parts"]["TF32, 8 images"] == STEP


@pytest.mark.long
def test_a_signal_ends_all_parts(tmp_path, monkeypatch):
    def stopped(*_, name, **__):
        if name == "looked for devices":
            return {}
        raise StoppedError("stopped by SIGTERM.")

    monkeypatch.setattr(gpu_check, "run_apart", stopped)
    with pytest.raises(StoppedError):
        main(["gpu-check", "-o", str(tmp_path), "--quiet"])
