"""Settings and scenes of a run, types of values from files, and VOC's lists: what cannot be is one sentence."""

import json
import shutil
from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.io.fields import check_values
from data.runtime.errors import InputError
from data.synthesis.voc import read_scenes, split_scenes
from model.training.run_folder import RunScenes
from model.training.settings import TrainingConfig

JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=5,
)
SAVED = json.loads(json.dumps(TrainingConfig().to_json()))


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(sorted(SAVED)), value=JSON)
def test_any_value_of_any_setting_is_a_configuration_or_a_sentence(name, value):
    try:
        config = TrainingConfig.from_json({**SAVED, name: value})
    except ValueError as error:
        assert str(error).endswith(".") and len(str(error)) < 400
        return
    assert TrainingConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


@settings(max_examples=100, deadline=None)
@given(content=JSON)
def test_any_json_is_no_configuration(content):
    with pytest.raises(ValueError, match="saved configuration"):
        TrainingConfig.from_json(content)


@pytest.mark.parametrize("name", [field.name for field in fields(TrainingConfig)])
def test_every_setting_is_of_its_type(name):
    with pytest.raises(ValueError, match=f"^{name} must be .*, received"):
        replace(TrainingConfig(), **{name: {"an": "object"}})


def test_a_run_that_lacks_a_setting():
    assert TrainingConfig.from_json(SAVED) == TrainingConfig()
    for name in SAVED:
        with pytest.raises(ValueError, match=f"'{name}' is missing"):
            TrainingConfig.from_json({key: value for key, value in SAVED.items() if key != name})


@pytest.mark.parametrize(
    ("kind", "right", "wrong"),
    [
        (int, [0, -1, 2**63 - 1], [True, 1.0, "1", None, 2**63, [1]]),
        (float, [0, 1.5, -1e300], [True, float("inf"), float("nan"), "1", 10**400, None]),
        (bool, [True], [1, 0, "true", None]),
        (str | None, ["", None], [0, False, []]),
        (tuple[float, ...], [(), (1, 2.0)], [[1.0], (1.0, "2"), ((1.0,),), 1.0]),
        (tuple[int | None, str], [(None, ""), (1, "x")], [(1,), (1, "x", 2), ("x", 1)]),
        (list[dict[str, int]], [[], [{"a": 1}]], [[1], [{"a": "1"}], [{1: 1}], {}]),
        (Any, [None, [[]]], []),
    ],
)
def test_types_of_values(kind, right, wrong):
    for value in right:
        check_values({"x": kind}, {"x": value})
    for value in wrong:
        with pytest.raises(ValueError, match=r"x must be .*, received"):
            check_values({"x": kind}, {"x": value})
    with pytest.raises(ValueError, match="x is missing"):
        check_values({"x": kind}, {})


def test_scenes_are_compared_to_the_last_byte(small_voc, tmp_path):
    other = tmp_path / "VOC2012"
    shutil.copytree(small_voc, other)
    RunScenes(small_voc, *split_scenes(small_voc, "voc")).write(tmp_path)
    RunScenes(other, *split_scenes(other, "voc")).check(tmp_path)
    mask = other / "SegmentationClass" / "2007_000003.png"
    shutil.copy(other / "SegmentationClass" / "2007_000004.png", mask)
    with pytest.raises(InputError, match=r"the mask of the scene 2007_000003 is not the one that .*; put it back"):
        RunScenes(other, *split_scenes(other, "voc")).check(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"2007_000000\n2007_000001\n2007_000000\n", "names the scene 2007_000000 2 times"),
        (b"2007_000000\x00\n", "which is no scene"),
        (b"../../2007_000000\n", "which is no scene"),
        (b"x" * 1000, "which is no scene"),
        (b"\xff\xfe2007", "is no text in UTF-8"),
        (b"", "names no scene"),
    ],
)
@pytest.mark.parametrize("split", ["seeded", "voc"])
def test_lists_that_cannot_be_used(content, message, split, small_voc, tmp_path):
    root = tmp_path / "VOC2012"
    shutil.copytree(small_voc, root)
    name = "trainval" if split == "seeded" else "val"
    (root / "ImageSets" / "Segmentation" / f"{name}.txt").write_bytes(content)
    with pytest.raises(InputError, match=message):
        split_scenes(root, split)
    with pytest.raises(InputError, match=message):
        read_scenes(root, name)


@pytest.mark.parametrize("saved", ["float16", "bfloat16", None])
def test_mixed_precision_as_it_is_saved(saved):
    assert TrainingConfig.from_json({**SAVED, "mixed_precision": saved}).mixed_precision == saved


def test_a_batch_must_divide_into_its_parts():
    assert replace(TrainingConfig(), accumulate=4).accumulate == 4
    with pytest.raises(ValueError, match="must be a multiple of accumulate, received 4 and 3"):
        replace(TrainingConfig(), accumulate=3)
