"""The page in a browser: drop, fuse, compare, retouch, save, open again."""

import base64
import io
import json
import re
import shutil
import socket
import threading

import numpy as np
import pytest
from PIL import Image

from data.demo import rendered_scene
from data.io.image_io import read_image, write_image

pytest.importorskip("fastapi", reason="the page's libraries are not installed (requirements-app.txt)")
pytest.importorskip("uvicorn", reason="the page's libraries are not installed (requirements-app.txt)")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

import uvicorn
from playwright.sync_api import expect, sync_playwright

from model.app.server import create_app

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = pytest.mark.skipif(BROWSER is None, reason=f"no browser here: none of {', '.join(BROWSERS)}")

DROP = """files => {
  const transfer = new DataTransfer();
  for (const [name, data] of files) {
    const bytes = Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], name));
  }
  document.body.dispatchEvent(new DragEvent("drop", {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


@pytest.fixture(scope="module")
def address():
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(create_app(), log_level="warning", timeout_graceful_shutdown=1))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser, address):
    context = browser.new_context(viewport={"width": 1200, "height": 760}, accept_downloads=True)
    page = context.new_page()
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "request", lambda request: request.url.startswith((address, "blob:", "data:")) or problems.append(request.url)
    )
    page.goto(address)
    yield page
    context.close()
    assert not problems


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three photographs; the third is sharp nowhere."""
    folder = tmp_path_factory.mktemp("frames")
    near, far = (image[:240, :320] for image in rendered_scene().photographs())
    for name, image in (("f 10.png", far), ("f 9.png", near), ("f 11.png", near // 2 + far // 2)):
        write_image(folder / name, image)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def drop(page, files):
    page.evaluate(DROP, [[name, base64.b64encode(data).decode()] for name, data in files.items()])


def fuse(page):
    page.click("#fuse")
    expect(page.locator("#fuse")).to_be_enabled(timeout=60_000)
    expect(page.locator("#tools")).to_be_visible()


def save(page, kind, path):
    page.click("#save summary")
    with page.expect_download() as download:
        page.click(f"[data-save={kind}]")
    download.value.save_as(path)
    return download.value.suggested_filename


def pixels(page):
    """What the canvas shows."""
    page.wait_for_timeout(400)
    return np.asarray(Image.open(io.BytesIO(page.locator("#canvas").screenshot())).convert("RGB")).astype(int)


def test_from_dropped_frames_to_a_saved_and_reopened_project(page, files, tmp_path):
    drop(page, files)
    names = page.locator("#frames .name")
    expect(names).to_have_text(["1. f 9.png", "2. f 10.png", "3. f 11.png"])
    page.locator("#frames .use").nth(2).uncheck()  # leave it out
    expect(page.locator("#frames li.out")).to_have_count(1)
    fuse(page)
    expect(page.locator("#facts")).to_contain_text("320\u00d7240 pixels")
    alone = pixels(page)
    page.keyboard.press("2")
    expect(page.locator("#facts")).to_contain_text("right: f 10.png")
    compared = pixels(page)
    middle = alone.shape[1] // 2
    assert np.abs(compared[:, : middle - 20] - alone[:, : middle - 20]).mean() < 0.5
    assert np.abs(compared[:, middle + 20 :] - alone[:, middle + 20 :]).mean() > 1
    save(page, "png", tmp_path / "before.png")
    box = page.locator("#canvas").bounding_box()
    page.keyboard.press("1")
    page.keyboard.press("b")
    for row in (0.35, 0.65):
        page.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + box["height"] * row)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.7, box["y"] + box["height"] * row, steps=5)
        page.mouse.up()
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    page.keyboard.press("Control+z")
    expect(page.locator("#facts")).to_contain_text("1 stroke")
    assert save(page, "tif", tmp_path / "saved.tif") == "f-fused.tif"
    save(page, "json", tmp_path / "project.json")
    before, saved = read_image(tmp_path / "before.png"), read_image(tmp_path / "saved.tif")
    assert (before != saved).any()
    project = json.loads((tmp_path / "project.json").read_text())
    assert ([frame["file"] for frame in project["frames"]], len(project["strokes"])) == (["f 9.png", "f 10.png"], 1)
    page.reload()
    drop(page, {**files, "project.json": (tmp_path / "project.json").read_bytes()})
    expect(page.locator("#facts")).to_contain_text("1 stroke", timeout=60_000)
    save(page, "tif", tmp_path / "again.tif")
    np.testing.assert_array_equal(read_image(tmp_path / "again.tif"), saved)


