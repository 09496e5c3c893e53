"""The ablation on small pairs: its tables, figures and plans, and what is resumed."""

import json
from dataclasses import replace

import numpy as np
import pytest

from data.io.image_io import read_image
from data.io.listing import find_pairs
from data.runtime.errors import InputError, StoppedError
from metrics import compute, resolve_variants
from metrics.scores import Scores
from model.experiments import ablation
from model.experiments.__main__ import main
from model.experiments.ablation_tables import USES, by_pair_table, make_tables
from model.experiments.competitors import to_run
from model.experiments.curves import draw_curves
from model.experiments.plans import DEFAULT_PLAN, plan, runs_of
from model.experiments.results import Comparison
from model.experiments.transfer_effect import VALIDATION_MEASURES, transfer_effect, unpaired_tests

CONFIG = """
runs = ["proposed", "compare-bn", "non-tl"]
seeds = [0, 1]
[budgets.tiny]
variant = "light"
transfer = "none"
recipe = "photographic"
crop = true
size = 32
split = "voc"
validation_pairs = 4
epochs = 1
scenes = 10
pairs_per_batch = 10
optimizer = "adamw"
learning_rate = 1e-3
"""


def test_ablation(small_voc, small_pairs, tmp_path, monkeypatch, capsys):
    (tmp_path / "tiny.toml").write_text(CONFIG)
    command = ["ablation", "--voc", str(small_voc), "-i", str(small_pairs), "-o", str(tmp_path / "out"), "--quiet"]
    command += ["--config", str(tmp_path / "tiny.toml"), "--budget", "tiny"]
    assert main(command) == 0
    first, second, third = ((tmp_path / "out" / "tables" / f"table{n}.md").read_text() for n in (1, 2, 3))
    assert "proposed-seed0" in first and "compare-bn" in first
    assert "proposed-seed1" not in first
    assert "proposed-seed1" in second
    assert "non-tl: the budget tiny has no transfer to leave out" in third
    assert "Q_ABF xydeas" in first
    config = json.loads((tmp_path / "out" / "runs" / "compare-bn" / "config.json").read_text())
    assert config["batch_norm"] is False
    assert read_image(tmp_path / "out" / "seeds.png").std() > 5
    assert sorted(path.name for path in (tmp_path / "out" / "figures").iterdir()) == [
        "seeds-scene.0.pdf",
        "seeds-scene.0.png",
    ]
    assert "maps at" not in first and "Pair by pair" not in third
    record = tmp_path / "out" / "runs" / "compare-bn" / "record.json"
    made = json.loads(record.read_text())
    record.write_text("[]")
    assert main(command) == 0
    assert json.loads(record.read_text())["epochs"] == made["epochs"]

    def trained_again(*_, **__):
        raise InputError("it is trained again.")

    for damage in (made | {"epochs": []}, made | {"training_seconds": "long"}):
        record.write_text(json.dumps(damage))
        with monkeypatch.context() as context:
            context.setattr(ablation, "train_alone", trained_again)
            assert main(command) == 1
        assert "compare-bn: it is trained again." in capsys.readouterr().err
    record.write_text(json.dumps(made))
    monkeypatch.setattr(ablation, "train_alone", lambda *_, **__: pytest.fail("trained again"))
    assert main(command) == 0
    (tmp_path / "tiny.toml").write_text(CONFIG.replace("1e-3", "2e-3"))
    assert main(command) == 1
    assert "trained with other settings" in capsys.readouterr().err


EPOCH = {"epoch": 1, "step": 1, "val_loss": 1.0, **dict.fromkeys(VALIDATION_MEASURES, 0.5)}
RUN = {
    "epochs": [EPOCH],
    "best_epoch": 1,
    "training_seconds": 1.0,
    "config": {"variant": "paper", "recipe": "paper", "pairs_per_batch": 4, "size": 224, "optimizer": "rmsprop"}
    | {"learning_rate": 1e-6},
    "steps": 1,
    "training_scenes": 1,
    "device": "CPU",
}
"""What a training run of the variant paper would note."""


