"""evaluate.py from end to end on small images: its tables, and one sentence for everything that goes wrong."""

import csv
import json
import os
import re
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

import evaluate
from data.io.image_io import write_image
from data.runtime.errors import EXIT_DONE, EXIT_FAILED, EXIT_USAGE, StoppedError, run_command
from metrics import METRICS, Scorer, compute, compute_all
from tests.conftest import REPOSITORY

PAIRS = ("cat", "dog")
posix = pytest.mark.skipif(os.name != "posix", reason="such names and files are of POSIX alone")
FILES = {"per_pair.csv", "per_pair.md", "summary.csv", "summary.md", "summary.tex"}
RANKS = {"ranks.csv", "ranks.md", "ranks.tex"}
LATEX = next(filter(None, map(shutil.which, ("pdflatex", "lualatex", "xelatex", "tectonic"))), None)


def scene(seed):
    noise = np.random.default_rng(seed).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (3, 3), 0)


@pytest.fixture
def folders(tmp_path):
    """Two pairs and two methods: `truth`, which is the sharp scene, and `near`, which is source A."""
    for seed, name in enumerate(PAIRS):
        sharp = scene(seed)
        near, far, blurred = sharp.copy(), sharp.copy(), cv2.GaussianBlur(sharp, (7, 7), 2)
        near[:, 20:], far[:, :20] = blurred[:, 20:], blurred[:, :20]
        for path, image in (
            (f"source/{name}-A.png", near),
            (f"source/{name}-B.png", far),
            (f"truth/{name}.png", sharp),
            (f"near/{name}.tif", near),
        ):
            write_image(tmp_path / path, image)
    return tmp_path


def run(folders, *arguments, fused=("truth", "near")):
    methods = [f"{name}={folders / name}" for name in fused]
    options = ["--source", folders / "source", "--fused", *methods, "-o", folders / "out", "--overwrite", *arguments]
    return run_command(evaluate.main, [str(option) for option in options])


def failed_rows(folders):
    with (folders / "out" / "per_pair.csv").open(encoding="utf-8", newline="") as file:
        return {(row["method"], row["pair"]): row["failure"] for row in csv.DictReader(file) if row["failure"]}


def assert_one_sentence(text, *parts):
    assert "Traceback" not in text
    line = text.strip().splitlines()[-1]
    assert re.match(r"(\S+: )?error: ", line), text  # argparse begins with the name of the command
    assert all(part in line for part in parts), line


def test_writes_every_table(folders, capsys):
    assert run(folders) == EXIT_DONE
    assert {path.name for path in (folders / "out").iterdir()} == FILES | RANKS
    printed = capsys.readouterr().out
    summary = (folders / "out" / "summary.md").read_text(encoding="utf-8")
    assert summary in printed and "n = 2 pairs" in summary
    assert "| Method | Q_SF ↑ | Q_ABF ↑ | Q_LABF ↓ | Q_MI ↑ | Q_AG ↑ | Pairs |" in summary
    # The sharp scene is best in all but mutual information, which favors a copy of a source.
    (row,) = [line for line in summary.splitlines() if line.startswith("| truth")]
    assert row.count("**") == 8 and row.count("<u>") == 1
    per_pair = (folders / "out" / "per_pair.md").read_text(encoding="utf-8")
    assert "Pair cat" in per_pair and "Pair dog" in per_pair
    assert r"\toprule" in (folders / "out" / "summary.tex").read_text(encoding="utf-8")


def test_values_are_those_of_the_metrics(folders, capsys):
    assert run(folders, "--json", "--reference", folders / "truth") == EXIT_DONE
    document = json.loads(capsys.readouterr().out)
    images = [scene(0)]
    for side in "AB":
        path = folders / "source" / f"cat-{side}.png"
        images.append(cv2.imread(str(path))[..., ::-1])
    expected = compute_all(images[1], images[2], images[1], reference=images[0])
    measured = document["methods"]["near"]["pairs"]["cat"]
    assert list(measured) == ["q_sf", "q_abf", "q_labf", "q_mi", "q_ag", "psnr", "ssim", "spurious", "lost"]
    assert measured == pytest.approx({name: expected[name] for name in measured})
    assert document["methods"]["truth"]["pairs"]["cat"]["psnr"] == "inf"
    assert document["variants"]["q_labf"] == "xydeas-lt"