def test_the_decision_map_says_which_color_is_which_frame(page, files):
    drop(page, files)
    expect(page.locator("#frames li")).to_have_count(3)
    fuse(page)
    expect(page.locator("#frames li.marked")).to_have_count(0)
    page.select_option("#overlay", "map")
    expect(page.locator("#frames li.marked")).to_have_count(3)
    page.locator("#opacity").fill("100")
    colors = [
        tuple(int(part) for part in re.findall(r"\d+", color))
        for color in page.locator("#frames .name").evaluate_all(
            "names => names.map(name => getComputedStyle(name, '::before').backgroundColor)"
        )
    ]
    shown = pixels(page)
    for color in colors[:2]:  # JPEG changes them by a little
        assert (np.abs(shown - color).max(-1) < 12).mean() > 0.05
    assert colors[0] != colors[1]


def test_frames_are_reordered_by_mouse_and_by_buttons(page, files):
    drop(page, files)
    expect(page.locator("#frames li")).to_have_count(3)
    page.locator("#frames li").nth(2).drag_to(page.locator("#frames li").nth(0))
    expect(page.locator("#frames .name")).to_have_text(["1. f 11.png", "2. f 9.png", "3. f 10.png"])
    page.get_by_role("button", name="Move f 11.png later").click()
    expect(page.locator("#frames .name")).to_have_text(["1. f 9.png", "2. f 11.png", "3. f 10.png"])


def test_wheel_zooms_at_the_pointer_and_drag_pans(page, files):
    drop(page, {name: files[name] for name in ("f 9.png", "f 10.png")})
    fuse(page)
    box = page.locator("#canvas").bounding_box()
    x, y = round(box["x"] + box["width"] * 0.25), round(box["y"] + box["height"] * 0.4)
    page.mouse.move(x, y)
    below = "([x, y]) => { const v = window.viewer; return v.toPicture([x * v.pixelRatio, y * v.pixelRatio]); }"
    place = [x - box["x"], y - box["y"]]
    before = page.evaluate(below, place)
    page.mouse.wheel(0, -600)
    np.testing.assert_allclose(page.evaluate(below, place), before, atol=0.01)
    expect(page.locator("#facts")).not_to_contain_text("zoom 100%")
    page.mouse.down()
    page.mouse.move(x + 50, y + 20)
    page.mouse.up()
    np.testing.assert_allclose(page.evaluate(below, [place[0] + 50, place[1] + 20]), before, atol=0.01)


def test_what_cannot_be_used_is_one_sentence(page, files):
    drop(page, {"broken.jpg": files["f 9.png"][:700], **files})
    expect(page.locator("#messages p")).to_have_count(1)
    expect(page.locator("#messages")).to_contain_text("broken.jpg")
    expect(page.locator("#frames li")).to_have_count(3)
    drop(page, {"project.json": b"{}"})
    expect(page.locator("#messages")).to_contain_text("Not a project: project.json")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_wider_than_the_screen(browser, address, files, scheme):
    with browser.new_context(viewport={"width": 420, "height": 800}, color_scheme=scheme) as context:
        page = context.new_page()
        page.goto(address)
        drop(page, files)
        fuse(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= 420
        ground, ink = page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.body).color]"
        )
        brightness = [sum(int(part) for part in color[4:-1].split(",")[:3]) / 3 for color in (ground, ink)]
        assert abs(brightness[0] - brightness[1]) > 150
        assert (brightness[0] > 128) == (scheme == "light")


def stroke_over(page, row):
    """Paints across the middle of the picture."""
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.35, box["y"] + box["height"] * row)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.65, box["y"] + box["height"] * row, steps=4)
    page.mouse.up()


