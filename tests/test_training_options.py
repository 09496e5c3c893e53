"""The options of train.py: the paper's defaults, what each changes, and wrong ones."""

from dataclasses import fields
from types import SimpleNamespace

import pytest

from data.runtime.errors import InputError
from model import TrainingRun
from model.training.settings import ABLATIONS, TrainingConfig
from tests.conftest import fails
from train import build_parser, main, read_config


def test_every_setting_is_an_option_with_a_help_text():
    help_text = build_parser().format_help()
    for setting in fields(TrainingConfig):
        assert f"--{setting.name.replace('_', '-')}" in help_text
        assert setting.metadata["help"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 2, "--voc DIR is needed"),
        ("--voc absent", 1, "holds no VOC data"),
        ("--voc VOC --size 100", 2, "multiple of 32"),
        ("--voc VOC --learning-rate 0", 2, "learning_rate must be above 0"),
        ("--voc VOC --average 1.5", 2, "between 0 and 1"),
        ("--voc VOC --learning-rate nan", 2, "learning_rate must be a finite number, received nan"),
        ("--voc VOC --seed 5000000000", 2, "seed must be at most 4294967295"),
        ("--voc VOC --epochs 0", 2, "0 is below 1"),
        ("--voc VOC --side-weights 0 0 0 0 0", 2, "not all 0"),
        ("--voc VOC --variant compact --transfer none --pairs-per-batch 1000 --size 32", 1, "do not fill one batch"),
        ("--voc VOC --start x.weights.h5", 2, "not from both"),
        ("--voc VOC --transfer none --start x.weights.h5 --size 32", 1, "x.weights.h5 is missing"),
        ("--voc VOC --transfer absent.h5 --size 32", 1, "absent.h5 is missing"),
    ],
)
def test_bad_input(arguments, code, message, small_voc, capsys, tmp_path):
    words = [str(small_voc) if word == "VOC" else word for word in arguments.split()]
    got, said = fails(capsys, main, *words, "-o", tmp_path / "run")
    assert got == code
    assert message in said


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], None),
        (["--mixed-precision"], "float16"),
        (["--mixed-precision", "bfloat16"], "bfloat16"),
        (["--mixed-precision", "float16", "--jit"], "float16"),
    ],
)
def test_mixed_precision_is_float16_unless_named(words, expected):
    arguments = build_parser().parse_args([*words, "--voc", "VOC"])
    assert read_config(build_parser(), arguments).mixed_precision == expected


def test_parts_of_a_batch_are_for_one_device(small_voc, tmp_path):
    several = SimpleNamespace(replicas=2, chief=True, pairs_per_replica=lambda pairs: pairs // 2)
    config = TrainingConfig(variant="light", transfer=None, accumulate=2)
    with pytest.raises(InputError, match="--accumulate is for one device"):
        TrainingRun(config, small_voc, tmp_path, distribution=several)


def test_the_defaults_are_the_papers():
    config = read_config(build_parser(), build_parser().parse_args(["--voc", "VOC"]))
    assert config == TrainingConfig()
    assert (config.variant, config.transfer, config.recipe, config.size) == ("paper", "imagenet", "paper", 224)
    assert (config.optimizer, config.learning_rate, config.momentum) == ("rmsprop", 1e-6, 0.9)
    assert (config.weight_decay, config.epochs, config.scenes) == (0.001, 50, 2000)
    assert (config.schedule, config.clip_norm, config.average) == ("constant", None, None)
    assert (config.accumulate, config.recompute, config.mixed_precision, config.jit) == (1, False, None, False)


@pytest.mark.parametrize("name", ABLATIONS)
def test_an_ablation_changes_one_thing(name):
    config = read_config(build_parser(), build_parser().parse_args(["--voc", "VOC", "--ablation", name]))
    changed = {key: value for key, value in config.to_json().items() if value != TrainingConfig().to_json()[key]}
    expected = {
        "compare-loss": {"side_weights": (0, 0, 0, 0, 1), "l2_weight": 0},
        "compare-bn": {"batch_norm": False},
        "compare-initial": {"initializer": "normal"},
        "non-tl": {"transfer": None},
        "encoder-skips": {"encoder_skips": True},
    }
    assert changed == expected[name]
