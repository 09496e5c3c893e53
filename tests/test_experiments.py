"""The paper's experiments on small pairs: comparison, own weights, figures, report, agreement, ablation."""

import csv
import json
import re
import shutil
import subprocess
from dataclasses import replace

import cv2
import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.io.listing import find_pairs
from data.runtime.errors import InputError, StoppedError, run_command
from metrics import PAPER_METRICS, Scorer, compute, resolve_variants
from metrics.scores import Scores
from model import load_fuser
from model.baselines import BASELINES
from model.bundled import BUNDLED_COMPARER, BUNDLED_WEIGHTS
from model.experiments import ablation
from model.experiments.__main__ import main
from model.experiments.ablation_tables import USES, by_pair_table, make_tables
from model.experiments.competitors import choose, to_run
from model.experiments.curves import draw_curves
from model.experiments.figures import find_differences
from model.experiments.plans import DEFAULT_PLAN, plan, runs_of
from model.experiments.results import Comparison
from model.experiments.transfer_effect import VALIDATION_MEASURES, transfer_effect, unpaired_tests
from model.networks.weights import load_network, save_weights
from tests.conftest import drawn_photograph
from tests.test_torch_file import ifcnn_tensors, write_old_format

METHODS = ("dwt", "pca", "mgivf")


@pytest.fixture(scope="module")
def others(small_pairs, tmp_path_factory):
    """PCA's images as if others had made them."""
    folder = tmp_path_factory.mktemp("fused") / "PCA"
    for number in range(3):
        near, far = (read_image(small_pairs / f"scene.{number}-{side}.png") for side in "AB")
        write_image(folder / f"scene.{number}.png", BASELINES["pca"].fuse(near, far))
    return folder


@pytest.fixture(scope="module")
def comparison(small_pairs, others, tmp_path_factory):
    folder = tmp_path_factory.mktemp("comparison")
    assert compare(small_pairs, others, folder) == 0
    return folder


def compare(small_pairs, others, folder, *more):
    command = ["comparison", "-i", str(small_pairs), "-o", str(folder), "--quiet", "--fused", f"Others={others}"]
    return main([*command, "--methods", *METHODS, *more])


def test_a_comparison_scores_what_it_fused(comparison, small_pairs):
    near, far = (read_image(small_pairs / f"scene.1-{side}.png") for side in "AB")
    fused = read_image(comparison / "fused" / "dwt" / "scene.1.png")
    np.testing.assert_array_equal(fused, BASELINES["dwt"].fuse(near, far))
    record = json.loads((comparison / "records" / "dwt" / "scene.1.json").read_text())
    expected = Scorer((near, far)).score(fused, PAPER_METRICS)
    columns = [metric.column(variant) for metric, variant in resolve_variants(PAPER_METRICS).items()]
    assert record["scores"] == pytest.approx(dict(zip(columns, expected.values(), strict=True)))
    assert record["seconds"] > 0
    table = (comparison / "tables" / "summary.md").read_text()
    rows = {line.split("|")[1].strip(): line.split("|")[2:] for line in table.splitlines() if line.startswith("| ")}
    assert rows["PCA"] == rows["Others"]
    assert list(rows) == ["Method", "---", "DWT", "PCA", "MGIVF", "Others"]
    for name in ("ranks.md", "ranks.tex", "times.md", "summary.tex", "per_pair.csv", "pair-scene.1.tex"):
        assert (comparison / "tables" / name).stat().st_size > 0
    assert "Others" not in (comparison / "tables" / "times.md").read_text()