@pytest.mark.parametrize(("more", "size", "use"), [((), 224, "last"), (("--size", "96", "--use", "best"), 96, "best")])
def test_an_ablation_of_the_papers_network(small_pairs, tmp_path, monkeypatch, more, size, use):
    """The paper's size, each pair with and without transfer, and its figures 8 and 9; DWT and PCA stand for runs."""

    def stand_in(name, weights, size):
        sizes.add(size)
        files.add(weights.name)
        return to_run("pca" if weights.parent.name.startswith("non-tl") else "dwt")

    sizes, files = set(), set()
    monkeypatch.setattr(ablation, "_train", lambda *_: {"record": RUN})
    monkeypatch.setattr(ablation, "to_run", stand_in)
    (tmp_path / "two.toml").write_text('runs = ["proposed", "non-tl"]\nseeds = [0, 1]\n[budgets.paper]\n')
    command = ["ablation", "--voc", "absent", "-i", str(small_pairs), "-o", str(tmp_path), "--quiet", *more]
    assert main([*command, "--config", str(tmp_path / "two.toml")]) == 0
    assert sizes == {size} and files == {f"{use}.weights.h5"}
    table = (tmp_path / "tables" / "table3.md").read_text()
    near, far, dwt, pca = (
        read_image(path)
        for path in (
            *(small_pairs / f"scene.1-{side}.png" for side in "AB"),
            *(tmp_path / "fused" / name / "scene.1.png" for name in ("proposed-seed0", "non-tl-seed0")),
        )
    )
    one, two = (compute("q_abf", near, far, fused) for fused in (dwt, pca))
    assert one > two
    assert f"| scene.1 | Q_ABF ↑ | **{one:.4f}** | {two:.4f} | proposed-seed0 |" in table
    assert table.count(f"- Our methods find their maps at {size}x{size}.") == 2
    for name in ("proposed-seed0", "proposed-seed1", "non-tl-seed0", "non-tl-seed1"):
        assert table.count(f"| {name} |") >= 2  # validation, and metrics of the pairs
    assert "Effect of transfer: mean ± sample standard deviation over the seeds, n = 2 and 2" in table
    assert read_image(tmp_path / "tables" / "transfer.png").std() > 5
    figures = {f"{name}.{suffix}" for name in SHOWN for suffix in ("png", "pdf")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == figures
    assert all(read_image(tmp_path / "figures" / f"{name}.png").std() > 20 for name in SHOWN)


SHOWN = ("seeds-scene.0", *(f"transfer-scene.{number}" for number in range(3)))


def test_tables_of_the_last_or_the_best_epoch():
    better = dict.fromkeys(VALIDATION_MEASURES, 0.75)
    run = {"record": RUN | {"epochs": [EPOCH | better, EPOCH], "best_epoch": 1}}
    rows = {"proposed-seed0": run, "compare-bn": run, "encoder-skips": {"record": RUN}}
    for use, accuracy in ((USES[0], "0.5000"), (USES[1], "0.7500")):
        tables = make_tables(rows, None, use)
        assert f"| proposed-seed0 | {accuracy} |" in tables["skips"] and f", {use} epoch; CPU." in tables["skips"]
        assert "| encoder-skips | 0.5000 |" in tables["skips"] and "encoder-skips" not in tables["table1"]
        assert f"| compare-bn | {accuracy} |" in tables["table1"] and "compare-bn" not in tables["skips"]
    assert USES == ("last", "best")
    assert "skips" not in make_tables({"proposed-seed0": run}, None)


def runs_with_values(kind, values):
    """Runs of a kind whose measures are all one value, one run for each."""
    return {
        f"{kind}-seed{seed}": {
            "record": RUN | {"epochs": [EPOCH | dict.fromkeys(["val_loss", *VALIDATION_MEASURES], value)]}
        }
        for seed, value in enumerate(values)
    }


def test_the_effect_of_transfer():
    """Means, deviations and p by hand: of 1, 2, 3 against 4, 5, 6, t is -3.674 with 4 degrees of freedom."""
    rows = runs_with_values("proposed", (4.0, 5.0, 6.0)) | runs_with_values("non-tl", (1.0, 2.0, 3.0))
    assert runs_of(rows, "non-tl") == ["non-tl-seed0", "non-tl-seed1", "non-tl-seed2"]
    metrics = {"q_abf": {"proposed": 0.7, "non-tl": 0.6}, "q_labf": {"proposed": 0.2, "non-tl": 0.1}}
    results = {
        name: {pair: {metric: of[name[:-6]] + pair / 1000 for metric, of in metrics.items()} for pair in range(6)}
        for name in rows
    }
    scores = Scores(results, resolve_variants(["q_abf", "q_labf"], {}))
    text = transfer_effect(rows, scores, "last").markdown()
    assert "| validation: loss ↓ | 5.0000 ± 1.0000 | **2.0000 ± 1.0000** | +3.0000 | 0.021 | 0.1 | - |" in text
    assert "| validation: PSNR (dB) ↑ | **5.00 ± 1.00** | 2.00 ± 1.00 | +3.00 | 0.021 | 0.1 | - |" in text
    # The smallest p of six pairs, 2 / 2^6; the seeds do not differ.
    (row,) = [line for line in text.splitlines() if line.startswith("| Q_ABF ↑ |")]
    assert "0.7025 ± 0.0000" in row and "| +0.1000 |" in row and row.endswith("| 0.031 |")
    (row,) = [line for line in text.splitlines() if line.startswith("| Q_LABF ↓ |")]
    assert "| +0.1000 |" in row and row.endswith("| 0.031 |")
    table = make_tables(rows, scores)["table3"]
    assert text in table and "Pair by pair" in table and "| non-tl-seed2 |" in table
    results["non-tl-seed1"][0]["q_abf"] = "lost"
    assert "| Q_ABF ↑ | failed | failed | - | - | - | - |" in transfer_effect(rows, scores, "last").markdown()
    del rows["proposed-seed1"], rows["proposed-seed2"]
    assert transfer_effect(rows, scores, "last") is None
    assert "Effect of transfer" not in make_tables(rows, None)["table3"]


def test_p_of_two_samples():
    assert unpaired_tests((1, 2, 3, 4, 5), (11, 12, 13, 14, 15))[1] == pytest.approx(2 / 252)  # 1 of 252 ways, twice
    welch, mann_whitney = unpaired_tests((2.0, 2.0), (2.0, 2.0))
    assert np.isnan(welch) and mann_whitney == 1


def test_curves_with_and_without_transfer(tmp_path):
    def record(kind, seed):
        rise = {"proposed": 0.2, "non-tl": 0.1}[kind]
        measured = ("val_loss", "val_accuracy", "val_iou")
        values = [rise * step + seed / 100 for step in range(3)]
        return {"epochs": [{"epoch": n, "step": 100 * n, **dict.fromkeys(measured, v)} for n, v in enumerate(values)]}

    records = {f"{kind}-seed{seed}": record(kind, seed) for kind in ("proposed", "non-tl") for seed in (0, 1)}
    assert draw_curves(tmp_path, {name: one for name, one in records.items() if "non-tl" not in name}) == []
    assert {path.name for path in tmp_path.iterdir()} == {"seeds.png", "seeds.pdf"}
    assert draw_curves(tmp_path, records) == []
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {"transfer.png", "transfer.pdf"}
    assert read_image(tmp_path / "tables" / "transfer.png").std() > 5


def test_curves_that_cannot_be_drawn(tmp_path, capsys):
    (failure,) = draw_curves(tmp_path, {"proposed-seed0": {"epochs": [{"epoch": 1}]}})
    assert "val_loss" in failure and "seeds.png" in capsys.readouterr().err


def test_the_better_of_two_on_each_pair():
    values = {
        "with": {"a": {"q_abf": 0.7, "q_labf": 0.2}, "b": {"q_abf": 0.50001, "q_labf": 0.1}, "c": {"q_abf": 0.1}},
        "without": {"a": {"q_abf": 0.6, "q_labf": 0.1}, "b": {"q_abf": 0.50002, "q_labf": 0.3}, "c": {"q_abf": "lost"}},
    }
    rows = by_pair_table(Scores(values, resolve_variants(["q_abf", "q_labf"], {}))).markdown().splitlines()
    assert [row for row in rows if row.startswith(("| a", "| b", "| c"))] == [
        "| a | Q_ABF ↑ | **0.7000** | 0.6000 | with |",
        "| a | Q_LABF ↓ | 0.2000 | **0.1000** | without |",
        "| b | Q_ABF ↑ | 0.5000 | 0.5000 | equal |",
        "| b | Q_LABF ↓ | **0.1000** | 0.3000 | with |",
        "| c | Q_ABF ↑ | 0.1000 | failed | - |",
        "| c | Q_LABF ↓ | failed | failed | - |",
    ]


def test_figures_of_an_ablation_fail_alone(small_pairs, tmp_path, monkeypatch, capsys):
    def draw(path, title, *images):
        if title == "scene.1, transfer":
            raise RuntimeError("no such font")
        drawn.append((path.name, list(images[-1])))

    drawn = []
    runs = {"proposed-seed0": "dwt", "proposed-seed1": "pca", "compare-bn": "pca", "non-tl-seed0": "pca"}
    competitors = {name: replace(to_run(method), title=name) for name, method in runs.items()}
    comparison = Comparison(competitors, find_pairs(small_pairs).stacks, tmp_path)
    comparison.run()
    monkeypatch.setattr(ablation, "draw_methods", draw)
    (failure,) = ablation.draw_fused(tmp_path, comparison)
    assert "no such font" in failure and "error: transfer-scene.1.png: " in capsys.readouterr().err
    transfer = ["proposed-seed0", "non-tl-seed0"]
    assert drawn == [
        ("transfer-scene.0", transfer),
        ("transfer-scene.2", transfer),
        ("seeds-scene.0", ["proposed-seed0", "proposed-seed1"]),
    ]


def test_an_ablation_hands_on_how_to_train(small_voc, tmp_path, monkeypatch):
    seen = []

    def note(config, *_, **how):
        seen.append((config.jit, config.mixed_precision, how["distribution"], how["cache"]))
        raise InputError("noted.")

    monkeypatch.setattr(ablation, "train_alone", note)
    command = ["ablation", "--voc", str(small_voc), "-o", str(tmp_path / "out"), "--budget", "small", "--quiet"]
    assert main(command) == 1
    assert set(seen) == {(True, None, "one", False)}  # as the budget says
    seen.clear()
    assert main([*command, "--no-jit", "--mixed-precision", "bfloat16", "--distribution", "mirrored", "--cache"]) == 1
    assert set(seen) == {(False, "bfloat16", "mirrored", True)}


def test_a_signal_ends_the_whole_ablation(small_voc, tmp_path, monkeypatch):
    def stopped(config, voc, folder, **_):
        begun.append(folder.name)
        raise StoppedError("stopped by SIGTERM after step 3 of 9, which is saved; go on with --resume runs/x.")

    begun = []
    monkeypatch.setattr("model.experiments.ablation.train_alone", stopped)
    advice = (
        "^proposed-seed0: stopped by SIGTERM after step 3 of 9, which is saved; the same command goes on from there"
    )
    with pytest.raises(StoppedError, match=advice):
        main(["ablation", "--voc", str(small_voc), "-o", str(tmp_path / "out"), "--budget", "small", "--quiet"])
    assert begun == ["proposed-seed0"]


def test_the_plan_of_the_paper():
    planned = {one.name: one.config for one in plan(DEFAULT_PLAN, "paper")}
    assert list(planned) == [*(f"proposed-seed{n}" for n in range(5)), "compare-loss", "compare-bn", *_REST]
    paper = planned["proposed-seed0"]
    assert (paper.learning_rate, paper.epochs, paper.optimizer, paper.transfer) == (1e-6, 50, "rmsprop", "imagenet")
    assert planned["proposed-seed3"].seed == 3
    without = [planned[f"non-tl-seed{n}"] for n in range(5)]
    assert [(one.transfer, one.seed) for one in without] == [(None, n) for n in range(5)]
    assert planned["compare-initial"].initializer == "normal"
    small = {one.name: one for one in plan(DEFAULT_PLAN, "small")}
    assert small["non-tl-seed0"].config.transfer is None
    assert small["proposed-seed0"].config.transfer == "imagenet"
    for one in plan(DEFAULT_PLAN, "cpu", runs=["proposed", "non-tl"], seeds=[0, 1]):
        assert (one.config.variant, one.config.steps_per_epoch, one.config.epochs) == ("paper", 100, 10)
        assert one.config.transfer == (None if one.name.startswith("non-tl") else "imagenet")
    chosen = plan(DEFAULT_PLAN, "paper", runs=["proposed", "encoder-skips"], seeds=[7])
    assert [(one.name, one.config.seed, one.config.encoder_skips) for one in chosen] == [
        ("proposed-seed7", 7, False),
        ("encoder-skips", 7, True),
    ]
    with pytest.raises(InputError, match="no run 'skips'"):
        plan(DEFAULT_PLAN, "paper", runs=["skips"])


_REST = ("compare-initial", *(f"non-tl-seed{n}" for n in range(5)))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("runs = [", "tiny.toml: "),
        ("seeds = [0]", "has no 'budgets'"),
        ("seeds = [0]\n[budgets.tiny]", "runs is missing"),
        ('runs = ["proposed"]\nseeds = []\n[budgets.tiny]', "seeds is empty"),
        ('runs = ["proposed"]\nseeds = [true]\n[budgets.tiny]', "seeds must be a list"),
        ('runs = "proposed"\nseeds = [0]\n[budgets.tiny]', "runs must be a list"),
        ('runs = ["proposed"]\nseeds = [0]\n[budgets]\ntiny = 1', "budget tiny must be an object"),
        ('runs = ["other"]\nseeds = [0]\n[budgets.tiny]', "there is no run 'other'"),
        ('runs = ["proposed"]\nseeds = [0]\n[budgets.tiny]\nepoch = 3', "budget tiny"),
        ('runs = ["proposed"]\nseeds = [0]\n[budgets.tiny]\nepochs = 0', "above 0"),
    ],
)
def test_wrong_plans(content, message, tmp_path):
    (tmp_path / "tiny.toml").write_text(content)
    with pytest.raises(ValueError, match=message):
        plan(tmp_path / "tiny.toml", "tiny")
    with pytest.raises(ValueError, match="cannot read"):
        plan(tmp_path / "absent.toml", "tiny")
