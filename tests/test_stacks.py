import re
from pathlib import Path

import pytest
from PIL import Image

from data.io.listing import Stack, check_stack, find_pairs, find_stacks, natural_key
from data.runtime.errors import InputError


def images(folder: Path, *names: str, size: tuple[int, int] = (6, 4)) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size).save(folder / name)


def names(folder: Path) -> list[str]:
    return [pair.name for pair in find_pairs(folder).stacks]


@pytest.mark.parametrize(
    ("near", "far"),
    [("-A", "-B"), ("_A", "_B"), ("-a", "-b"), ("_1", "_2"), ("-1", "-2"), ("_near", "_far"), ("-A", "-b")],
)
def test_every_ending_is_known(tmp_path, near, far):
    images(tmp_path, f"scene_7{near}.png", f"scene_7{far}.jpg")
    listing = find_pairs(tmp_path)
    assert listing.stacks == [Stack("scene_7", (tmp_path / f"scene_7{near}.png", tmp_path / f"scene_7{far}.jpg"))]
    assert listing.problems == []


def test_pairs_come_in_natural_order(tmp_path):
    images(tmp_path, *(f"lytro-{number}-{side}.png" for number in (10, 2, 1) for side in "AB"))
    assert names(tmp_path) == ["lytro-1", "lytro-2", "lytro-10"]
    assert sorted(["b2", "a", "b10", "3"], key=natural_key) == ["3", "a", "b2", "b10"]


def test_other_files_and_subfolders_do_not_disturb(tmp_path):
    images(tmp_path, "x-A.png", "x-B.png", "triple/x-A.png", "triple/x-C.png", ".y-A.png")
    (tmp_path / "notes-A.txt").write_text("x")
    listing = find_pairs(tmp_path)
    assert [pair.name for pair in listing.stacks] == ["x"] and listing.problems == []


@pytest.mark.parametrize(
    ("first", "second"),
    [("sourceA", "sourceB"), ("source_1", "source_2"), ("A", "B"), ("b", "a"), ("1", "2"), ("far", "near")],
)
def test_two_folders_with_equal_names(tmp_path, first, second):
    images(tmp_path, *(f"{side}/{number}.png" for side in (first, second) for number in ("1", "2", "10")))
    images(tmp_path, "other/1.png")
    listing = find_pairs(tmp_path)
    assert [pair.name for pair in listing.stacks] == ["1", "2", "10"] and listing.problems == []
    near_folder = {"sourceA": "sourceA", "source_1": "source_1", "A": "A", "b": "a", "1": "1", "far": "near"}[first]
    assert all(pair.near.parent.name == near_folder for pair in listing.stacks)


def test_names_by_a_pattern(tmp_path):
    images(tmp_path, "7-of-cat.png", "12-of-cat.png", "9-of-cat.png", "a-of-dog.png", "B-of-dog.png", "notes.png")
    listing = find_stacks(tmp_path, pattern="{index}-of-{name}")
    assert [(stack.name, [path.name[:2] for path in stack.images]) for stack in listing.stacks] == [
        ("cat", ["7-", "9-", "12"]),
        ("dog", ["a-", "B-"]),
    ]
    assert listing.problems == [
        f"{tmp_path / 'notes.png'} does not fit the pattern {{index}}-of-{{name}}; rename or remove it."
    ]
    for wrong in ("{name}", "{name}{name}{index}", ""):
        with pytest.raises(InputError):
            find_stacks(tmp_path, pattern=wrong or "x")
    with pytest.raises(InputError, match="does not fit the pattern"):
        find_stacks(tmp_path, pattern="{name}__{index}")


def test_the_given_order_is_kept_where_it_is_asked_for(tmp_path):
    images(tmp_path, "f1.png", "f10.png", "f2.png")
    files = [tmp_path / f"f{number}.png" for number in (1, 10, 2)]
    assert [path.stem for path in check_stack(*files).images] == ["f1", "f2", "f10"]
    assert list(check_stack(*files, as_given=True).images) == files


def test_one_folder_for_each_pair(tmp_path):
    images(tmp_path, "dog/A.png", "dog/B.png", "cat/x_1.png", "cat/x_2.png", "bird/A.png")
    (tmp_path / "empty").mkdir()
    listing = find_pairs(tmp_path)
    assert [pair.name for pair in listing.stacks] == ["cat", "dog"]
    assert len(listing.problems) == 1 and "bird/A.png has no partner, no B" in listing.problems[0]


def test_folder_of_one_pair_gives_it_the_folders_name(tmp_path):
    images(tmp_path / "dog", "A.png", "B.png")
    assert names(tmp_path / "dog") == ["dog"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["x-A.png"], "x-A.png has no partner, no B of the same name"),
        (["x-B.png"], "x-B.png has no partner, no A of the same name"),
        (["x-A.png", "x-B.png", "x-A.jpg"], "x has two files for one side, .*x-A.jpg and .*x-A.png"),
        (["x-A.png", "x-B.png", "x_B.png"], "x has two files for one side, .*x-B.png and .*x_B.png"),
        (["x-A.png", "x-B.png", "x-C.png"], "x has more than 2 images, .*x-C.png"),
        (["x-3.png"], "x-3.png belongs to no stack"),
        (["holiday.png"], "holiday.png belongs to no stack"),
    ],
)
def test_each_problem_is_named_and_leaves_the_other_pairs(tmp_path, wrong, message):
    images(tmp_path, "good-A.png", "good-B.png", *wrong)
    listing = find_pairs(tmp_path)
    assert [pair.name for pair in listing.stacks] == ["good"]
    (problem,) = listing.problems
    assert re.search(message, problem)