def test_nothing_that_was_painted_is_lost(page, files, tmp_path):
    """Strokes survive Fuse again and a closed tab; leaving asks."""
    two = {name: files[name] for name in ("f 9.png", "f 10.png")}
    drop(page, two)
    fuse(page)
    page.keyboard.press("1")
    page.keyboard.press("b")
    stroke_over(page, 0.4)
    stroke_over(page, 0.6)
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    save(page, "png", tmp_path / "painted.png")
    page.locator("#frames .later").first.click()  # the frames change places, and their numbers with them
    fuse(page)
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    page.keyboard.press("b")
    stroke_over(page, 0.5)
    expect(page.locator("#facts")).to_contain_text("3 strokes")
    for _ in range(50):
        if page.evaluate("JSON.parse(localStorage['multifocus-project']).strokes.length") == 3:
            break
        page.wait_for_timeout(100)
    asked = []
    page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.accept()))
    page.reload()
    assert asked == ["beforeunload"]
    expect(page.locator("#offer")).to_contain_text("3 strokes over f 10.png, f 9.png")
    drop(page, two)
    expect(page.locator("#facts")).to_contain_text("3 strokes", timeout=60_000)
    save(page, "png", tmp_path / "again.png")
    drop(page, {"f 11.png": files["f 11.png"]})
    expect(page.locator("#frames li")).to_have_count(3)
    expect(page.locator("#frames li.out")).to_have_count(0)  # what is kept is offered once
    page.reload()
    assert asked == ["beforeunload"]  # all is saved now
    page.click("#forget")
    expect(page.locator("#offer")).to_be_hidden()
    page.reload()
    expect(page.locator("#offer")).to_be_hidden()


def test_strokes_are_erased_undone_and_done_again(page, files, tmp_path):
    drop(page, {name: files[name] for name in ("f 9.png", "f 10.png")})
    fuse(page)
    save(page, "png", tmp_path / "fused.png")
    page.keyboard.press("1")
    page.keyboard.press("b")
    stroke_over(page, 0.4)
    expect(page.locator("#facts")).to_contain_text("1 stroke")
    expect(page.locator("#redo")).to_be_disabled()
    save(page, "png", tmp_path / "painted.png")
    page.keyboard.press("Control+z")
    expect(page.locator("#redo")).to_be_enabled()
    page.keyboard.press("Control+y")
    expect(page.locator("#facts")).to_contain_text("1 stroke")
    save(page, "png", tmp_path / "redone.png")
    page.keyboard.press("e")
    expect(page.locator("#eraser")).to_have_attribute("aria-pressed", "true")
    page.evaluate("viewer.radius = 400")
    stroke_over(page, 0.5)
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    save(page, "png", tmp_path / "erased.png")
    fused, painted, redone, erased = (
        read_image(tmp_path / f"{name}.png") for name in ("fused", "painted", "redone", "erased")
    )
    assert (painted != fused).any()
    np.testing.assert_array_equal(redone, painted)
    np.testing.assert_array_equal(erased, fused)


def test_the_frame_under_the_pointer_is_taken(page, files):
    drop(page, {name: files[name] for name in ("f 9.png", "f 10.png")})
    fuse(page)
    page.click("#fit")
    box = page.locator("#canvas").bounding_box()
    taken = set()
    for share in (0.3, 0.5, 0.7):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] * 0.5)
        page.keyboard.press("t")
        expect(page.locator("#facts")).to_contain_text("right: f")
        taken.add(page.locator("#facts").inner_text().split("right: ")[1].split(" \u00b7")[0])
    assert taken <= {"f 9.png", "f 10.png"}


def test_the_middle_button_moves_with_the_brush(page, files):
    drop(page, {name: files[name] for name in ("f 9.png", "f 10.png")})
    fuse(page)
    page.keyboard.press("b")
    before = page.evaluate("viewer.view.x")
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + 300, box["y"] + 200)
    page.mouse.down(button="middle")
    page.mouse.move(box["x"] + 340, box["y"] + 200, steps=3)
    page.mouse.up(button="middle")
    assert page.evaluate("viewer.view.x") == pytest.approx(before + 40, abs=1)
    assert "stroke" not in page.locator("#facts").inner_text()


def test_messages_stay_in_a_log_and_names_can_be_chosen(page, files, tmp_path):
    drop(page, {"notes.png": b"no image"})
    expect(page.locator("#log summary")).to_have_text("Messages (1)")
    page.click("#log summary")
    expect(page.locator("#log li")).to_contain_text("notes.png")
    drop(page, {name: files[name] for name in ("f 9.png", "f 10.png")})
    fuse(page)
    page.click("#save summary")
    page.fill("#save-name", "my/stack: 1")
    page.fill("#quality", "40")
    page.click("#save summary")
    assert save(page, "jpg", tmp_path / "low.jpg") == "my-stack- 1.jpg"
    page.click("#save summary")
    page.fill("#quality", "98")
    page.click("#save summary")
    save(page, "jpg", tmp_path / "high.jpg")
    assert (tmp_path / "low.jpg").stat().st_size < 0.5 * (tmp_path / "high.jpg").stat().st_size