def test_options_choose_columns_variants_and_color(folders, capsys):
    arguments = ["--metrics", "q_abf", "n_abf", "--variant", "q_abf=kumar", "n_abf=kumar-lt", "--color", "rgb"]
    assert run(folders, *arguments, "--per-pair", "dog") == EXIT_DONE
    printed = capsys.readouterr().out
    assert "Pair dog" in printed and "Pair cat" not in printed
    assert "| Method | Q_ABF ↑ | N_ABF ↓ | Pairs |" in printed
    assert "on the mean of the RGB channels" in printed and "Q_ABF kumar, N_ABF kumar-lt" in printed
    assert "Pair cat" not in (folders / "out" / "per_pair.md").read_text(encoding="utf-8")


def test_per_pair_without_names_prints_all_and_quiet_prints_nothing(folders, capsys):
    assert run(folders, "--per-pair") == EXIT_DONE
    assert capsys.readouterr().out.count("Pair ") == 2
    assert run(folders, "--quiet") == EXIT_DONE
    output = capsys.readouterr()
    assert output.out == output.err == ""


def test_any_method_may_be_the_one_to_test_against(folders, capsys):
    assert run(folders, "--against", "near", "--metrics", "q_sf,q_cb") == EXIT_DONE
    ranks = (folders / "out" / "ranks.md").read_text(encoding="utf-8")
    assert "against near" in ranks and "Q_CB" in ranks and "no difference can be significant" in ranks
    with (folders / "out" / "ranks.csv").open(encoding="utf-8", newline="") as file:
        assert {row["against"] for row in csv.DictReader(file)} == {"near"}
    with pytest.raises(SystemExit):
        run(folders, "--against", "other")
    assert_one_sentence(capsys.readouterr().err, "no 'other' among truth, near")


@pytest.mark.parametrize("gray", ["sources", "result"])
def test_equal_channels_are_scored_on_gray(folders, capsys, gray):
    """Gray sources and results with three channels, as most methods save them, and the reverse."""
    for folder, names in (("source", ("cat-A", "cat-B", "dog-A", "dog-B")), ("near", PAIRS)):
        for name in names:
            (path,) = (folders / folder).glob(f"{name}.*")
            plane = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            flat = (folder == "source") == (gray == "sources")
            write_image(path, plane if flat else np.repeat(plane[..., None], 3, 2))
    assert run(folders, "--json", fused=("near",)) == EXIT_DONE
    document = json.loads(capsys.readouterr().out)
    assert document["notes"] == ["Pairs scored on gray, since either the result or the sources have no color: near 2."]
    files = folders / "source" / "cat-A.png", folders / "source" / "cat-B.png", folders / "near" / "cat.tif"
    planes = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files]
    assert document["methods"]["near"]["pairs"]["cat"]["q_abf"] == compute("q_abf", *planes)


def test_a_gray_result_of_colored_sources_is_refused(folders, capsys):
    write_image(folders / "near" / "cat.tif", cv2.imread(str(folders / "near" / "cat.tif"), cv2.IMREAD_GRAYSCALE))
    assert run(folders, "--quiet", fused=("near",)) == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "near, cat", "shape (32, 40)")


def test_what_is_too_small_for_a_metric_is_said(folders, capsys):
    assert run(folders, "--quiet", "--metrics", "ms_ssim", "viff") == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "ms_ssim", "a side has less than 176 pixels", "less than 64 pixels")