def test_figures_are_pictures(comparison):
    for name in ("methods-scene.0", "methods-scene.2"):
        picture = read_image(comparison / "figures" / f"{name}.png")
        assert min(picture.shape[:2]) > 300
        assert picture.std() > 20
        assert (comparison / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_nothing_is_computed_twice(comparison, small_pairs, others, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in comparison.rglob("*") if path.is_file()}
    with monkeypatch.context() as context:
        context.setattr("model.experiments.results.write_image", lambda *_: pytest.fail("fused again"))
        assert compare(small_pairs, others, comparison) == 0
    assert {path: path.stat().st_mtime_ns for path in comparison.rglob("*") if path.is_file()} == before


def test_other_metrics_are_of_the_same_images(comparison, small_pairs, others, tmp_path, monkeypatch):
    folder = tmp_path / "copy"
    shutil.copytree(comparison, folder)
    more = ["--metrics", "q_abf", "q_cb,q_y", "--variant", "q_abf=kumar", "--against", "pca"]
    with monkeypatch.context() as context:
        context.setattr("model.experiments.results.write_image", lambda *_: pytest.fail("fused again"))
        assert compare(small_pairs, others, folder, *more) == 0
    near, far = (read_image(small_pairs / f"scene.1-{side}.png") for side in "AB")
    fused = read_image(folder / "fused" / "dwt" / "scene.1.png")
    expected = Scorer((near, far), {"q_abf": "kumar"}).score(fused, ["q_abf", "q_cb", "q_y"])
    with (folder / "tables" / "per_pair.csv").open(newline="") as file:
        (row,) = (row for row in csv.DictReader(file) if (row["method"], row["pair"]) == ("DWT", "scene.1"))
    assert [name for name in row if "[" in name] == ["q_abf[kumar]", "q_cb[liu]", "q_y[liu]"]
    assert [float(row[name]) for name in row if "[" in name] == pytest.approx(list(expected.values()))
    assert "p against PCA" in (folder / "tables" / "ranks.md").read_text()
    document = in_browser(folder / "report.html", "")
    assert "p against PCA" in document and re.search(r'<button[^>]* value="Q_Y"', document)
    record = json.loads((folder / "records" / "dwt" / "scene.1.json").read_text())
    assert len(record["scores"]) == 8  # the paper's five are kept


def test_stacks_are_compared(tmp_path, capsys):
    sharp = drawn_photograph(np.random.default_rng(5), 48, 64)
    blurred = cv2.GaussianBlur(sharp, (0, 0), 3)
    places = np.broadcast_to(np.arange(64)[None, :, None] // 22, sharp.shape)
    for place, letter in enumerate("ABC"):
        write_image(tmp_path / "in" / f"deep-{letter}.png", np.where(places == place, sharp, blurred))
    write_image(tmp_path / "helicon" / "deep.png", sharp)
    command = ["comparison", "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--quiet"]
    assert main([*command, "--fused", f"Others={tmp_path / 'helicon'}"]) == 0
    assert "deep has more than two images, and these methods take two: proposed-paper, pca" in capsys.readouterr().err
    images = [read_image(tmp_path / "in" / f"deep-{letter}.png") for letter in "ABC"]
    fused = read_image(tmp_path / "out" / "fused" / "proposed" / "deep.png")
    np.testing.assert_array_equal(fused, load_fuser()(*images))
    record = json.loads((tmp_path / "out" / "records" / "proposed" / "deep.json").read_text())
    assert record["scores"]["q_abf[xydeas]"] == pytest.approx(Scorer(images).score(fused, ["q_abf"])["q_abf"])
    document = in_browser(tmp_path / "out" / "report.html", "mode=decision&left=proposed")
    assert ">last of 3 sources</option>" in document and 'data-drawn="deep proposed proposed wipe"' in document
    with pytest.raises(InputError, match=r"pca fuses two images, and deep has more; leave pca out\."):
        main([*command, "--methods", "pca"])


def test_what_is_lost_or_changed_is_made_again(comparison, small_pairs, others, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(comparison, folder)
    (folder / "fused" / "pca" / "scene.0.png").unlink()
    (folder / "records" / "dwt" / "scene.0.json").write_text("{")
    kept = (folder / "records" / "mgivf" / "scene.0.json").stat().st_mtime_ns
    assert compare(small_pairs, others, folder) == 0
    assert (folder / "fused" / "pca" / "scene.0.png").exists()
    assert json.loads((folder / "records" / "dwt" / "scene.0.json").read_text())["scores"]
    assert (folder / "records" / "mgivf" / "scene.0.json").stat().st_mtime_ns == kept


def test_a_missing_image_fails_its_row_alone(small_pairs, others, tmp_path, capsys):
    lacking = tmp_path / "lacking"
    shutil.copytree(others, lacking)
    (lacking / "scene.2.png").unlink()
    assert compare(small_pairs, lacking, tmp_path / "out") == 1
    assert "error: Others, scene.2: no image scene.2" in capsys.readouterr().err
    table = (tmp_path / "out" / "tables" / "summary.md").read_text()
    assert "2/3 failed: 1" in table
    assert (tmp_path / "out" / "report.html").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--methods", "nonsense"], "no method 'nonsense'"),
        (["--methods", "ifcnn"], "needs its authors' file: --weights ifcnn=FILE"),
        (["--methods", "pca", "--fused", "pca=."], "both run and taken from"),
        (["--methods", "pca", "--pairs", "absent"], "no pair 'absent'"),
        (["--methods", "pca", "--metrics", "paper", "psnr"], "psnr needs ground truth"),
        (["--methods", "pca", "--metrics", "nonsense"], "The metric 'nonsense' is unknown"),
        (["--methods", "pca", "--weights", "ifcnn=absent.pth"], "not among the methods"),
        (["--methods", "ifcnn", "--weights", "ifcnn=absent.pth"], "absent.pth"),
    ],
)
def test_wrong_comparisons(arguments, message, small_pairs, tmp_path):
    with pytest.raises((ValueError, OSError), match=message):
        main(["comparison", "-i", str(small_pairs), "-o", str(tmp_path / "out"), *arguments])
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """Weights that are not the bundled ones, as `train.py` names them."""
    path = tmp_path_factory.mktemp("runs") / "mine" / "best.weights.h5"
    network = load_network(BUNDLED_WEIGHTS)
    network.set_weights([0.9 * values for values in network.get_weights()])
    save_weights(network, path, {"variant": "light"})
    return path


def test_own_weights_are_compared(small_pairs, own, tmp_path, monkeypatch):
    drawn = {}
    monkeypatch.setattr(
        "model.experiments.figures.draw_decision",
        lambda path, title, near, far, fuser: drawn.update({title: fuser.decide(near, far)}),
    )
    command = ["comparison", "-i", str(small_pairs), "-o", str(tmp_path), "--quiet", "--size", "64"]
    command += ["--methods", "proposed", "proposed-paper", "dwt"]
    assert main([*command, "--weights", f"proposed-paper={own}"]) == 0
    sources = [read_image(small_pairs / f"scene.0-{side}.png") for side in "AB"]
    expected = load_fuser(own, strategy="paper", size=64).decide(*sources)
    np.testing.assert_array_equal(read_image(tmp_path / "fused" / "proposed-paper" / "scene.0.png"), expected.fused)
    (decision,) = drawn.values()
    assert list(drawn) == ["scene.0: decision maps, Proposed, paper's strategy (mine/best)"]
    np.testing.assert_array_equal(decision.maps["M1"], expected.maps["M1"])
    others = [load_fuser(own, strategy="paper"), load_fuser(strategy="paper", size=64)]
    assert all(np.any(fuser.decide(*sources).maps["M1"] != expected.maps["M1"]) for fuser in others)
    for name in ("summary.md", "ranks.md", "times.md", "per_pair.md"):
        table = (tmp_path / "tables" / name).read_text()
        assert "| Proposed, paper's strategy (mine/best) |" in table and "| Proposed |" in table
        assert "- Our methods find their maps at 64x64." in table
    assert json.loads((tmp_path / "record.json").read_text())["size"] == 64


def test_the_first_own_weights_draw_the_decision(small_pairs, own, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("model.experiments.figures.draw_decision", lambda _, title, *__: drawn.append(title))
    command = ["comparison", "-i", str(small_pairs), "-o", str(tmp_path), "--quiet", "--methods", "proposed"]
    assert main(command) == 0
    assert main([*command, "--weights", f"proposed={own}"]) == 0
    titles = ("Proposed, paper's strategy", "Proposed, paper's strategy (mine/best)")
    assert drawn == [f"scene.0: decision maps, {title}" for title in titles]


def test_what_own_methods_are_called_and_decided_by(own, tmp_path):
    other = tmp_path / "other.weights.h5"
    for suffix in (".h5", ".json"):
        shutil.copy(BUNDLED_WEIGHTS.with_suffix(suffix), other.with_suffix(suffix))
    chosen = choose(None, {}, {"proposed": own, "proposed-paper": other}, 64)
    assert [chosen[name].title for name in list(chosen)[:3]] == [
        "Proposed, refined strategy (mine/best)",
        "Proposed, refined strategy",
        f"Proposed, paper's strategy ({tmp_path.name}/other)",
    ]
    assert chosen["proposed"].load().strategy.__class__.__name__ == "RefinedStrategy"
    assert to_run("proposed").title == "Proposed"
    keys = {to_run("proposed-paper", *more).key for more in ((), (own,), (own, 64), (own, 96), (None, 64))}
    assert len(keys) == 5
    assert to_run("dwt", None, 64).key == to_run("dwt").key


def test_a_method_is_made_once(own, monkeypatch):
    made = []
    monkeypatch.setattr("model.experiments.competitors.to_run", lambda name, *_: made.append(name) or to_run(name))
    assert list(choose(None, {}, {"proposed-refined": own})) == made
    assert len(set(made)) == len(made)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--weights", "proposed-paper={0}/absent.weights.h5"], "absent.weights.h5"),
        (["--weights", "proposed={0}/alone.weights.h5"], "alone.weights.json is missing"),
        (["--weights", "proposed-paper={0}/damaged.weights.h5"], "does not match its sidecar"),
        (["--weights", "proposed-refined={0}/comparer.weights.h5"], "comparer.weights.json is damaged"),
        (["--weights", "proposed={1}", "proposed-refined={1}"], "would both be called"),
        (["--methods", "dwt", "--size", "64"], "--size is for our methods"),
    ],
)
def test_own_weights_that_cannot_be_used(arguments, message, small_pairs, own, tmp_path, capsys):
    (tmp_path / "alone.weights.h5").write_bytes(own.read_bytes())
    (tmp_path / "damaged.weights.h5").write_bytes(own.read_bytes()[:-9])
    shutil.copy(own.with_suffix(".json"), tmp_path / "damaged.weights.json")
    for suffix in (".h5", ".json"):
        shutil.copy(BUNDLED_COMPARER.with_suffix(suffix), tmp_path / f"comparer.weights{suffix}")
    arguments = [one.format(tmp_path, own) for one in arguments]
    assert run_command(main, ["comparison", "-i", str(small_pairs), "-o", str(tmp_path / "out"), *arguments]) == 1
    said = capsys.readouterr()
    assert message in said.err and said.err.count("\n") == 1 and not said.out
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["comparison", "ablation"])
def test_sizes_below_one_step_of_the_network_are_wrong_usage(command, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main([command, "-i", str(tmp_path), "-o", str(tmp_path), "--voc", str(tmp_path), "--size", "31"])
    assert stop.value.code == 2
    assert "--size: 31 is below 32" in capsys.readouterr().err


def test_the_report_holds_everything(comparison):
    page = (comparison / "report.html").read_text()
    (content,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    data = json.loads(content)
    assert [method["label"] for method in data["methods"]] == ["DWT", "PCA", "MGIVF", "Others"]
    assert set(data["images"]["scene.0"]) == {"A", "B", *METHODS, "Others"}
    assert data["record"]["versions"]["numpy"] == np.__version__
    outside = re.findall(r'(?:src|href)="(?!data:)[^"]*"|https?://', page)
    assert not outside


def test_slow_methods_are_announced_and_may_be_skipped(small_pairs, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(
        "model.experiments.comparison.BASELINES", {**BASELINES, "pca": replace(BASELINES["pca"], slow=1e6)}
    )
    command = ["comparison", "-i", str(small_pairs), "-o", str(tmp_path / "out"), "--quiet", "--methods", "pca", "dwt"]
    assert main([*command, "--skip", "dwt"]) == 0
    said = capsys.readouterr().err
    assert re.search(r"warning: pca takes about \d+ minutes for 3 pairs; --skip pca leaves it out", said)
    assert not (tmp_path / "out" / "fused" / "dwt").exists()
    assert main([*command, "--skip", "dwt"]) == 0
    assert "pca takes" not in capsys.readouterr().err  # it is there
    with pytest.raises(InputError, match="no method 'dtw' to skip"):
        main([*command, "--skip", "dtw"])


def find_browser():
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    return browser or pytest.skip("there is no Chromium to look at the report with")


def in_browser(page, state):
    """The page's document after its scripts have run, in headless Chromium."""
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--virtual-time-budget=5000"]
    command = [find_browser(), *options, "--dump-dom", f"{page.resolve().as_uri()}#{state}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout


def test_the_report_in_a_browser(comparison):
    page = comparison / "report.html"
    document = in_browser(page, "sort=Q_ABF:descending&pair=scene.1&left=dwt&right=Others&mode=error&zoom=2")
    assert "Comparison of 4 methods on 3 pairs" in document
    body, ranks = re.findall(r"<tbody>(.*?)</tbody>", document.split("<script", 1)[0], re.DOTALL)
    assert ranks.count("<tr>") == 4 and '<span class="variant">xydeas</span>' in document
    rows = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", body)]
    values = [float(row[2].split("<")[0]) for row in rows]
    assert values == sorted(values, reverse=True) and all("±" in row[2] for row in rows)
    assert len(rows) == 4
    assert 'aria-sort="descending"' in document
    assert 'data-drawn="scene.1 dwt Others error"' in document
    assert document.count('<rect class="box" x="') == 5  # the script has one, too
    blended = in_browser(page, "mode=decision&pair=scene.2&left=pca")  # which has no map of choices
    assert 'data-drawn="scene.2 pca pca wipe"' in blended or 'data-drawn="scene.2 pca dwt wipe"' in blended
    told = 'role="status">The address asks for something'
    assert told in blended and told not in document


def test_the_report_on_paper_and_on_a_phone(small_pairs, others, comparison, tmp_path):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    shutil.copytree(comparison, tmp_path / "copy")
    assert compare(small_pairs, others, tmp_path / "copy", "--metrics", "paper", "q_y", "q_cb", "scd") == 0
    address = (tmp_path / "copy" / "report.html").as_uri()
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        for media, width in (("print", 680), ("screen", 420)):  # 680: A4 less its margins
            page = browser.new_page(viewport={"width": width, "height": 900})
            page.emulate_media(media=media)
            page.goto(address)
            page.wait_for_selector("#canvas[data-drawn]")
            assert page.evaluate("document.documentElement.scrollWidth") == width
            tables = page.locator(".scroll").evaluate_all("parts => parts.map(p => [p.scrollWidth, p.clientWidth])")
            assert len(tables) == 5  # scores and ranks in two parts each, and the chart
            assert media == "screen" or all(inner <= outer for inner, outer in tables)
            assert page.locator("select:visible, button[type=submit]:visible").count() == (0 if media == "print" else 6)
            best = page.locator("#scores td.best").first
            assert best.evaluate("cell => getComputedStyle(cell).fontWeight") == "700"
        browser.close()


def test_squares_where_images_differ():
    images = [np.zeros((100, 140, 3), np.uint8) for _ in range(2)]
    images[1][10:20, 30:40] = 200
    images[1][70:80, 100:110] = 100
    (top, left, side), (second_top, second_left, _) = find_differences(images)
    assert top <= 10 and top + side >= 20 and left <= 30 and left + side >= 40
    assert second_top <= 70 and second_top + side >= 80 and second_left <= 100 and second_left + side >= 110


def test_agreement(comparison, small_pairs, others, tmp_path):
    command = ["agreement", "-i", str(small_pairs), "--published", str(others.parent), "--comparison", str(comparison)]
    assert main([*command, "--methods", "pca", "dwt", "-o", str(tmp_path / "table.md")]) == 0
    table = (tmp_path / "table.md").read_text()
    assert "| PCA | PNG | 3 | 3 | 0.000 | 0 | 1.0000 |" in table
    assert "| DWT | q_abf |" in table
    with pytest.raises(InputError, match="'proposed' is none of pca, "):
        main([*command, "--weights", "proposed=x.weights.h5"])


def test_agreement_of_a_method_with_weights(small_pairs, tmp_path, monkeypatch):
    path, command = (
        tmp_path / "ifcnn.pth",
        ["agreement", "-i", str(small_pairs), "--published", str(tmp_path / "published")],
    )
    write_old_format(path, ifcnn_tensors(np.random.default_rng(0)), monkeypatch)
    fuse = BASELINES["ifcnn"].method(path)
    for stack in find_pairs(small_pairs).stacks:
        write_image(tmp_path / "published" / "IFCNN" / f"{stack.name}.png", fuse(*map(read_image, stack.images)))
    command += ["--comparison", str(tmp_path / "comparison"), "-o", str(tmp_path / "table.md"), "--methods", "ifcnn"]
    assert main([*command, "--weights", f"ifcnn={path}"]) == 0
    assert "| IFCNN | PNG | 3 | 3 | 0.000 | 0 | 1.0000 |" in (tmp_path / "table.md").read_text()
    with pytest.raises(InputError, match="IFCNN needs its authors' file: --weights ifcnn=FILE"):
        main(command)


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
