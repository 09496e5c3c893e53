"""train.py end to end on ten small scenes: what it writes, that a killed run goes on exactly, and bad input."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pytest
import tensorflow as tf

from data.io.image_io import read_image
from data.runtime.errors import run_command
from data.synthesis.pipeline import PairSource
from data.synthesis.voc import split_scenes
from model import TrainingRun, load_fuser
from model.networks.weights import load_network
from model.training.checkpoints import Progress, checkpoint_path, load_checkpoint, save_checkpoint
from model.training.settings import TrainingConfig
from model.training.trainer import Trainer
from tests.conftest import REPOSITORY, fails
from train import main

OPTIONS = [
    *("--variant", "light", "--transfer", "none", "--size", "32", "--split", "voc", "--pairs-per-batch", "8"),
    *("--epochs", "2", "--validation-pairs", "4", "--optimizer", "adamw", "--learning-rate", "1e-3"),
    *(
        "--average",
        "0.9",
        "--schedule",
        "cosine",
        "--warmup-steps",
        "2",
        "--accumulate",
        "2",
        "--deterministic",
        "--quiet",
    ),
]

TENSORBOARD = find_spec("tensorboard") is not None


def start(*arguments):
    command = [sys.executable, "train.py", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def read_log(folder):
    with (folder / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


@pytest.fixture(scope="module")
def runs(small_voc, tmp_path_factory):
    """Two runs of the same settings: one undisturbed, one killed inside its second epoch and resumed; both with
    TensorBoard's logs where it is installed."""
    folder = tmp_path_factory.mktemp("runs")
    boards = {name: ["--tensorboard", folder / f"{name}-board"] * TENSORBOARD for name in ("whole", "killed")}
    whole = start("--voc", small_voc, "-o", folder / "whole", *OPTIONS, *boards["whole"])
    killed = start("--voc", small_voc, "-o", folder / "killed", *OPTIONS, "--checkpoint-minutes", 0, *boards["killed"])
    # Wait for a checkpoint inside the second epoch (of five steps each), then kill without mercy.
    checkpoint = folder / "killed" / "checkpoint.npz"
    while killed.poll() is None:
        if checkpoint.is_file():
            with np.load(checkpoint) as file:
                progress = json.loads(file["progress"].tobytes())
            if progress["epoch"] == 1 and progress["batch"] >= 2:
                killed.send_signal(signal.SIGKILL)
                break
        time.sleep(0.05)
    killed.wait()
    assert killed.returncode == -signal.SIGKILL, killed.stderr.read()
    assert not (folder / "killed" / "record.json").exists()
    resumed = start("--resume", folder / "killed", "--json", *boards["killed"])
    _, errors = whole.communicate()
    assert whole.returncode == 0, errors
    record, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    return folder, json.loads(record)


def test_a_killed_run_goes_on_exactly(runs):
    folder, _ = runs
    assert len(read_log(folder / "whole")) == 2
    assert read_log(folder / "whole") == read_log(folder / "killed")
    states = [np.load(folder / name / "checkpoint.npz") for name in ("whole", "killed")]
    for name in states[0].files:
        if name != "progress":
            np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)


def test_what_a_run_leaves(runs):
    folder, record = runs
    written = sorted(path.name for path in (folder / "whole").iterdir())
    weights = [f"{name}.weights.{suffix}" for name in ("best", "last") for suffix in ("h5", "json")]
    others = [
        "checkpoint.npz",
        "checkpoint.1.npz",
        "config.json",
        "curves.png",
        "log.csv",
        "record.json",
        "scenes.json",
        "transfer.json",
    ]
    assert written == sorted(weights + others)
    assert record["steps"] == 10
    assert TrainingConfig.from_json(record["config"]).average == 0.9
    row = record["epochs"][-1]
    for name in ("loss", "decay", "accuracy", "val_loss_side1", "val_iou", "val_psnr", "val_ssim", "val_q_abf"):
        assert np.isfinite(row[name])
    assert read_image(folder / "whole" / "curves.png").ndim == 3
    scenes = json.loads((folder / "whole" / "scenes.json").read_text())
    assert len(scenes["train"]) == 8
    assert not set(scenes["train"]) & set(scenes["validation"])