def test_tables_for_a_paper_hold_no_advice(folders):
    write_image(folders / "near" / "cat.tif", scene(0)[:20])
    assert run(folders, "--quiet") == EXIT_FAILED
    text = (folders / "out" / "summary.tex").read_text(encoding="utf-8")
    assert "Failed: near, cat." in text and "reference" not in text and r"\label{tab:fusion}" in text
    assert "--lay-on-reference" in (folders / "out" / "summary.md").read_text(encoding="utf-8")


@pytest.mark.skipif(LATEX is None, reason="no LaTeX engine here")
def test_tables_compile(folders):
    assert run(folders, "--quiet", "--metrics", "all") == EXIT_FAILED  # the pairs are too small for some
    head = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    tables = r"\input{summary.tex}\input{ranks.tex} See tables \ref{tab:fusion} and \ref{tab:ranks}."
    (folders / "out" / "paper.tex").write_text(head + tables + r"\end{document}", encoding="utf-8")
    command = [LATEX, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(command, cwd=folders / "out", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Overfull" not in done.stdout


def test_jpeg_is_named_in_the_table(folders, capsys):
    for seed, name in enumerate(PAIRS):
        write_image(folders / "lossy" / f"{name}.jpg", scene(seed), quality=75)
    assert run(folders, fused=("truth", "lossy")) == EXIT_DONE
    printed = capsys.readouterr().out
    assert "| lossy (JPEG) |" in printed and "JPEG changes the metrics" in printed
    (folders / "lossy" / "dog.jpg").unlink()
    write_image(folders / "lossy" / "dog.png", scene(1))
    run(folders, fused=("lossy",))
    assert "| lossy (JPEG in part) |" in capsys.readouterr().out


def test_tables_are_replaced_when_it_is_asked_for(folders, capsys):
    options = ["--source", folders / "source", "--fused", f"truth={folders / 'truth'}", "-o", folders / "out"]
    assert run_command(evaluate.main, list(map(str, options))) == EXIT_DONE
    assert run_command(evaluate.main, list(map(str, options))) == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "--overwrite replaces it")


def test_results_may_be_called_fused(folders):
    (folders / "truth" / "cat.png").rename(folders / "truth" / "cat-fused.png")
    (folders / "truth" / "dog.png").rename(folders / "truth" / "Fused_dog.png")
    assert run(folders) == EXIT_DONE


def test_sources_by_a_pattern(folders):
    for path in (folders / "source").iterdir():
        name, side = path.stem.rsplit("-", 1)
        path.rename(path.with_name(f"img{ord(side)}.of.{name}{path.suffix}"))
    assert run(folders, "--pattern", "img{index}.of.{name}") == EXIT_DONE
    assert run(folders, "--pattern", "{index}_{name}") == EXIT_FAILED


def test_another_case_counts_where_the_exact_name_is_absent(folders):
    (folders / "truth" / "cat.png").rename(folders / "truth" / "CAT.png")
    assert run(folders) == EXIT_DONE


def spoil_missing(folder):
    (folder / "cat.png").unlink()


def spoil_corrupt(folder):
    (folder / "cat.png").write_bytes(b"not an image")


def spoil_truncated(folder):
    data = (folder / "cat.png").read_bytes()
    (folder / "cat.png").write_bytes(data[: len(data) // 2])


def spoil_size(folder):
    write_image(folder / "cat.png", scene(0)[:20])


def spoil_gray(folder):
    write_image(folder / "cat.png", scene(0)[..., 0])


def spoil_alpha(folder):
    cv2.imwrite(str(folder / "cat.png"), np.dstack([scene(0), np.full((32, 40), 9, np.uint8)]))


def spoil_duplicate(folder):
    write_image(folder / "cat.tif", scene(0))


def spoil_folder(folder):
    (folder / "cat.png").unlink()
    (folder / "cat.png").mkdir()


def spoil_pipe(folder):
    (folder / "cat.png").unlink()
    os.mkfifo(folder / "cat.png")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (spoil_missing, "no image cat with one of the suffixes"),
        (spoil_corrupt, "cannot read"),
        (spoil_truncated, "cut short"),
        (spoil_size, "the result has 40x20 and its sources have 40x32 pixels"),
        (spoil_gray, "(32, 40), but its sources have (32, 40, 3)"),
        (spoil_alpha, "transparent"),
        (spoil_duplicate, "cat.tif; keep one"),
        (spoil_folder, "it is a folder"),
        pytest.param(spoil_pipe, "pipe", marks=posix),
    ],
)
def test_one_bad_fused_image_is_a_failed_row(folders, capsys, spoil, reason):
    spoil(folders / "truth")
    assert run(folders) == EXIT_FAILED
    output = capsys.readouterr()
    rows = failed_rows(folders)
    assert set(rows) == {("truth", "cat")} and reason in rows["truth", "cat"]
    assert "1/2 failed: 1" in output.out and "Failed: truth, cat" in output.out
    assert f"error: truth, cat: {rows['truth', 'cat']}" in output.err and "Traceback" not in output.err


def test_a_bad_source_fails_its_pair_for_all(folders, capsys):
    data = (folders / "source" / "cat-B.png").read_bytes()
    (folders / "source" / "cat-B.png").write_bytes(data[: len(data) // 2])
    assert run(folders) == EXIT_FAILED
    rows = failed_rows(folders)
    assert set(rows) == {("truth", "cat"), ("near", "cat")}
    assert all(reason.startswith("source: ") for reason in rows.values())
    assert "Traceback" not in capsys.readouterr().err


def test_an_orphan_is_named_and_the_others_are_scored(folders, capsys):
    write_image(folders / "source" / "owl-A.png", scene(5))
    assert run(folders) == EXIT_FAILED
    assert "owl-A.png has no partner" in capsys.readouterr().err
    assert failed_rows(folders) == {}


def test_a_missing_reference_fails_only_its_metrics(folders, capsys):
    write_image(folders / "reference" / "cat.png", scene(0))
    write_image(folders / "reference" / "dog.png", scene(1)[:20])
    assert run(folders, "--reference", folders / "reference") == EXIT_FAILED
    rows = failed_rows(folders)
    assert set(rows) == {("truth", "dog"), ("near", "dog")}
    assert "psnr: reference: The images must have equal shapes" in rows["near", "dog"]
    assert "q_abf" not in rows["near", "dog"] and "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize("name", ["absent", "source/cat-A.png"])
def test_a_folder_that_is_none_ends_the_run(folders, capsys, name):
    assert run(folders, fused=(name,)) == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "cannot list the images of", name)
    assert not (folders / "out").exists()


def test_unusable_source_and_output_folders(folders, capsys):
    (folders / "out").write_text("a file")
    assert run(folders) == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "cannot make the folder", "out is a file")
    (folders / "empty").mkdir()
    method = f"truth={folders / 'truth'}"
    for source in ("empty", "absent"):
        arguments = ["--source", str(folders / source), "--fused", method, "-o", str(folders / "new")]
        assert run_command(evaluate.main, arguments) == EXIT_FAILED
        assert_one_sentence(capsys.readouterr().err, source)
    assert not (folders / "new").exists()


def test_tables_that_cannot_be_replaced(folders, capsys):
    (folders / "out" / "summary.md").mkdir(parents=True)
    assert run(folders) == EXIT_FAILED
    assert_one_sentence(capsys.readouterr().err, "summary.md: it is a folder")
    assert not [path for path in (folders / "out").iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--metrics", "q_abff"], ["did you mean 'q_abf'"]),
        (["--metrics", "psnr"], ["psnr need", "--reference DIR"]),
        (["--lay-on-reference"], ["--lay-on-reference takes --reference DIR"]),
        (["--variant", "q_abf=kumr"], ["did you mean 'kumar'"]),
        (["--variant", "q_abf"], ["not of the form NAME=VALUE"]),
        (["--variant", "q_abf=kumar", "q_abf=xydeas"], ["'q_abf' twice"]),
        (["--per-pair", "cta"], ["no pair 'cta'", "did you mean 'cat'"]),
        (["--color", "lab"], ["invalid choice: 'lab'"]),
    ],
)
def test_wrong_usage_ends_with_2(folders, capsys, arguments, parts):
    with pytest.raises(SystemExit) as ending:
        run(folders, *arguments)
    assert ending.value.code == EXIT_USAGE
    assert_one_sentence(capsys.readouterr().err, *parts)
    assert not (folders / "out").exists()


