"""Archives of arrays that are damaged, forged or hold what is no number: checkpoints and dictionaries."""

import io
import json
import warnings
import zipfile
from dataclasses import asdict

import numpy as np
import pytest

from data.runtime.errors import InputError
from model.baselines.sparse_coding.dictionaries import BUNDLED, MOST_BYTES, load_dictionaries
from model.training.checkpoints import Progress, checkpoint_path, load_checkpoint, save_checkpoint

STATE = {"network/kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "optimizer/iteration": np.array(7)}
ROW = {"epoch": 1, "step": 10, "loss": 0.5, "val_iou": 0.7, "val_psnr": float("nan")}
OLDER, NEWER = Progress(1, 2, [1.0] * 8, 3.5, [ROW], ROW), Progress(1, 3, [1.5] * 8, 4.5, [ROW], ROW)


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoint.npz"
    for progress in (OLDER, NEWER):
        save_checkpoint(path, STATE, progress)
    return path


WHOLE = asdict(NEWER)


def forge(path, progress=WHOLE, **members):
    """Writes an archive whose members are given as bytes; what is not given is as it should be."""
    with zipfile.ZipFile(path, "w") as archive:
        text = json.dumps(progress)
        for name, values in {"progress": np.frombuffer(text.encode(), np.uint8), **members}.items():
            archive.writestr(f"{name}.npy", values if isinstance(values, bytes) else as_npy(values))


def as_npy(values):
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def check_fall_back(path, problem):
    with pytest.warns(UserWarning, match=rf"{problem}.*goes on from checkpoint\.1\.npz"):
        state, progress = load_checkpoint(path)
    assert (progress.batch, progress.totals, progress.best["val_iou"]) == (2, [1.0] * 8, 0.7)
    assert all(np.array_equal(state[name], values) for name, values in STATE.items())
    assert path.with_name("checkpoint.npz.damaged").exists()


def header_places(content):
    """The bytes of a file that are no numbers of an array: all headers, of zip and of npy."""
    data = [content.index(values.tobytes()) for values in STATE.values()]
    inside = {place for start, values in zip(data, STATE.values(), strict=True) for place in range(values.nbytes)}
    return [place for place in range(len(content)) if place not in inside]


@pytest.mark.parametrize("bits", [1, 64, 255])
def test_any_changed_byte_of_a_header_falls_back(path, bits):
    whole = path.read_bytes()
    older = checkpoint_path(path, 1).read_bytes()
    fallen = 0
    for place in header_places(whole):
        content = bytearray(whole)
        content[place] ^= bits
        path.write_bytes(content)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            state, progress = load_checkpoint(path)
        assert all(np.array_equal(state[name], values) for name, values in STATE.items())
        assert progress.batch == (2 if said else 3), (
            place
        )  # what does not matter to a reader, such as a date, may differ
        fallen += bool(said)
        checkpoint_path(path, 1).write_bytes(older)
    assert fallen > 500


def test_what_a_header_declares_is_bounded_by_the_file(path):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (10**13,)})
    forge(path, **{"state/network/kernel": header.getvalue() + bytes(24)})
    check_fall_back(path, "declares another size than it has")


def test_compressed_arrays_are_refused(path):
    text = np.frombuffer(json.dumps(WHOLE).encode(), np.uint8)
    np.savez_compressed(path, progress=text, **{"state/network/kernel": np.zeros(10**6, np.float32)})
    check_fall_back(path, "an array is compressed")


def test_pickles_are_refused(path):
    forge(path, **{"state/network/kernel": as_npy(np.array([{}], object))})
    check_fall_back(path, "is no array of numbers")


def test_two_arrays_of_one_name_are_refused(path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr("progress.npy", as_npy(np.zeros(1, np.uint8)))
    check_fall_back(path, "two arrays have one name")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_none_fall_back_and_are_not_saved(path, value):
    spoilt = {**STATE, "network/kernel": np.full((2, 3), value, np.float32)}
    whole = path.read_bytes()
    with pytest.raises(InputError, match=r"network/kernel holds values that are NaN or infinite.*is left as it was"):
        save_checkpoint(path, spoilt, NEWER)
    assert path.read_bytes() == whole
    forge(path, **{f"state/{name}": values for name, values in spoilt.items()})
    check_fall_back(path, "holds values that are NaN or infinite")


@pytest.mark.parametrize(
    "progress",
    [
        *([], "text", None, {}, {"epoch": 1}, {**WHOLE, "other": 1}),
        *({**WHOLE, "epoch": value} for value in ("1", -1, 1.0, True, None, 2, 10**30)),
        *({**WHOLE, "batch": value} for value in ("3", -3, float("nan"), [])),
        *({**WHOLE, "totals": value} for value in ([1.0] * 7, ["1"] * 8, [float("nan")] * 8, 8.0)),
        *({**WHOLE, "seconds": value} for value in (-1.0, float("inf"), "4", None)),
        *({**WHOLE, "rows": value} for value in ([], ["row"], [{}], [{**ROW, "epoch": 2}], [{**ROW, "loss": "x"}])),
        *({**WHOLE, "best": value} for value in (None, {}, "best", {**ROW, "epoch": 5}, {**ROW, "val_iou": None})),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
def test_progress_that_no_run_writes_falls_back(path, progress):
    forge(path, progress, **{f"state/{name}": values for name, values in STATE.items()})
    check_fall_back(path, "is damaged .its progress")


def test_progress_nested_without_end_falls_back(path):
    deep = np.frombuffer(b"[" * 200_000, np.uint8)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("progress.npy", as_npy(deep))
    check_fall_back(path, "is damaged")


def test_none_that_can_be_used_is_one_sentence(path):
    for age in (0, 1):
        checkpoint_path(path, age).write_bytes(b"PK")
    with pytest.raises(InputError, match=r"checkpoint\.npz is damaged .*the run cannot be resumed from it"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generic": np.full((64, 256), np.nan, np.float32)}, "generic holds values that are NaN or infinite"),
        ({"filters": np.array([{}], object)}, "is no array of numbers"),
        ({"more": np.zeros(MOST_BYTES, np.uint8)}, "are declared larger than they can be"),
        ({"generic": None}, "it has no dictionary 'generic'"),
    ],
)
def test_dictionaries_that_cannot_be_used(change, message, tmp_path):
    with np.load(BUNDLED) as file:
        content = {**file, **change}
    path = tmp_path / "dictionaries.npz"
    np.savez_compressed(path, **{name: values for name, values in content.items() if values is not None})
    with pytest.raises(InputError, match=message):
        load_dictionaries(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError, match="is damaged"):
        load_dictionaries(path)


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.npz"
    save_checkpoint(path, {"x": np.arange(3)}, Progress(batch=1))

    def full(file, **_):
        file.write_bytes(b"PK half of it")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as context, pytest.raises(OSError, match="No space left"):
        context.setattr(np, "savez", full)
        save_checkpoint(path, {"x": np.arange(3)}, Progress(batch=2))
    assert load_checkpoint(path)[1].batch == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["checkpoint.npz"]


def test_checkpoints_move_one_place_on(tmp_path):
    path = tmp_path / "checkpoint.npz"
    for batch in range(5):
        save_checkpoint(path, {"x": np.arange(3)}, Progress(batch=batch), keep=3)
    assert [load_checkpoint(checkpoint_path(path, age))[1].batch for age in range(3)] == [4, 3, 2]
    assert not checkpoint_path(path, 3).exists()