def test_the_last_weights_are_the_averages(runs):
    folder = runs[0] / "whole"
    state, _ = load_checkpoint(folder / "checkpoint.npz")
    for variable in load_network(folder / "last.weights.h5").weights:
        np.testing.assert_array_equal(variable, state[f"average/{variable.path}"], err_msg=variable.path)


def test_the_weights_fuse(runs):
    near, far = np.random.default_rng(0).integers(0, 256, (2, 40, 50, 3), dtype=np.uint8)
    fused = load_fuser(runs[0] / "whole" / "best.weights.h5")(near, far)
    assert np.all(np.all(fused == near, -1) | np.all(fused == far, -1))  # refined: theirs is no comparer


def test_it_starts_from_weights(runs, small_voc, tmp_path):
    folder, record = runs
    file = folder / "whole" / "best.weights.h5"
    config = TrainingConfig.from_json({**record["config"], "start": str(file), "deterministic": False})
    run = TrainingRun(config, small_voc, tmp_path / "run")
    for ours, theirs in zip(run.trainer.network.get_weights(), load_network(file).get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    for average, weight in zip(run.trainer.averages, run.trainer.network.weights, strict=True):
        np.testing.assert_array_equal(average, weight)


def test_a_second_run_of_one_process_can_resume(runs, small_voc):
    folder, record = runs
    config = TrainingConfig.from_json({**record["config"], "deterministic": False})
    for _ in range(2):
        assert TrainingRun(config, small_voc, folder / "whole", resume=True).loop.steps_done == 10


@pytest.mark.parametrize("option", ["--size 64", "--no-jit", "--seed 0", "-o elsewhere", "--ablation compare-bn"])
def test_a_resumed_run_refuses_what_it_would_ignore(option, runs, capsys):
    code, said = fails(capsys, main, "--resume", runs[0] / "whole", *option.split())
    assert code == 2
    assert "--resume goes on with the run's own settings; leave --" in said


def test_a_finished_run_says_so_and_goes_on_for_more_epochs(runs, tmp_path, capsys):
    folder = tmp_path / "run"
    shutil.copytree(runs[0] / "whole", folder)
    assert run_command(main, ["--resume", str(folder)]) == 0
    assert "is finished: --epochs above 2 goes on" in capsys.readouterr().err
    assert read_log(folder) == read_log(runs[0] / "whole")
    assert run_command(main, ["--resume", str(folder), "--epochs", "3", "--quiet"]) == 0
    assert read_log(folder)[:2] == read_log(runs[0] / "whole") and len(read_log(folder)) == 3
    assert json.loads((folder / "record.json").read_text())["steps"] == 15
    code, said = fails(capsys, main, "--resume", folder, "--epochs", 1)
    assert (code, said.endswith("has 3 epochs already; give --epochs above that to go on.\n")) == (1, True)


def test_debug_shows_where_an_error_arose(tmp_path, capsys):
    assert run_command(main, ["--resume", str(tmp_path), "--debug"]) == 1
    said = capsys.readouterr().err
    assert "there is no run in" in said and "Traceback" in said and "read_settings" in said


def test_a_run_is_not_overwritten(runs, small_voc, capsys):
    code, said = fails(capsys, main, "--voc", small_voc, "-o", runs[0] / "whole", *OPTIONS)
    assert code == 1
    assert "holds a run already; go on with --resume" in said


def test_other_scenes_are_refused(runs, small_voc, capsys, tmp_path):
    other = tmp_path / "VOC2012"
    shutil.copytree(small_voc, other)
    lists = other / "ImageSets" / "Segmentation"
    (lists / "train.txt").write_text("\n".join((lists / "train.txt").read_text().split()[1:]))
    code, said = fails(capsys, main, "--resume", runs[0] / "whole", "--voc", other)
    assert code == 1
    assert "train scenes" in said


@pytest.mark.parametrize(("part", "suffix"), [("JPEGImages", "jpg"), ("SegmentationClass", "png")])
def test_an_exchanged_photograph_or_mask_is_refused(part, suffix, runs, small_voc, capsys, tmp_path):
    other = tmp_path / "VOC2012"
    shutil.copytree(small_voc, other)
    name = json.loads((runs[0] / "whole" / "scenes.json").read_text())["validation"][1]
    file = other / part / f"{name}.{suffix}"
    file.write_bytes(file.read_bytes() + b"x")  # what a decoder does not see
    code, said = fails(capsys, main, "--resume", runs[0] / "whole", "--voc", other, "--quiet")
    assert code == 1
    what = "photograph" if suffix == "jpg" else "mask"
    assert f"the {what} of the scene {name} is not the one that" in said


def test_a_run_saved_before_there_were_digests_goes_on_with_a_warning(runs, capsys, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs[0] / "whole", folder)
    scenes = json.loads((folder / "scenes.json").read_text())
    digests = scenes.pop("sha256")
    (folder / "scenes.json").write_text(json.dumps(scenes))
    code, said = fails(capsys, main, "--resume", folder, "--quiet")
    assert code == 0
    assert "has no digests" in said and "could not be checked" in said
    assert json.loads((folder / "scenes.json").read_text())["sha256"] == digests
    assert fails(capsys, main, "--resume", folder, "--quiet") == (0, "")


class Stop(Exception):
    """Ends a run as a killed process does, with no checkpoint of its own."""


@pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eagerly`")
@pytest.mark.long
def test_shorter_epochs_end_in_a_row_of_the_log_each(small_voc, tmp_path):
    """Also in a run that ends inside the second epoch and is resumed."""
    config = TrainingConfig(
        variant="light",
        transfer=None,
        size=32,
        split="voc",
        pairs_per_batch=1,
        validation_pairs=1,
        epochs=3,
        steps_per_epoch=2,
        learning_rate=1e-4,
    )

    def train(folder, resume=False, until=None):
        run, seen = TrainingRun(config, small_voc, tmp_path / folder, resume=resume), []

        def observe(epoch, *_):
            seen.append(epoch)
            if len(seen) == until:
                raise Stop

        run.run(observe, checkpoint_minutes=0)
        return seen

    tf.config.run_functions_eagerly(True)  # compiling would take most of the time
    try:
        assert train("whole") == [1, 1, 2, 2, 3, 3]
        with pytest.raises(Stop):
            train("killed", until=4)
        assert train("killed", resume=True) == [2, 3, 3]
    finally:
        tf.config.run_functions_eagerly(False)
    logs = [read_log(tmp_path / name) for name in ("whole", "killed")]
    assert [(row["epoch"], row["step"]) for row in logs[0]] == [("1", "2"), ("2", "4"), ("3", "6")]
    for one, other in zip(*logs, strict=True):
        assert one.keys() == other.keys() and one["step"] == other["step"]
        assert float(one["loss"]) == pytest.approx(float(other["loss"]), rel=1e-3)
        assert 0 < float(one["val_loss"]) == pytest.approx(float(other["val_loss"]), rel=1e-3)
    source = PairSource(split_scenes(small_voc, "voc")[0], config.synthesis)
    counts = [replace(source, most_batches=most).batches_per_epoch(1) for most in (None, 2, 1000)]
    assert counts == [40, 2, 40]


@pytest.mark.long
def test_sigterm_saves_and_leaves(runs, small_voc, tmp_path):
    process = start("--voc", small_voc, "-o", tmp_path / "run", *OPTIONS)
    log = tmp_path / "run" / "checkpoint.npz"
    deadline = time.monotonic() + 240
    while not log.is_file() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate()
    assert process.returncode == 1
    assert "stopped by SIGTERM after step" in errors
    assert "Traceback" not in errors
    resumed = start("--resume", tmp_path / "run", "--json")
    record, errors = resumed.communicate()
    assert resumed.returncode == 0, errors
    whole, again = (np.load(folder / "checkpoint.npz") for folder in (runs[0] / "whole", tmp_path / "run"))
    for name in whole.files:
        if name != "progress":
            np.testing.assert_array_equal(whole[name], again[name])
    assert json.loads(record)["steps"] == runs[1]["steps"]


@pytest.mark.long
def test_a_damaged_checkpoint_falls_back_to_the_one_before(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs[0] / "killed", folder)
    newest, older = (checkpoint_path(folder / "checkpoint.npz", age) for age in (0, 1))
    progress = load_checkpoint(older)[1]
    assert (progress.epoch, load_checkpoint(newest)[1].epoch) == (1, 2)
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 255
    newest.write_bytes(content)
    with pytest.warns(UserWarning, match=r"is damaged .* goes on from checkpoint.1.npz"):
        assert load_checkpoint(newest)[1] == progress
    assert run_command(main, ["--resume", str(folder), "--quiet"]) == 0
    whole, again = (np.load(path / "checkpoint.npz") for path in (runs[0] / "whole", folder))
    for name in whole.files:
        if name != "progress":
            np.testing.assert_array_equal(whole[name], again[name])
    assert newest.with_name("checkpoint.npz.damaged").exists()
    newest.unlink()
    assert load_checkpoint(newest)[1] == progress


def test_a_loss_that_is_no_number_stops_the_run(small_voc, tmp_path, monkeypatch, capsys):
    true_step = Trainer.step

    def step(self, images, labels):
        report = true_step(self, images, labels)
        return report * np.nan if int(self.optimizer.iterations.numpy()) == 3 else report

    monkeypatch.setattr(Trainer, "step", step)
    options = ["--voc", str(small_voc), "-o", str(tmp_path / "run"), *OPTIONS, "--checkpoint-minutes", "0"]
    assert run_command(main, options) == 1
    said = capsys.readouterr().err
    assert "the loss became nan in step 3 (pairs 2007_" in said
    assert said.count(" level ") == 8
    assert load_checkpoint(tmp_path / "run" / "checkpoint.npz")[1].batch == 2


def test_too_little_memory_names_the_remedies(small_voc, tmp_path, monkeypatch, capsys):
    def step(*_):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(Trainer, "step", step)
    assert run_command(main, ["--voc", str(small_voc), "-o", str(tmp_path / "run"), *OPTIONS]) == 1
    assert capsys.readouterr().err == (
        "error: there is not enough memory for step 1; start a new run with a larger --accumulate, with "
        "--mixed-precision, --recompute or a smaller --size.\n"
    )


def test_damaged_runs(runs, capsys, tmp_path):
    assert "there is no run in" in fails(capsys, main, "--resume", tmp_path)[1]
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("config.json", "scenes.json", "transfer.json"):
        (folder / name).write_bytes((runs[0] / "whole" / name).read_bytes())
    assert "there is nothing to resume" in fails(capsys, main, "--resume", folder)[1]
    (folder / "checkpoint.npz").write_bytes((runs[0] / "whole" / "checkpoint.npz").read_bytes()[:1000])
    assert "is damaged" in fails(capsys, main, "--resume", folder)[1]
    state, _ = load_checkpoint(runs[0] / "whole" / "checkpoint.npz")
    save_checkpoint(folder / "checkpoint.npz", state, Progress(batch=99))
    assert "does not fit: it stands at batch 99 of an epoch of 5" in fails(capsys, main, "--resume", folder)[1]
    (folder / "config.json").write_text('{"speed": 1}')
    assert "unknown setting 'speed'" in fails(capsys, main, "--resume", folder)[1]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", b"\xff\xfe", "is no JSON"),
        ("config.json", b"[1]", "is an object, received [1]"),
        ("config.json", b"[" * 100_000, "is no JSON"),
        ("config.json", b"{}", "'accumulate' is missing"),
        ("scenes.json", b"{", "is no JSON"),
        ("scenes.json", b"[]", "in place of an object"),
        ("scenes.json", b'{"voc": ".", "train": []}', "validation is missing"),
        ("scenes.json", b'{"voc": 1, "train": [], "validation": []}', "voc must be text, received 1"),
        ("scenes.json", b'{"voc": ".", "train": ["x"], "validation": [], "sha256": {}}', "x is missing"),
        ("scenes.json", None, "there is no such file"),
        ("transfer.json", b"null", "must be a list"),
        ("transfer.json", b"[1]", "must be a list"),
        ("transfer.json", b"{", "is no JSON"),
        ("transfer.json", None, "there is no such file"),
    ],
)
def test_a_run_with_a_damaged_file_is_one_sentence(name, content, message, runs, capsys, tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    for needed in ("config.json", "scenes.json", "transfer.json", "checkpoint.npz"):
        shutil.copy(runs[0] / "whole" / needed, folder)
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    code, said = fails(capsys, main, "--resume", folder, "--quiet")
    assert code == 1
    assert str(folder / name) in said and message in said and "unexpected" not in said


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("epochs", value) for value in (float("inf"), "2", [2], None, True, 2.5, 10**400, -1, 0)),
        *(("learning_rate", value) for value in (float("nan"), "1e-3", {}, None, False, 10**400)),
        *(("side_weights", value) for value in (1.0, [[1.0]] * 5, ["1"] * 5, [1.0] * 4, [float("inf")] * 5)),
        *(("variant", value) for value in (1, ["compact"], None, "wide")),
        *(("crop", 1), ("transfer", False), ("validation_pairs", 0), ("seed", -1), ("warmup_steps", 10**6)),
        *(("optimizer", "sgd"), ("schedule", []), ("initializer", {}), ("split", 3), ("average", "0.9")),
    ],
    ids=lambda value: repr(value)[:20],
)
def test_a_saved_setting_that_cannot_be_is_one_sentence(setting, value, runs, capsys, tmp_path):
    for name in ("config.json", "scenes.json", "transfer.json"):
        shutil.copy(runs[0] / "whole" / name, tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**saved, setting: value}))
    code, said = fails(capsys, main, "--resume", tmp_path, "--quiet")
    assert code == 1
    assert setting in said and "unexpected" not in said
    assert str(tmp_path / "config.json") in said or setting == "warmup_steps"  # depends on the data


def read_board(folder):
    """TensorBoard's scalars, by step and name."""
    rows = {}
    for path in folder.iterdir():
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            for value in event.summary.value:
                assert value.tag not in rows.setdefault(event.step, {})
                rows[event.step][value.tag] = float(tf.make_ndarray(value.tensor))
    return rows


@pytest.mark.skipif(not TENSORBOARD, reason="TensorBoard, which is optional, is not installed")
@pytest.mark.parametrize("name", ["whole", "killed"])
def test_tensorboard_shows_what_the_log_says(name, runs):
    with (runs[0] / name / "log.csv").open() as file:
        logged = [{column: float(value) for column, value in row.items()} for row in csv.DictReader(file)]
    shown = read_board(runs[0] / f"{name}-board")
    assert sorted(shown) == [5, 10] == [row["step"] for row in logged]
    for row in logged:
        assert shown[row["step"]] == pytest.approx(row, rel=1e-6, nan_ok=True)


@pytest.mark.skipif(TENSORBOARD, reason="TensorBoard is installed")
def test_tensorboard_is_optional(small_voc, capsys, tmp_path):
    code, said = fails(
        capsys, main, "--voc", small_voc, "-o", tmp_path / "run", "--tensorboard", tmp_path / "tb", *OPTIONS
    )
    assert code == 1
    assert "TensorBoard is not installed" in said


@pytest.mark.skipif(os.name != "posix", reason="needs a folder without permission")
def test_an_output_that_cannot_be_written(small_voc, capsys, tmp_path):
    (tmp_path / "file").write_text("")
    code, said = fails(capsys, main, "--voc", small_voc, "-o", tmp_path / "file" / "run", *OPTIONS)
    assert code == 1
    assert "is a file" in said