def test_list_and_help(capsys):
    for option, expected in (("--list", METRICS), ("--help", ["examples:", "--per-pair", "Exit codes"])):
        with pytest.raises(SystemExit) as ending:
            evaluate.main([option])
        assert ending.value.code == EXIT_DONE
        printed = capsys.readouterr().out
        assert all(part in printed for part in expected)


def test_as_a_command(folders):
    command = [sys.executable, "evaluate.py", "--source", folders / "source", "--fused", f"truth={folders / 'truth'}"]
    done = subprocess.run([*command, "-o", folders / "out"], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == EXIT_DONE, done.stderr
    assert "| truth |" in done.stdout and "value/s" in done.stderr
    usage = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert usage.returncode == EXIT_USAGE and "-o/--output" in usage.stderr


def raise_for(monkeypatch, name, error):
    """Makes the reading of one file raise."""

    def read(path, *arguments):
        if path.name == name:
            raise error
        return real(path, *arguments)

    real = evaluate.read_image
    monkeypatch.setattr(evaluate, "read_image", read)


@pytest.mark.parametrize("name", ["cat-A.png", "cat.png"])
@pytest.mark.parametrize("error", [RuntimeError("the decoder is broken"), MemoryError(), OSError(5, "I/O error")])
def test_whatever_is_raised_fails_its_row_alone(folders, capsys, monkeypatch, name, error):
    raise_for(monkeypatch, name, error)
    assert run(folders, fused=("truth",)) == EXIT_FAILED
    assert set(failed_rows(folders)) == {("truth", "cat")}
    assert "Traceback" not in capsys.readouterr().err
    assert run(folders, "--debug", fused=("truth",)) == EXIT_FAILED
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_is_said_as_one(folders, capsys, monkeypatch):
    raise_for(monkeypatch, "cat.png", ValueError("shapes cannot be broadcast"))
    assert run(folders, fused=("truth",)) == EXIT_FAILED
    assert "unexpected ValueError: shapes cannot be broadcast" in capsys.readouterr().err


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StoppedError("stopped by SIGTERM")])
def test_what_ends_everything_is_no_row(folders, monkeypatch, error):
    raise_for(monkeypatch, "cat.png", error)
    with pytest.raises(type(error)):
        evaluate.main(
            ["--source", f"{folders / 'source'}", "--fused", f"t={folders / 'truth'}", "-o", f"{folders}/out"]
        )
    assert not (folders / "out" / "summary.md").exists()