def test_frames_are_looked_at_before_they_are_fused(page, files):
    drop(page, files)
    pictures, facts = page.locator("#frames .picture"), page.locator("#facts")
    pictures.nth(1).click()
    expect(facts).to_contain_text("f 10.png")
    expect(pictures.nth(1)).to_have_attribute("aria-pressed", "true")
    first = pixels(page)
    page.keyboard.press(",")
    expect(facts).to_contain_text("f 9.png")
    assert np.abs(pixels(page) - first).mean() > 1
    for _ in range(4):
        page.keyboard.press(".")
    expect(facts).to_contain_text("f 11.png")
    page.locator("#frames .remove").nth(2).click()
    expect(page.locator("#frames li")).to_have_count(2)
    expect(page.locator("#empty")).to_be_visible()
    pictures.nth(0).click()
    fuse(page)
    expect(facts).to_contain_text("zoom")
    expect(facts).not_to_contain_text("f 9.png")
    fused = pixels(page)
    page.keyboard.press(".")
    expect(facts).to_contain_text("f 9.png")
    page.keyboard.press("Escape")
    np.testing.assert_array_equal(pixels(page), fused)
    page.locator("#frames .remove").nth(0).click()
    expect(page.locator("#messages")).to_contain_text("The result was made of this frame")
    page.click("#new")
    expect(page.locator("#frames li")).to_have_count(0)


def test_frames_by_a_slider_with_what_is_sharp_marked(page, files):
    drop(page, files)
    expect(page.locator("#frames li")).to_have_count(3)
    page.locator("#browser").fill("2")
    expect(page.locator("#facts")).to_contain_text("f 10.png")
    expect(page.locator("#frames .picture").nth(1)).to_have_attribute("aria-pressed", "true")
    plain = pixels(page)
    page.locator("#canvas").focus()
    page.keyboard.press("p")
    expect(page.locator("#peaking")).to_be_checked()
    red = pixels(page)
    assert ((red[..., 0] - red[..., 1]) > 80).mean() > ((plain[..., 0] - plain[..., 1]) > 80).mean() + 0.01
    page.keyboard.press(",")
    expect(page.locator("#browser")).to_have_value("1")
    page.locator("#peaking").uncheck()
    expect(page.locator("#facts")).to_contain_text("f 9.png")
    assert page.evaluate("viewer.left").startswith("upload-")


def test_both_panes_paint_and_so_does_the_result_of_other_settings(page, files, tmp_path):
    drop(page, files)
    expect(page.locator("#frames li")).to_have_count(3)
    page.locator("#frames .use").nth(2).uncheck()
    fuse(page)
    save(page, "png", tmp_path / "learned.png")
    page.click("#settings summary")
    page.select_option("#strategy", "refined")
    fuse(page)
    save(page, "png", tmp_path / "refined.png")
    page.select_option("#compare", label="other result: strategy learned")
    expect(page.locator("#facts")).to_contain_text("right: other result: strategy learned")
    page.click("#brush")
    page.locator("#size").fill("100")
    page.locator("#softness").fill("0")
    box = page.locator("#canvas").bounding_box()
    for column in (0.4, 0.6):  # left and right of the divider
        page.mouse.move(box["x"] + box["width"] * column, box["y"] + box["height"] * 0.6)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * column, box["y"] + box["height"] * 0.95, steps=5)
        page.mouse.up()
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    save(page, "png", tmp_path / "painted.png")
    learned, refined, painted = (read_image(tmp_path / f"{name}.png") for name in ("learned", "refined", "painted"))
    changed = (painted != refined).any(2)
    assert changed[:, :160].any() and changed[:, 160:].any()
    still = (painted == learned).all(2)
    assert still[changed].mean() > 0.5  # the rest is blended around the strokes
    page.click("#fuse")  # again, with the same settings: the strokes stay
    expect(page.locator("#fuse")).to_be_enabled(timeout=60_000)
    expect(page.locator("#facts")).to_contain_text("2 strokes")
    save(page, "png", tmp_path / "again.png")
    np.testing.assert_array_equal(read_image(tmp_path / "again.png"), painted)
    expect(page.locator("#compare")).to_have_value("-2")
    page.keyboard.press("0")
    page.click("#fuse")
    expect(page.locator("#fuse")).to_be_enabled(timeout=60_000)
    expect(page.locator("#compare")).to_have_value("")


