"""Which device computes, and what is said where there is no GPU; GPUs are stood in for by their names."""

import pytest
import tensorflow as tf

import fuse
import train
from data.runtime.errors import InputError, run_command
from model.networks import devices
from model.networks.devices import choose_device, device_name, why_no_gpu

WITHOUT_GPU = pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")


@pytest.fixture
def chosen(monkeypatch):
    """What becomes visible of two GPUs."""
    seen = []
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: ["first", "second"])
    monkeypatch.setattr(tf.config, "set_visible_devices", lambda gpus, kind: seen.append((gpus, kind)))
    return seen


@pytest.mark.parametrize(
    ("device", "visible"),
    [("cpu", []), ("gpu", ["first", "second"]), ("gpu:0", ["first"]), ("gpu:1", ["second"])],
)
def test_the_device_that_is_asked_for(device, visible, chosen):
    choose_device(device)
    assert chosen == [(visible, "GPU")]


def test_auto_leaves_all_as_it_is_and_a_gpu_must_be_there(chosen):
    choose_device("auto")
    with pytest.raises(InputError, match="there is no gpu:2; this machine has gpu:0 to gpu:1"):
        choose_device("gpu:2")
    assert chosen == []


@WITHOUT_GPU
@pytest.mark.parametrize("device", ["gpu", "gpu:0"])
def test_no_gpu_is_one_sentence_with_the_reason(device, small_voc, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    files = [tmp_path / f"{name}.png" for name in "AB"]
    for file in files:
        tf.io.write_file(str(file), tf.io.encode_png(tf.zeros((32, 32, 3), tf.uint8)))
    for main, words in (
        (train.main, ["--voc", small_voc, "-o", tmp_path / "run"]),
        (fuse.main, [*files, "-o", tmp_path / "fused.png", "--no-align"]),
    ):
        assert run_command(main, [*map(str, words), "--device", device]) == 1
        assert capsys.readouterr().err.endswith(
            "error: no GPU was found: CUDA_VISIBLE_DEVICES='-1' hides them. --device cpu computes without one.\n"
        )


@WITHOUT_GPU
def test_why_there_is_no_gpu(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "has_driver", lambda: False)
    assert "no NVIDIA driver is installed" in why_no_gpu()
    assert device_name().startswith("CPU, ")
    # With a driver, TensorFlow itself is asked, in a process of its own.
    monkeypatch.setattr(devices, "has_driver", lambda: True)
    said = why_no_gpu()
    assert 'TensorFlow says "' in said and 'says "nothing"' not in said and "tensorflow[and-cuda]" in said


@pytest.mark.parametrize("main", [train.main, fuse.main])
@pytest.mark.parametrize("device", ["tpu", "gpu:", "gpu:x", "GPU", ""])
def test_other_words_are_wrong_usage(main, device, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--device", device])
    assert stop.value.code == 2
    assert "is none of auto, cpu, gpu and gpu:N" in capsys.readouterr().err