def test_an_undefined_value_is_said(folders, capsys):
    for path in ("source/flat-A.png", "source/flat-B.png", "truth/flat.png", "near/flat.png"):
        write_image(folders / path, np.zeros((32, 40, 3), np.uint8))
    assert run(folders, "--quiet", "--metrics", "q_abf") == EXIT_FAILED
    assert "error: truth, flat: the metric is undefined" in capsys.readouterr().err


ODD_NAMES = ("caf\udce9", "=1+1", "a\x1b[31m", "x\u202egnp", "www.a|b")


@posix
def test_names_that_are_no_utf_8_or_act_are_scored_and_shown_escaped(folders, capsys):
    for name in ODD_NAMES:
        for part, suffix in (("source", "-A"), ("source", "-B"), ("truth", "")):
            first = folders / part / f"cat{suffix}.png"
            (folders / part / f"{name}{suffix}.png").write_bytes(first.read_bytes())
    assert run(folders, "--per-pair", ODD_NAMES[0], fused=("truth",)) == EXIT_DONE
    printed = capsys.readouterr()
    assert "Pair caf\\\\xe9" in printed.out
    written = [path.read_text(encoding="utf-8") for path in (folders / "out").iterdir()]
    assert not any(one in text for text in (*written, printed.out) for one in "\x1b\u202e\udce9")
    rows = (folders / "out" / "per_pair.csv").read_text(encoding="utf-8")
    assert "truth,caf\\xe9," in rows and "truth,'=1+1," in rows
    assert run(folders, "--per-pair", "--json", "--quiet", fused=("truth",)) == EXIT_DONE
    assert set(json.loads(capsys.readouterr().out)["methods"]["truth"]["pairs"]) == {*ODD_NAMES, *PAIRS}
    with pytest.raises(SystemExit):
        run(folders, "--per-pair", "nothing\udce9")
    assert "\x1b" not in capsys.readouterr().err