CONTRASTS = """() => {
  const parse = (text) => text.match(/[\\d.]+/g).map(Number);
  const luminance = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
  const ground = (node) => {
    for (let one = node; one; one = one.parentElement) {
      const color = parse(getComputedStyle(one).backgroundColor);
      if (color.length === 3 || color[3] > 0.99) return color;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const node of document.querySelectorAll("body *")) {
    const text = [...node.childNodes].filter((one) => one.nodeType === 3).map((one) => one.data.trim()).join("");
    if (!text || node.id === "empty") continue; // which is over the canvas
    if (!node.checkVisibility({ visibilityProperty: true }) || node.closest(":disabled, .out, option")) continue;
    const [one, other] = [parse(getComputedStyle(node).color), ground(node)].map(luminance).sort((a, b) => b - a);
    found.push([(one + 0.05) / (other + 0.05), text.slice(0, 30)]);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_has_contrast(browser, address, files, scheme):
    context = browser.new_context(viewport={"width": 1280, "height": 800}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address)
    drop(page, {**files, "not-an-image.png": b"x"})
    expect(page.locator("#messages p")).to_have_count(1)
    fuse(page)
    page.click("#settings summary")
    page.click("#brush")
    page.select_option("#overlay", "depth")
    page.click("#log summary")
    page.click("#save summary")
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 40
    assert min(contrasts)[0] >= 4.5, sorted(contrasts)[:5]  # WCAG 2.2, 1.4.3
    context.close()


def test_the_depth_has_a_legend_and_is_saved(page, files, tmp_path):
    drop(page, files)
    fuse(page)
    page.select_option("#overlay", "depth")
    expect(page.locator("#legend")).to_contain_text("f 9.png")
    expect(page.locator("#legend")).to_contain_text("f 11.png; gray: unknown")
    assert "linear-gradient" in page.locator("#scale").evaluate("one => one.style.background")
    page.select_option("#overlay", "map")
    expect(page.locator("#legend")).to_be_hidden()
    assert save(page, "depth", tmp_path / "depth.png") == "f-fused-depth.png"
    assert save(page, "rocking", tmp_path / "rocking.webp") == "f-fused-rocking.webp"
    assert save(page, "stereo", tmp_path / "stereo.jpg") == "f-fused-stereo.jpg"
    with Image.open(tmp_path / "rocking.webp") as animation:
        assert animation.n_frames == 24 and animation.width == Image.open(tmp_path / "stereo.jpg").width // 2
    save(page, "confidence", tmp_path / "confidence.png")
    depth, sure = read_image(tmp_path / "depth.png"), read_image(tmp_path / "confidence.png")
    assert (depth.dtype, sure.dtype, depth.shape) == (np.uint16, np.uint8, (240, 320)) and depth.max() <= 2 * 256


def test_nothing_is_fused_before_all_frames_have_arrived(page, files):
    held = []
    page.route("**/frames?name=f%2011.png", lambda route: held.append(route))
    drop(page, files)
    expect(page.locator("#frames li")).to_have_count(2)
    expect(page.locator("#fuse")).to_be_disabled()
    page.wait_for_timeout(100)
    held[0].continue_()
    expect(page.locator("#fuse")).to_be_enabled()
    expect(page.locator("#frames li")).to_have_count(3)


def test_later_drops_are_sorted_in_and_the_focus_stays(page, files):
    drop(page, {name: files[name] for name in ("f 9.png", "f 11.png")})
    expect(page.locator("#frames li")).to_have_count(2)
    drop(page, {"f 10.png": files["f 10.png"]})
    expect(page.locator("#frames .name")).to_have_text(["1. f 9.png", "2. f 10.png", "3. f 11.png"])
    page.locator("#frames .later").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#frames .name").nth(1)).to_have_text("2. f 9.png")
    page.keyboard.press("Enter")  # the button of the same frame has the focus
    expect(page.locator("#frames .name").nth(2)).to_have_text("3. f 9.png")
