"""Experiments on names, records, images and addresses that somebody made to do harm, and on methods that break."""

import json
import os
import re
import shutil

import numpy as np
import pytest

from data.io.image_io import read_image, write_image
from data.io.listing import Stack
from data.runtime.errors import InputError, StoppedError, run_command
from model.baselines import BASELINES
from model.experiments import __main__ as experiments
from model.experiments import ablation
from model.experiments.__main__ import main
from model.experiments.ablation import plan
from model.experiments.results import Comparison
from model.measurements import __main__ as measurements
from tests.conftest import drawn_photograph
from tests.test_experiments import in_browser

posix = pytest.mark.skipif(os.name != "posix", reason="such files are of POSIX alone")


def make_pair(folder, name, seed=0):
    image = drawn_photograph(np.random.default_rng(seed), 32, 40)
    write_image(folder / f"{name}-A.png", image)
    write_image(folder / f"{name}-B.png", image[::-1].copy())


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Two pairs, images of others, and a whole comparison of PCA with them."""
    folder = tmp_path_factory.mktemp("prepared")
    for seed, name in enumerate(("cat", "dog")):
        make_pair(folder / "pairs", name, seed)
        shutil.copy(folder / "pairs" / f"{name}-A.png", folder / f"{name}.png")
        (folder / "others").mkdir(exist_ok=True)
        (folder / f"{name}.png").rename(folder / "others" / f"{name}.png")
    assert compare(folder) == 0
    return folder


@pytest.fixture
def folder(prepared, tmp_path):
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    return tmp_path


def compare(folder, *more, fused=("Others=others",)):
    named = [f"{name}={folder / path}" for name, path in (one.split("=") for one in fused)]
    command = ["comparison", "-i", folder / "pairs", "-o", folder / "out", "--methods", "pca", "--quiet", "--fused"]
    return run_command(main, [str(one) for one in (*command, *named, *more)])


def failures(folder):
    notes = (folder / "out" / "tables" / "summary.md").read_text(encoding="utf-8")
    return re.findall(r"^- Failed: (.*?): (.*)$", notes, re.MULTILINE)


def shown(folder, address):
    """What the page shows at an address, without its scripts."""
    return re.sub(r"<(script|style).*?</\1>", "", in_browser(folder / "out" / "report.html", address), flags=re.DOTALL)


def listing(folder):
    return sorted(path for path in folder.rglob("*"))


# Names


@pytest.mark.parametrize(
    "names",
    [
        ["../../../x"],
        ["/tmp/x"],
        ["."],
        [".."],
        ["a/b"],
        ["A"],
        ["b"],
        ["PCA"],
        ["x\x1b[31m"],
        ["x" * 200],
        ["Others", "others"],
        ["Others", "Others"],
    ],
)
def test_names_of_methods_that_lead_elsewhere_or_are_taken(folder, capsys, names):
    shutil.rmtree(folder / "out")
    before = listing(folder.parent)
    assert compare(folder, fused=[f"{name}=others" for name in names]) == 1
    assert "unexpected" not in capsys.readouterr().err
    assert listing(folder.parent) == before


def test_fused_given_in_two_options_counts_twice(folder):
    assert compare(folder, "--fused", f"Second={folder / 'others'}") == 0
    table = (folder / "out" / "tables" / "summary.md").read_text(encoding="utf-8")
    assert "| Others |" in table and "| Second |" in table


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "..", ""])
def test_pairs_that_lead_elsewhere(folder, name):
    stack = Stack(name, (folder / "pairs" / "cat-A.png", folder / "pairs" / "cat-B.png"))
    with pytest.raises(InputError, match="would lead out of"):
        Comparison({}, [stack], folder / "out")


@posix
def test_a_comparison_replaces_no_source_and_no_other_pairs_result(folder, capsys):
    fused = folder / "out" / "fused" / "pca"
    for side in "AB":  # the result of cat-A would be called as the first photograph of cat
        for name in ("cat", "cat-A"):
            shutil.copy(folder / "pairs" / f"cat-{side}.png", fused / f"{name}-{side}.png")
    before = (fused / "cat-A.png").read_bytes()
    command = ["comparison", "-i", fused, "-o", folder / "out", "--methods", "pca", "--quiet"]
    assert run_command(main, list(map(str, command))) == 1
    assert "cat-A.png is one of the files that are read" in capsys.readouterr().err
    assert (fused / "cat-A.png").read_bytes() == before
    make_pair(folder / "pairs", "CAT")
    assert compare(folder) == 1
    assert "differ by case alone" in capsys.readouterr().err


ODD_NAMES = ("caf\udce9", "$\\nonsense{$", "x\u202egnp\x1b[31m", "<b>&amp;[a](b)", "__proto__", "constructor")


@posix
def test_pairs_with_odd_names_are_compared(folder):
    for name in ODD_NAMES:
        make_pair(folder / "pairs", name)
        write_image(folder / "others" / f"{name}.png", read_image(folder / "pairs" / "cat-B.png"))
    assert compare(folder, "--pairs", *ODD_NAMES[:4]) == 0
    assert len(list((folder / "out" / "fused" / "pca").iterdir())) == 2 + len(ODD_NAMES)
    for path in (*(folder / "out" / "tables").iterdir(), folder / "out" / "report.html"):
        text = path.read_text(encoding="utf-8")
        assert not any(one in text for one in "\x1b\u202e\udce9"), path
    document = shown(folder, "pair=caf%5Cxe9")  # as the page itself writes it
    assert 'data-drawn="caf\\xe9 A pca wipe"' in document
    document = shown(folder, "pair=constructor&left=B&right=pca&table=__proto__")
    assert 'data-drawn="constructor B pca wipe"' in document and document.count('<rect class="box"') == 2
    assert not any(one in document for one in "\x1b\u202e\udce9")
    assert "x\\u202egnp\\x1b[31m" in document and "caf\\xe9" in document
    assert 'data-drawn="__proto__ A pca wipe"' in shown(folder, "pair=__proto__")


# Records


def change_record(folder, change):
    path = folder / "out" / "records" / "pca" / "cat.json"
    before = path.read_text(encoding="utf-8")
    content = change if isinstance(change, str) else json.dumps(change(json.loads(before)))
    path.write_text(content, encoding="utf-8", errors="surrogateescape")
    return path, before


def with_score(value):
    return lambda record: record | {"scores": record["scores"] | {"q_abf[xydeas]": value}}


@pytest.mark.parametrize(
    "change",
    [
        "[]",
        "null",
        "3",
        "\udcff",
        "[" * 100_000,
        lambda record: record | {"scores": []},
        lambda record: record | {"scores": {"q_abf": 1.0}},
        lambda record: record | {"scores": {}},
        lambda record: record | {"seconds": "long"},
        lambda record: record | {"seconds": float("nan")},
        lambda record: record | {"result": None},
        lambda record: {key: value for key, value in record.items() if key != "result"},
        with_score(float("nan")),
        with_score(float("inf")),
        with_score("0.7"),
        with_score([0.7]),
        with_score(True),
        with_score(10**400),
    ],
)
def test_records_that_are_none_are_made_anew(folder, change, monkeypatch):
    monkeypatch.setattr("model.experiments.comparison.products_of", lambda *_: (), raising=False)
    path, before = change_record(folder, change)
    assert compare(folder) == 0
    made, old = (json.loads(text) for text in (path.read_text(encoding="utf-8"), before))
    assert made | {"seconds": 0} == old | {"seconds": 0} and made["seconds"] >= 0


@posix
@pytest.mark.parametrize("place", ["records/pca/cat.json", "record.json"])
def test_a_pipe_in_the_place_of_a_record_is_replaced(folder, place):
    (folder / "out" / place).unlink()
    os.mkfifo(folder / "out" / place)
    assert compare(folder) == 0
    assert isinstance(json.loads((folder / "out" / place).read_text(encoding="utf-8")), dict)


def test_an_exchanged_result_does_not_keep_the_scores(folder):
    result = folder / "out" / "fused" / "pca" / "cat.png"
    before = result.read_bytes()
    write_image(result, 255 - read_image(result))
    assert compare(folder) == 0
    assert result.read_bytes() == before


def test_an_undefined_score_is_kept_and_said(folder, capsys):
    for name in ("pairs/flat-A.png", "pairs/flat-B.png", "others/flat.png"):
        write_image(folder / name, np.zeros((32, 40, 3), np.uint8))
    assert compare(folder) == 1
    assert "error: pca, flat: q_abf: the metric is undefined" in capsys.readouterr().err
    record = folder / "out" / "records" / "pca" / "flat.json"
    assert json.loads(record.read_text(encoding="utf-8"))["scores"]["q_abf[xydeas]"] is None
    made = record.stat().st_mtime_ns
    assert compare(folder) == 1
    assert record.stat().st_mtime_ns == made


def test_a_comparison_that_was_stopped_while_writing_is_written_whole(folder, monkeypatch):
    write_image(folder / "others" / "dog.png", read_image(folder / "pairs" / "dog-B.png"))
    with monkeypatch.context() as context:
        context.setattr("model.experiments.comparison_products.write_report", interrupt)
        assert compare(folder) == 1
    page = (folder / "out" / "report.html").read_bytes()
    assert compare(folder) == 0
    assert (folder / "out" / "report.html").read_bytes() != page


def interrupt(*_):
    raise KeyboardInterrupt


# What breaks alone


def broken_for_cat(folder, error):
    """PCA that raises on one pair."""
    cat = read_image(folder / "pairs" / "cat-A.png")

    def fuse(near, far):
        if np.array_equal(near, cat):
            raise error
        return BASELINES["dwt"].fuse(near, far)

    return fuse


@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError(), AttributeError("x"), OSError(5, "I/O error")])
def test_a_method_that_breaks_fails_its_row_alone(folder, capsys, monkeypatch, error):
    shutil.rmtree(folder / "out")
    monkeypatch.setattr("model.baselines.pca.fuse", broken_for_cat(folder, error))
    assert compare(folder) == 1
    printed = capsys.readouterr().err
    assert "error: pca, cat: " in printed and "Traceback" not in printed
    assert [name for name, _ in failures(folder)] == ["PCA, cat"]
    assert (folder / "out" / "report.html").exists() and (folder / "out" / "figures" / "methods-cat.png").exists()
    assert compare(folder, "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoppedError("stopped by SIGTERM")])
def test_what_ends_everything_ends_a_comparison(folder, monkeypatch, error):
    shutil.rmtree(folder / "out")
    monkeypatch.setattr("model.baselines.pca.fuse", broken_for_cat(folder, error))
    with pytest.raises(type(error)):
        main(["comparison", "-i", f"{folder}/pairs", "-o", f"{folder}/out", "--methods", "pca", "--quiet"])
    assert not (folder / "out" / "report.html").exists()


def test_a_damaged_source_fails_its_pair_alone(folder, capsys):
    source = folder / "pairs" / "cat-A.png"
    source.write_bytes(source.read_bytes()[:-400])
    assert compare(folder) == 1
    assert {name for name, _ in failures(folder)} == {"PCA, cat", "Others, cat"}
    assert "Traceback" not in capsys.readouterr().err
    (data,) = re.findall(r'id="data">(.*?)</script>', (folder / "out" / "report.html").read_text(), re.DOTALL)
    images = json.loads(data)["images"]
    assert images["cat"] == {} and set(images["dog"]) == {"A", "B", "pca", "Others"}
    document = shown(folder, "pair=cat")
    assert 'data-drawn="cat none"' in document and document.count('<rect class="box"') == 2


@posix
def test_a_pipe_among_images_of_others_fails_its_row_alone(folder):
    (folder / "others" / "cat.png").unlink()
    os.mkfifo(folder / "others" / "cat.png")
    assert compare(folder) == 1
    ((name, reason),) = failures(folder)
    assert name == "Others, cat" and "pipe" in reason


def test_a_figure_that_cannot_be_drawn_is_said_and_drawn_later(folder, capsys, monkeypatch):
    def draw(path, title, *images):
        if title == "cat":
            raise RuntimeError("no such font")
        real(path, title, *images)

    from model.experiments import figures

    real = figures.draw_methods
    shutil.rmtree(folder / "out" / "figures")
    (folder / "out" / "record.json").unlink()
    with monkeypatch.context() as context:
        context.setattr(figures, "draw_methods", draw)
        assert compare(folder) == 1
    assert "error: figure of cat: unexpected RuntimeError: no such font" in capsys.readouterr().err
    assert (folder / "out" / "figures" / "methods-dog.png").exists()
    assert compare(folder) == 0
    assert (folder / "out" / "figures" / "methods-cat.png").exists()


# The page


GARBAGE = "&".join(
    f"{key}={value}"
    for key, value in {
        "sort": "__proto__:up",
        "pair": "constructor",
        "left": "__proto__",
        "right": "toString",
        "mode": "valueOf",
        "wipe": "NaN",
        "zoom": "-3",
        "x": "Infinity",
        "y": "1e99",
        "table": "hasOwnProperty",
        "metric": "__proto__",
        "__proto__": "x",
        "constructor": "x",
    }.items()
)


@pytest.mark.parametrize(
    "address",
    [
        GARBAGE,
        "metric=9",
        "metric=-1&zoom=0&wipe=101&x=-1&y=2",
        "metric=&zoom=&wipe=%20&x=&y=&pair=&left=&right=&mode=&sort=Q_ABF&table=",
        "sort=Q_ABF:sideways&zoom=99&wipe=1e9&left=dog&right=pca&right=gone",
        "%E0%A4%A&=&&#&metric[]=1&pair=cat%00",
    ],
)
def test_any_address_shows_a_whole_page(prepared, address):
    document = shown(prepared, address)
    assert 'data-drawn="cat A pca wipe"' in document
    assert 'aria-label="Q_SF of each method on each pair"' in document and document.count('<rect class="box"') == 2
    assert "aria-sort" not in document and "NaN" not in document
    assert document.count("<td") == 2 * 7 + 2 * 6  # scores with seconds, and ranks
    assert 'role="status">The address asks for something that is not in this report' in document


def test_what_an_address_may_say_is_kept(prepared):
    document = in_browser(
        prepared / "out" / "report.html", "metric=1&sort=Q_AG:ascending&pair=dog&left=Others&zoom=2.5"
    )
    assert 'aria-label="Q_ABF of each method on each pair"' in document
    assert 'aria-sort="ascending"' in document and 'data-drawn="dog Others pca wipe"' in document


# Agreement and ablation


@pytest.mark.parametrize("name", ["photo.jpg", "table", "table.md.png"])
def test_agreement_replaces_no_photograph(folder, capsys, name):
    (folder / name).write_bytes(b"a photograph")
    assert agree(folder, "-o", folder / name) == 1
    assert "must end in .md" in capsys.readouterr().err
    assert (folder / name).read_bytes() == b"a photograph"


def test_a_pair_that_breaks_fails_alone_in_agreement(folder, capsys):
    (folder / "others" / "cat.png").unlink()
    (folder / "others").rename(folder / "PCA")
    assert agree(folder, "-o", folder / "table.md") == 1
    assert "error: pca, cat: no image cat" in capsys.readouterr().err
    table = (folder / "table.md").read_text(encoding="utf-8")
    assert "| PCA | PNG | 1 |" in table and "- Failed: pca, cat: no image cat" in table


def test_means_of_agreement_lack_nothing(folder, monkeypatch):
    source = folder / "pairs" / "cat-A.png"
    source.write_bytes(source.read_bytes()[:-400])
    assert agree(folder, "--methods", "dwt", "-o", folder / "table.md") == 1
    assert "| DWT | q_abf | failed | 0.729 | - |" in (folder / "table.md").read_text(encoding="utf-8")


def agree(folder, *more):
    command = ["agreement", "-i", folder / "pairs", "--published", folder, "--comparison", folder / "out"]
    return run_command(main, [str(one) for one in (*command, "--methods", "pca", *more)])


def ablate(folder, *more):
    (folder / "tiny.toml").write_text('runs = ["proposed"]\nseeds = [0, 1]\n[budgets.tiny]\nvariant = "light"\n')
    command = ["ablation", "--voc", folder, "-o", folder / "ablation", "--config", folder / "tiny.toml"]
    return run_command(main, [str(one) for one in (*command, "--budget", "tiny", "--quiet", *more)])


@pytest.mark.parametrize("error", [RuntimeError("broken"), MemoryError(), OSError(28, "No space left on device")])
def test_a_run_that_breaks_fails_alone(tmp_path, capsys, monkeypatch, error):
    def train(experiment, _):
        if experiment.name == "proposed-seed0":
            raise error
        return {"reason": "was left out"}

    monkeypatch.setattr(ablation, "_train", train)
    assert ablate(tmp_path) == 1
    assert "error: proposed-seed0: " in capsys.readouterr().err
    table = (tmp_path / "ablation" / "tables" / "table2.md").read_text(encoding="utf-8")
    assert "- proposed-seed0: " in table and "- proposed-seed1: was left out" in table
    assert ablate(tmp_path, "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("content", ["[]", "3", "{", '{"side_weights": 3}', "{}", '{"side_weights": [], "seed": []}'])
def test_damaged_settings_of_a_run_are_one_sentence(tmp_path, capsys, content):
    run = tmp_path / "ablation" / "runs" / "proposed-seed0"
    run.mkdir(parents=True)
    (run / "checkpoint.npz").write_bytes(b"")
    (run / "config.json").write_text(content)
    assert ablate(tmp_path) == 1
    table = (tmp_path / "ablation" / "tables" / "table2.md").read_text(encoding="utf-8")
    assert "config.json is damaged" in table.replace("\\", "") and "unexpected" not in table


@pytest.mark.parametrize(
    "content",
    [
        "budgets = 3",
        'runs = 3\nseeds = [0]\n[budgets.tiny]\nvariant = "light"',
        'runs = [["proposed"]]\nseeds = [0]\n[budgets.tiny]\nvariant = "light"',
        'runs = ["proposed"]\nseeds = []\n[budgets.tiny]\nvariant = "light"',
        'runs = ["proposed"]\nseeds = "0"\n[budgets.tiny]\nvariant = "light"',
        'runs = ["proposed"]\nseeds = [true]\n[budgets.tiny]\nvariant = "light"',
        'runs = ["proposed"]\nseeds = [0]\n[budgets.tiny]\nvariant = ["light"]',
        'runs = ["proposed"]\nseeds = [0]\n[budgets.tiny]\nvariant = "nonsense"',
        'runs = ["proposed"]\nseeds = [0]\n[budgets.tiny]\nepochs = "3"',
        'runs = ["proposed"]\nseeds = [0]\n[budgets]\ntiny = 3',
        "x = " + "[" * 10_000,
        "\udcff",
    ],
)
def test_plans_of_wrong_types(content, tmp_path):
    path = tmp_path / "tiny.toml"
    path.write_text(content, errors="surrogateescape")
    with pytest.raises(InputError, match=r"tiny\.toml"):
        plan(path, "tiny")


@posix
def test_a_plan_that_is_a_pipe_or_endless(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(b"#" * 2**21)
    for name in ("pipe", "large", ""):
        with pytest.raises(InputError, match="cannot read"):
            plan(tmp_path / name, "tiny")


@pytest.mark.parametrize("program", [experiments, measurements])
def test_every_command_has_debug(program, capsys):
    for command in program.COMMANDS:
        with pytest.raises(SystemExit):
            program.main([command, "--help"])
        assert "--debug" in capsys.readouterr().out