@posix
def test_names_of_bytes_as_a_command(folders):
    for name in ("source/caf\udce9-A.png", "source/caf\udce9-B.png", "truth/caf\udce9.png"):
        write_image(folders / name, scene(3))
    arguments = ["--source", folders / "source", "--fused", f"truth={folders / 'truth'}", "-o", folders / "out"]
    done = subprocess.run(
        [sys.executable, "evaluate.py", *arguments, "--per-pair", "caf\udce9"], cwd=REPOSITORY, capture_output=True
    )
    assert done.returncode == EXIT_DONE, done.stderr
    assert b"caf\\\\xe9" in done.stdout
    assert "caf\\xe9" in (folders / "out" / "per_pair.csv").read_text(encoding="utf-8")


def test_a_stack_is_scored_against_all_its_frames(folders, capsys):
    frames = [scene(seed) for seed in (3, 4, 5)]
    for side, frame in zip("ABC", frames, strict=True):
        write_image(folders / "three" / f"cat-{side}.png", frame)
    methods = ["--fused", f"truth={folders / 'truth'}"]
    options = ["--source", folders / "three", *methods, "-o", folders / "out", "--json", "--quiet"]
    assert run_command(evaluate.main, list(map(str, options))) == EXIT_DONE
    measured = json.loads(capsys.readouterr().out)["methods"]["truth"]["pairs"]["cat"]
    expected = Scorer(frames).score(scene(0), list(measured))
    assert measured == pytest.approx(expected, rel=1e-12) and "q_abf" in measured


def test_a_result_that_was_cut_is_laid_on_its_reference(tmp_path, capsys):
    rng = np.random.default_rng(1)
    truth = cv2.GaussianBlur(rng.integers(0, 256, (120, 160, 3)).astype(np.float32), (0, 0), 3)
    truth = np.clip((truth - 128) * 5 + 128, 0, 255).astype(np.uint8)
    for path, image in (("source/cat-A", truth), ("source/cat-B", truth), ("truth/cat", truth)):
        write_image(tmp_path / f"{path}.png", image)
    moved = cv2.warpAffine(truth, np.array([[1, 0, 0.4], [0, 1, -0.3]]), (160, 120), flags=cv2.INTER_CUBIC)
    write_image(tmp_path / "cut" / "cat.png", moved[2:-3, 3:-1])
    assert run(tmp_path, "--reference", tmp_path / "truth", fused=("cut",)) == EXIT_FAILED
    assert "--lay-on-reference" in failed_rows(tmp_path)["cut", "cat"]
    capsys.readouterr()
    options = ["--reference", tmp_path / "truth", "--lay-on-reference", "--json"]
    assert run(tmp_path, *options, fused=("cut",)) == EXIT_DONE
    measured = json.loads(capsys.readouterr().out)["methods"]["cut"]["pairs"]["cat"]
    assert list(measured) == ["psnr", "ssim", "spurious", "lost"]
    assert measured["psnr"] > 40 and measured["ssim"] > 0.99
    assert measured["spurious"] < 0.05 and measured["lost"] < 0.05
