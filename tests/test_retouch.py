"""Strokes over a result, and projects that keep them."""

import json
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fuse
from data.demo import rendered_scene
from data.io.files import file_digest
from data.io.image_io import read_image, write_image
from data.registration.prepared import PreparedFrames
from data.runtime.errors import InputError
from model import load_fuser
from model.fusion.project import Frame, Project, parse_project, write_project
from model.fusion.retouch import SECOND, Paints, Stroke, retouch
from model.fusion.settings import FusionSettings

WHOLE = (slice(0, 40), slice(0, 60))
BLACK, WHITE = (np.full((40, 60, 3), level, np.uint8) for level in (0, 255))


def test_a_hard_brush_covers_a_disc():
    cover = Stroke(0, ((30.0, 20.0),), radius=4, softness=0).cover(WHOLE)
    y, x = np.mgrid[0:40, 0:60]
    distance = np.hypot(x - 30, y - 20)
    assert (cover[distance <= 3.5] == 1).all()
    assert (cover[distance >= 4.5] == 0).all()


def test_a_soft_brush_fades_from_its_middle():
    cover = Stroke(0, ((30.0, 20.0),), radius=10, softness=1).cover(WHOLE)[20, 30:42]
    assert cover[0] == 1
    assert (np.diff(cover[:12]) <= 0).all()
    assert cover[5] == pytest.approx(0.5, abs=0.1)
    assert cover[11] == 0


def test_a_line_covers_what_lies_between_its_points():
    cover = Stroke(0, ((10.0, 20.0), (50.0, 20.0)), radius=2, softness=0).cover(WHOLE)
    np.testing.assert_array_equal(cover[20, 10:51], 1)
    np.testing.assert_array_equal(cover[:16], 0)


@given(
    x=st.floats(-30, 90), y=st.floats(-30, 70), radius=st.floats(0.5, 50), softness=st.floats(0, 1), wide=st.booleans()
)
def test_what_no_stroke_reaches_stays_to_the_bit(x, y, radius, softness, wide):
    rng = np.random.default_rng(0)
    kind = np.uint16 if wide else np.uint8
    image, source = rng.integers(0, np.iinfo(kind).max + 1, (2, 40, 60, 3)).astype(kind)
    result = retouch(Paints([source], image), [Stroke(0, ((x, y),), radius, softness)])
    rows, columns = np.mgrid[0:40, 0:60]
    far = np.hypot(columns - x, rows - y) > radius + 10
    np.testing.assert_array_equal(result[far], image[far])
    near = np.hypot(columns - x, rows - y) < radius * (1 - softness) - 8
    np.testing.assert_array_equal(result[near], source[near])


def test_later_strokes_lie_over_earlier_ones():
    strokes = [Stroke(number, ((30.0, 20.0),), 8, 0) for number in (1, 0)]
    assert retouch(Paints([BLACK, WHITE], BLACK), strokes[:1])[20, 30].tolist() == [255] * 3
    assert retouch(Paints([BLACK, WHITE], BLACK), strokes)[20, 30].tolist() == [0] * 3
    assert not BLACK.any()


def a_project(folder, crop=np.s_[:128, :160]):
    frames = []
    for name, image in zip(("near.png", "far.png"), rendered_scene().photographs(), strict=True):
        write_image(folder / name, image[crop])
        frames.append(Frame(name, file_digest(folder / name, "sha256")))
    strokes = (Stroke(1, ((20.0, 30.0), (60.5, 40.0)), 9.0, 0.5), Stroke(0, ((100.0, 90.0),), 20.0))
    return Project(tuple(frames), FusionSettings(align="none"), strokes)


def test_a_project_gives_the_same_pixels_on_the_command_line(tmp_path):
    project = a_project(tmp_path)
    write_project(tmp_path / "scene.json", project)
    assert fuse.main(["--project", str(tmp_path / "scene.json"), "-o", str(tmp_path / "fused.png"), "--quiet"]) == 0
    frames = [read_image(tmp_path / frame.file) for frame in project.frames]
    frames = PreparedFrames(frames, align="none")  # of one brightness
    plain = load_fuser()(frames)
    expected = retouch(Paints(frames, plain), project.strokes)
    assert (expected != plain).any()
    np.testing.assert_array_equal(read_image(tmp_path / "fused.png"), expected)