def test_unequal_sizes_and_unreadable_files_are_problems(tmp_path):
    images(tmp_path, "good-A.png", "good-B.png", "x-A.png")
    images(tmp_path, "x-B.png", size=(5, 4))
    images(tmp_path, "y-A.png")
    (tmp_path / "y-B.png").write_bytes(b"broken")
    listing = find_pairs(tmp_path)
    assert [pair.name for pair in listing.stacks] == ["good"]
    assert "x-A.png is 6x4 pixels but" in listing.problems[0] and "x-B.png is 5x4;" in listing.problems[0]
    assert "y-B.png: it is no JPEG" in listing.problems[1]


def test_sizes_are_compared_upright(tmp_path):
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (4, 6)).save(tmp_path / "x-A.jpg", exif=exif)
    images(tmp_path, "x-B.jpg", size=(6, 4))
    assert names(tmp_path) == ["x"]


def test_folders_that_give_nothing(tmp_path):
    images(tmp_path, "orphans/x-A.png", "orphans/y-A.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    cases = {
        "missing": "no such folder",
        "file": "it is a file",
        "empty": "no image pair in .*must hold NAME-A and NAME-B",
        "orphans": r"no usable image pair in .*x-A.png has no partner.* \(and 1 more problem\)",
    }
    for name, message in cases.items():
        with pytest.raises(InputError, match=message):
            find_pairs(tmp_path / name)


def test_two_named_files(tmp_path):
    images(tmp_path, "lytro-01-A.png", "lytro-01-B.png", "one.png", "A/x.png", "B/x.png", "dog/A.png", "dog/B.png")

    def name(near: str, far: str) -> str:
        pair = check_stack(tmp_path / near, tmp_path / far)
        assert pair.images == (tmp_path / near, tmp_path / far)
        return pair.name

    assert name("lytro-01-A.png", "lytro-01-B.png") == "lytro-01"
    assert name("lytro-01-B.png", "lytro-01-A.png") == "lytro-01"
    assert name("A/x.png", "B/x.png") == "x"
    assert name("dog/A.png", "dog/B.png") == "dog"
    assert name("one.png", "lytro-01-B.png") == "one-lytro-01-B"


def test_two_named_files_that_are_no_pair(tmp_path):
    images(tmp_path, "x.png")
    images(tmp_path, "wide.png", size=(9, 4))
    with pytest.raises(InputError, match="with itself"):
        check_stack(tmp_path / "x.png", tmp_path / "." / "x.png")
    with pytest.raises(InputError, match=r"x.png is 6x4 pixels but .*wide.png is 9x4"):
        check_stack(tmp_path / "x.png", tmp_path / "wide.png")
    with pytest.raises(InputError, match="no such file"):
        check_stack(tmp_path / "x.png", tmp_path / "missing.png")


@pytest.mark.parametrize("sides", ["ABC", [str(n) for n in range(1, 13)], "abcdefghijkl"])
def test_stacks_of_many(tmp_path, sides):
    images(tmp_path, *(f"insect_{side}.png" for side in sides))
    (stack,) = find_stacks(tmp_path).stacks
    assert stack == Stack("insect", tuple(tmp_path / f"insect_{side}.png" for side in sides))
    assert check_stack(*stack.images) == stack
    with pytest.raises(InputError, match="insect has more than 2 images"):
        find_pairs(tmp_path)


def test_a_gap_in_a_stack(tmp_path):
    images(tmp_path, "x-1.png", "x-2.png", "x-4.png", "y-A.png", "y-B.png")
    listing = find_stacks(tmp_path)
    assert [stack.name for stack in listing.stacks] == ["y"]
    assert "x has 3 images" in listing.problems[0] and "lacks number 3" in listing.problems[0]


def test_folders_of_stacks(tmp_path):
    images(tmp_path, *(f"beetle/{side}.png" for side in "ABC"), "fly/A.png", "fly/B.png")
    assert [(stack.name, len(stack.images)) for stack in find_stacks(tmp_path).stacks] == [("beetle", 3), ("fly", 2)]
    images(tmp_path / "sides", *(f"{side}/x.png" for side in "ABC"))
    (stack,) = find_stacks(tmp_path / "sides").stacks
    assert stack == Stack("x", tuple(tmp_path / "sides" / side / "x.png" for side in "ABC"))


def test_lytro_is_found_whole(lytro):
    listing = find_pairs(lytro)
    assert [pair.name for pair in listing.stacks] == [f"lytro-{number:02}" for number in range(1, 21)]
    assert listing.problems == []
