"""Folders of numbered frames: one stack each, in the order of their numbers, whatever the camera calls them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import IFD
from PIL.ExifTags import Base as Tag

from data.io.listing import check_stack, find_pairs, find_scene, find_stacks
from data.io.sequences import find_series
from data.runtime.errors import InputError
from tests.test_stacks import images


def found(folder):
    """The stacks of a folder as names of files, and what is said beside them."""
    listing = find_stacks(folder)
    return {stack.name: [path.name for path in stack.images] for stack in listing.stacks}, listing


NUMBERED = {
    "zero-padded": ["pcb_001", "pcb_002", "pcb_007"],
    "from nothing on": ["flies_0000", "flies_0001", "flies_0002"],
    "a dash": ["vig-0000", "vig-0001"],
    "bare": ["00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10", "11"],
    "past a thousand": ["IMG_998", "IMG_0999", "IMG_1000", "IMG_1003"],
    "past ninety-nine": ["x_98", "x_99", "x_100", "x_101"],
    "from 1 past ninety-nine": [f"x_{number}" for number in range(1, 103)],
    "from 0 on": ["x_0", "x_1", "x_2"],
    "from 47 on": ["DSC_47", "DSC_48", "DSC_50"],
    "without a separator": ["P1010009", "P1010010"],
    "a phone's time": ["IMG_20260131_235959", "IMG_20260201_000001", "IMG_20260201_000003"],
    "times and dots": ["2026-01-31 12.00.58", "2026-01-31 12.01.01"],
    "number inside": ["frame9_left", "frame10_left"],
}


@pytest.mark.parametrize("names", NUMBERED.values(), ids=NUMBERED.keys())
def test_a_folder_of_numbered_frames_is_one_stack(tmp_path, names):
    folder = tmp_path / "beetle"
    images(folder, *(f"{name}.png" for name in reversed(names)))
    stacks, listing = found(folder)
    assert stacks == {"beetle": [f"{name}.png" for name in names]}
    assert listing.problems == [] and listing.notes == []
    assert listing.lines() == [f"beetle: {len(names)} frames, {names[0]} to {names[-1]}"]
    assert find_scene(folder) == listing


def test_what_is_no_frame_is_left_out_by_name(tmp_path):
    images(tmp_path / "desk", *(f"{number:02}.png" for number in range(12)), "truth.png", "x-A.png")
    (tmp_path / "desk" / "scene.json").write_text("{}")
    (tmp_path / "desk" / "07.xmp").write_text("x")
    stacks, listing = found(tmp_path / "desk")
    assert len(stacks["desk"]) == 12 and listing.problems == []
    assert listing.notes == ["desk: truth.png, x-A.png are left out, not of the series 00.png to 11.png"]
    assert listing.lines() == ["desk: 12 frames, 00 to 11", f"warning: {listing.notes[0]}"]


def test_many_that_are_left_out_are_counted(tmp_path):
    images(tmp_path / "x", *(f"a_{number:03}.png" for number in range(9)), *(f"b_{n:03}.png" for n in range(7)))
    stacks, listing = found(tmp_path / "x")
    assert len(stacks["x"]) == 9
    assert "b_003.png, b_004.png and 2 more are left out" in listing.notes[0]


@pytest.mark.parametrize("suffixes", [(".jpg", ".nef"), (".JPG", ".CR2"), (".tif", ".jpg"), (".heic", ".dng")])
def test_of_a_frame_in_two_types_the_developed_one_is_taken(tmp_path, suffixes):
    developed, other = suffixes
    for number in (4711, 4712, 4713):
        images(tmp_path / "x", f"DSC_{number}.png")
        (tmp_path / "x" / f"DSC_{number}.png").rename(tmp_path / "x" / f"DSC_{number}{developed}")
        (tmp_path / "x" / f"DSC_{number}{other}").write_bytes(b"never read")
        (tmp_path / "x" / f"DSC_{number}.xmp").write_bytes(b"")
    stacks, listing = found(tmp_path / "x")
    assert stacks == {"x": [f"DSC_{number}{developed}" for number in (4711, 4712, 4713)]}
    assert f"DSC_4711{other}, DSC_4712{other}, DSC_4713{other} are left out" in listing.notes[0]


def test_a_type_with_more_frames_goes_before_a_better_one(tmp_path):
    images(tmp_path / "x", "1_001.png", "1_002.png", "1_003.png", "1_001.jpg", "1_002.jpg")
    assert found(tmp_path / "x")[0] == {"x": ["1_001.png", "1_002.png", "1_003.png"]}


def test_frames_of_several_types_are_one_series(tmp_path):
    images(tmp_path / "x", "a_001.png", "a_002.jpg", "a_003.tif")
    assert found(tmp_path / "x")[0] == {"x": ["a_001.png", "a_002.jpg", "a_003.tif"]}


def test_numbers_that_repeat_are_two_series(tmp_path):
    images(tmp_path / "x", *(f"a1_{n:03}.png" for n in range(5)), *(f"a2_{n:03}.png" for n in range(4)))
    stacks, listing = found(tmp_path / "x")
    assert stacks == {"x": [f"a1_{n:03}.png" for n in range(5)]}
    assert "a2_000.png, a2_001.png, a2_002.png, a2_003.png are left out" in listing.notes[0]


def test_two_series_of_one_length_are_refused(tmp_path):
    images(tmp_path / "x", *(f"{name}_{n:03}.png" for name in "ab" for n in range(3)))
    with pytest.raises(InputError, match=r"two series, a_000.png to a_002.png and b_000.png to b_002.png; give each"):
        find_stacks(tmp_path / "x")


@pytest.mark.parametrize(
    "names",
    [
        [f"lytro-{n:02}-{side}" for n in range(1, 21) for side in "AB"],
        ["x_1", "x_2", "x_3"],
        [f"x_{number}" for number in range(1, 13)],
        ["scene1_1", "scene1_2", "scene2_1", "scene2_2"],
        ["A", "B", "C"],
        [str(number) for number in range(1, 13)],
        ["beetle_near", "beetle_far"],
    ],
)
def test_names_with_places_stay_what_they_were(tmp_path, names):
    images(tmp_path / "x", *(f"{name}.png" for name in names))
    assert find_stacks(tmp_path / "x") == find_stacks(tmp_path / "x", places_only=True)


def test_pairs_beside_numbered_photographs_stay_pairs(tmp_path):
    images(tmp_path, "good-A.png", "good-B.png", *(f"DSC_{number}.png" for number in range(4711, 4719)))
    stacks, listing = found(tmp_path)
    assert stacks == {"good": ["good-A.png", "good-B.png"]}
    assert len(listing.problems) == 8 and "DSC_4711.png belongs to no stack" in listing.problems[0]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["x-1", "x-2", "x-4"], "lacks number 3"),
        (["x_2", "x_3"], "lacks number 1"),
        (["front", "back"], "belongs to no stack"),
        (["DSC_4711"], "belongs to no stack"),
        (["lytro-01-A", "lytro-02-A"], "has no partner"),
        (["s1-C", "s2-C"], "belongs to no stack"),
    ],
)
def test_what_is_no_series(tmp_path, names, message):
    images(tmp_path, *(f"{name}.png" for name in names))
    with pytest.raises(InputError, match=message):
        find_stacks(tmp_path)


def test_one_stack_from_each_subfolder(tmp_path):
    images(tmp_path, "pcb/pcb_010.png", "pcb/pcb_009.png", "fly/0000.png", "fly/0001.png", "fly/truth.png")
    images(tmp_path, "cat/A.png", "cat/B.png", "dog/x_1.png", "dog/x_2.png", "one/DSC_1234.png", ".hidden/00.png")
    stacks, listing = found(tmp_path)
    assert stacks == {
        "cat": ["A.png", "B.png"],
        "dog": ["x_1.png", "x_2.png"],
        "fly": ["0000.png", "0001.png"],
        "pcb": ["pcb_009.png", "pcb_010.png"],
    }
    assert listing.notes == ["fly: truth.png is left out, not of the series 0000.png to 0001.png"]
    assert len(listing.problems) == 1 and "DSC_1234.png belongs to no stack" in listing.problems[0]
    assert listing.lines() == [f"warning: {listing.notes[0]}"]  # pairs of a batch need no line


def test_numbered_folders_hold_sides_or_series(tmp_path):
    images(tmp_path / "sides", *(f"{side}/{n:03}.png" for side in "12" for n in range(3)))
    assert found(tmp_path / "sides")[0] == {f"{n:03}": [f"{n:03}.png"] * 2 for n in range(3)}
    images(tmp_path / "series", *(f"{folder}/DSC_{4700 + 10 * folder + n}.png" for folder in (1, 2) for n in range(3)))
    assert found(tmp_path / "series")[0] == {
        str(folder): [f"DSC_{4700 + 10 * folder + n}.png" for n in range(3)] for folder in (1, 2)
    }


def test_a_scene_is_one(tmp_path):
    images(tmp_path, "pcb/1_001.png", "pcb/1_002.png", "fly/1_001.png", "fly/1_002.png")
    with pytest.raises(InputError, match=r"holds 2 scenes, fly to pcb; -i .* -o DIR fuses each"):
        find_scene(tmp_path)
    (stack,) = find_scene(tmp_path / "fly").stacks
    assert find_scene(*stack.images).stacks[0].images == stack.images


def test_a_scene_of_more_images_than_a_method_takes(tmp_path):
    images(tmp_path / "pcb", "1_001.png", "1_002.png", "1_003.png")
    with pytest.raises(InputError, match=r"pcb has more than 2 images, .*1_003.png among them"):
        find_scene(tmp_path / "pcb", largest=2)
    with pytest.raises(InputError, match="belongs to no stack"):
        find_pairs(tmp_path / "pcb")


def test_many_frames_are_one_stack(tmp_path):
    images(tmp_path / "x", "y_0000.png")
    content = (tmp_path / "x" / "y_0000.png").read_bytes()
    for number in range(1, 300):
        (tmp_path / "x" / f"y_{number:04}.png").write_bytes(content)
    with pytest.raises(InputError, match=r"x has more than 255 images, .*y_0255.png among them"):
        find_stacks(tmp_path / "x", largest=255)
    assert len(find_stacks(tmp_path / "x").stacks[0].images) == 300
    assert len(check_stack(*(tmp_path / "x").iterdir()).images) == 300


def test_frames_that_a_shell_lists_get_the_order_of_their_numbers(tmp_path):
    images(tmp_path, "x_8.png", "x_9.png", "x_10.png", "other.png")
    eight, nine, ten, other = (tmp_path / name for name in ("x_8.png", "x_9.png", "x_10.png", "other.png"))
    assert check_stack(ten, eight, nine).images == (eight, nine, ten)
    assert check_stack(ten, nine, eight).images == (ten, nine, eight)  # an order that no shell makes is meant
    assert check_stack(ten, nine).images == (ten, nine)
    assert check_stack(other, ten, nine).images == (other, ten, nine)


def sized(folder, **sizes):
    for name, size in sizes.items():
        images(folder, f"x_{name}.png", size=size)


def test_sizes_may_differ_by_a_few_pixels(tmp_path):
    sized(tmp_path / "near", a001=(500, 400), a002=(505, 396), a003=(495, 400))
    assert len(find_stacks(tmp_path / "near").stacks[0].images) == 3
    sized(tmp_path / "far", a001=(500, 400), a002=(500, 405))
    with pytest.raises(InputError, match=r"x_a001.png is 500x400 pixels but .*x_a002.png is 500x405"):
        find_stacks(tmp_path / "far")
    sized(tmp_path / "large", a001=(5000, 1), a002=(5033, 1))
    with pytest.raises(InputError, match="5033x1"):
        find_stacks(tmp_path / "large")
    images(tmp_path / "pair", "x-A.png", size=(500, 400))
    images(tmp_path / "pair", "x-B.png", size=(500, 401))
    assert len(find_stacks(tmp_path / "pair").stacks) == 1
    with pytest.raises(InputError, match="must be equal"):
        find_pairs(tmp_path / "pair")  # what is measured must be the same to the pixel


# A counter that starts anew after 9999 has a test of its own.
NUMBERS = st.integers(0, 10**6).filter(lambda number: number != 9999)


@given(st.lists(NUMBERS, min_size=2, max_size=9, unique=True), st.integers(1, 7))
def test_any_numbers_come_in_their_order(tmp_path_factory, numbers, width):
    folder = tmp_path_factory.getbasetemp() / "never-made"
    paths = [folder / f"DSC_{number:0{width}}.JPG" for number in numbers]
    (series,) = find_series(paths)
    assert [int(re.search(r"\d+", path.name)[0]) for path in series] == sorted(numbers)


def test_the_real_stacks(stacks):
    listing = find_stacks(stacks / "real")
    assert {stack.name: stack.extent for stack in listing.stacks}.items() >= {
        "flies": "9 frames, flies_0000 to flies_0008",
        "pcb": "7 frames, pcb_001 to pcb_007",
        "vig": "4 frames, vig-0000 to vig-0003",
    }.items()
    assert listing.problems == [] and listing.notes == []
    listing = find_stacks(stacks / "rendered")
    assert len(listing.stacks) >= 6
    for stack, note in zip(listing.stacks, listing.notes, strict=True):
        frames = [path for path in stack.images[0].parent.glob("*.*g") if path.stem.isdecimal()]
        assert sorted(stack.images) == sorted(frames)
        assert note.startswith(f"{stack.name}: truth.png is left out")


@pytest.mark.parametrize(
    ("names", "count"),
    [
        ([f"Project_Series001_z{z:02d}_ch00" for z in range(8)], 8),
        ([f"beetle {z:02d} - 10x NA0.25" for z in range(1, 5)], 4),
        ([f"DSC_{z:04d}_NX2" for z in range(5)], 5),
        ([f"BURST2018{z:02d}_1920x1280" for z in range(6)], 6),
    ],
)
def test_a_constant_number_behind_the_varying_one_does_not_count(tmp_path, names, count):
    images(tmp_path, *(f"{name}.png" for name in names))
    (stack,) = find_stacks(tmp_path).stacks
    assert [path.stem for path in stack.images] == names and len(names) == count


def test_two_channels_are_two_series(tmp_path):
    images(tmp_path, *(f"{name}.png" for name in [f"x_z{z:02d}_ch{c:02d}" for z in range(3) for c in range(2)]))
    with pytest.raises(InputError, match=r"x_z00_ch00\.png to x_z02_ch00\.png and x_z00_ch01\.png to"):
        find_stacks(tmp_path)


def photograph(path, taken=None):
    exif = Image.Exif()
    if taken:
        exif.get_ifd(IFD.Exif)[Tag.DateTimeOriginal] = taken
    Image.new("L", (8, 8)).save(path, exif=exif)


@pytest.mark.parametrize(("dated", "expected"), [(None, True), ((58, 3), True), ((3, 58), False)])
def test_a_counter_that_starts_anew(tmp_path, dated, expected):
    """9998, 9999, 1, 2: the earlier come first, unless the EXIF times say that these are two runs."""
    for number in (9998, 9999, 1, 2):
        late = None if dated is None else dated[0] if number < 100 else dated[1]
        photograph(tmp_path / f"DSC_{number:04d}.jpg", late and f"2026:11:30 10:00:{late:02d}")
    (stack,) = find_stacks(tmp_path).stacks
    found = [int(path.stem[4:]) for path in stack.images]
    assert found == ([9998, 9999, 1, 2] if expected else [1, 2, 9998, 9999])


def test_a_large_gap_is_said(tmp_path):
    images(tmp_path, *(f"{name}.png" for name in [f"IMG_{number:04d}" for number in (1, 2, 3, 4, 40, 41)]))
    (note,) = find_stacks(tmp_path).notes
    assert "between IMG_0004.png and IMG_0040.png 35 numbers are missing" in note


def test_a_series_is_divided_by_count_or_time(tmp_path):
    for number in range(6):
        photograph(tmp_path / f"IMG_{number:04d}.jpg", f"2026:11:30 10:{number // 4 * 9:02d}:{number:02d}")
    by_count = find_stacks(tmp_path, division="count:3").stacks
    by_time = find_stacks(tmp_path, division="gap:60").stacks
    name = tmp_path.name
    assert [(stack.name, len(stack.images)) for stack in by_count] == [(f"{name}-1", 3), (f"{name}-2", 3)]
    assert [(stack.name, len(stack.images)) for stack in by_time] == [(f"{name}-1", 4), (f"{name}-2", 2)]
    for wrong in ("count:1", "count:2.5", "gap:", "gap:0", "time:3", "gap:nan", "gap:inf", "count:inf"):
        with pytest.raises(InputError, match="a division is count:N"):
            find_stacks(tmp_path, division=wrong)