def test_a_stroke_paints_with_what_other_settings_made(tmp_path):
    plain = a_project(tmp_path, np.s_[200:, 100:400])  # where strategies differ
    strokes = (*plain.strokes, Stroke(SECOND, ((150.0, 40.0),), 60.0, 0.0))
    project = replace(plain, strokes=strokes, second=replace(plain.settings, strategy="refined"))
    write_project(tmp_path / "scene.json", project)
    assert parse_project(json.loads((tmp_path / "scene.json").read_text()), "it") == project
    assert fuse.main(["--project", str(tmp_path / "scene.json"), "-o", str(tmp_path / "fused.png"), "--quiet"]) == 0
    frames = PreparedFrames([read_image(tmp_path / frame.file) for frame in project.frames], align="none")
    learned, refined = load_fuser()(frames), load_fuser(strategy="refined")(frames)
    assert (learned != refined).any()
    result = read_image(tmp_path / "fused.png")
    np.testing.assert_array_equal(result, retouch(Paints(frames, learned, refined), strokes))
    middle = np.s_[10:70, 120:180]
    assert (learned[middle] != refined[middle]).any()
    np.testing.assert_array_equal(result[middle], refined[middle])
    with pytest.raises(InputError, match="there is no second result to paint with"):
        retouch(Paints(frames, learned), strokes)
    assert "second" not in replace(project, strokes=plain.strokes).to_json()  # which nothing paints with


def test_it_survives_a_trip_through_a_file(tmp_path):
    project = a_project(tmp_path)
    assert parse_project(json.loads(json.dumps(project.to_json())), "it") == project


def test_a_frame_that_has_changed_is_noticed(tmp_path, capsys):
    project = a_project(tmp_path)
    write_project(tmp_path / "scene.json", project)
    write_image(tmp_path / "far.png", BLACK)
    with pytest.raises(InputError, match=r"far\.png is not the frame"):
        fuse.main(["--project", str(tmp_path / "scene.json"), "-o", str(tmp_path / "fused.png")])
    (tmp_path / "far.png").unlink()
    with pytest.raises(InputError, match=r"far\.png"):
        fuse.main(["--project", str(tmp_path / "scene.json"), "-o", str(tmp_path / "fused.png")])
    assert not (tmp_path / "fused.png").exists()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"format": 2}, "its format is 2"),
        ({"frames": []}, "it has 0 frames"),
        ({"frames": [{"file": "../a.png", "sha256": ""}] * 2}, "is no file name"),
        ({"settings": {"align": "maybe"}}, "align must be one of auto, none"),
        ({"settings": {"strategy": "refined", "prefer": "near"}}, "prefer is for the strategy learned"),
        ({"settings": {"speed": 9}}, "unknown setting 'speed'"),
        ({"strokes": [{}]}, "frame is missing"),
        ({"strokes": [{"frame": -2, "radius": 3, "softness": 0, "points": [[1, 2]]}]}, "a second result, and it does"),
        ({"second": {"align": "auto"}}, "may differ in average, strategy, prefer"),
        ({"second": {"strategy": "paper"}}, "strategy must be one of"),
        ({"second": 7}, "may differ in"),
        ({"strokes": [{"frame": 2, "radius": 3, "softness": 0, "points": [[1, 2]]}]}, "there is no frame 2"),
        ({"strokes": [{"frame": 0, "radius": 1e9, "softness": 0, "points": [[1, 2]]}]}, "the radius is from"),
        ({"strokes": [{"frame": 0, "radius": 3, "softness": 0, "points": []}]}, "there is no point"),
        ({"strokes": [{"frame": 0, "radius": 3, "softness": 0, "points": [[1, 2, 3]]}]}, "points must be"),
        ({"strokes": [{"frame": 0, "radius": 3, "softness": 0, "points": [[1, 1e9]]}]}, "out of reach"),
    ],
)
def test_damaged_projects_are_refused_in_one_sentence(tmp_path, change, sentence):
    content = a_project(tmp_path).to_json() | change
    with pytest.raises(InputError, match=sentence):
        parse_project(json.loads(json.dumps(content)), "scene.json")


def test_usage(capsys, tmp_path):
    for options in (["--project", "a.json", "b.png"], ["--project", "a.json", "-i", "folder"]):
        with pytest.raises(SystemExit) as ended:
            fuse.main([*options, "-o", "c.png"])
        assert ended.value.code == 2
        assert "--project says which frames" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        fuse.main(["--project", "a.json", "-o", "c.png", "--align", "none"])
    assert "--project says how frames are fused: leave --align out" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        fuse.main(["--app", "a.png"])
    assert "--app takes frames on its page" in capsys.readouterr().err
